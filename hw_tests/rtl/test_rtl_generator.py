"""The generated folder: complete, lint-clean, and the packing of beats."""

from __future__ import annotations

import subprocess
from pathlib import Path
from shutil import which

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etb_hw.dataflow import DataflowGraph, Effort, Target, fold, lower
from etb_hw.dataflow.stream import Stream
from etb_hw.errors import MissingTool
from etb_hw.integer.datatype import BIPOLAR, DataType
from etb_hw.rtl import generate, write
from etb_hw.rtl.beats import from_beats, to_beats
from etb_hw.rtl.library import module_text, needed_modules
from etb_hw.rtl.tools import find_verilator
from hw_tests.networks import POOL, conv_net, resnet18


@pytest.fixture(scope="module", params=["conv", "residual"])
def design(request: pytest.FixtureRequest) -> DataflowGraph:
    if request.param == "conv":
        return fold(
            lower(conv_net([5, 7, POOL], [9], (3, 6, 6))), Target(cycles=800), Effort(time_limit_s=3)
        ).graph
    return lower(resnet18((3, 5), size=8, blocks=1), label_select=True)


def test_the_folder_is_self_contained(design: DataflowGraph) -> None:
    files = generate(design)
    listed = files["files.f"].split()
    assert set(listed) == {name for name in files if name.endswith(".sv")}
    top = files["etb_top.sv"]
    for name in files:
        if name.endswith(".mem"):
            assert f'"{name}"' in top
    for block in design.blocks:
        assert f"u_{block.name} (" in top
        assert block.name in files["README.md"]
    assert top.count("etb_fifo") == sum(edge.depth > 0 for edge in design.edges)


def test_generating_twice_gives_the_same_text(design: DataflowGraph) -> None:
    assert generate(design) == generate(design)


def test_verilator_has_nothing_to_say(design: DataflowGraph, tmp_path: Path) -> None:
    try:
        verilator = find_verilator()
    except MissingTool as error:
        pytest.skip(str(error))
    write(generate(design), tmp_path)
    done = verilator.tool.run(["--lint-only", "-Wall", "--top-module", "etb_top", "-f", "files.f"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert "%" not in done.stderr


@pytest.mark.skipif(which("iverilog") is None, reason="Icarus Verilog is not installed")
def test_icarus_accepts_it(design: DataflowGraph, tmp_path: Path) -> None:
    write(generate(design), tmp_path)
    command = ["iverilog", "-g2012", "-s", "etb_top", "-o", "top.vvp", "-f", "files.f"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "error" not in done.stderr


def test_a_module_comes_after_those_it_uses() -> None:
    names = needed_modules(["etb_mvau"])
    assert names[-1] == "etb_mvau"
    assert names.index("etb_popcount18") < names.index("etb_dot") < names.index("etb_mvau")
    assert module_text("etb_mvau").startswith("// Matrix-vector")


@given(
    dtype=st.sampled_from([BIPOLAR, DataType.unsigned(3), DataType.integer(5), DataType.unsigned(8)]),
    lanes=st.integers(1, 40),
    folds=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_beats_and_back(dtype: DataType, lanes: int, folds: int, seed: int) -> None:
    stream = Stream((2, 3, lanes * folds), dtype, lanes)
    rng = np.random.default_rng(seed)
    frames = dtype.min + dtype.step * rng.integers(0, dtype.levels, (2, *stream.shape))
    beats = to_beats(frames, stream)
    assert beats.shape == (2 * stream.beats, -(-stream.width // 32))
    np.testing.assert_array_equal(from_beats(beats, stream), frames)


def test_lane_zero_is_least_significant() -> None:
    stream = Stream((4,), DataType.integer(4), 4)
    beats = to_beats(np.array([[1, -1, 2, -8]]), stream)
    assert beats.tolist() == [[0x82F1]]
