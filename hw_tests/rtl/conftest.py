"""Simulators are built once a test run; what no tool can build is skipped with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from etb_hw.errors import MissingTool
from etb_hw.rtl.tools import find_compiler, find_verilator, find_yosys


@pytest.fixture(scope="session")
def simulator_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        find_verilator()
        find_compiler()
    except MissingTool as error:
        pytest.skip(str(error))
    return tmp_path_factory.mktemp("simulators")


@pytest.fixture(scope="session")
def synthesis_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        find_yosys()
    except MissingTool as error:
        pytest.skip(str(error))
    return tmp_path_factory.mktemp("netlists")
