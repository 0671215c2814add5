"""The package's cocotb tests: bus models that are not ours find nothing wrong, and notice what is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from etb_hw import qonnx_io
from etb_hw.board import Trial, find_board
from etb_hw.board.zynq.package import package
from etb_hw.config import BuildConfig, DataConfig
from etb_hw.data.digits import load_digits
from etb_hw.dataflow import DataflowGraph
from etb_hw.dataflow.design import design
from etb_hw.flow.proofs import frames
from etb_hw.integer import IntegerGraph
from etb_hw.integer.packed import PackedExecutor
from hw_tests.board.designs import colour, colour_network
from hw_tests.board.reloading import hardware, network

pytest.importorskip("cocotb", reason="pip install 'etb-hw[cocotb]'")
pytest.importorskip("cocotbext.axi", reason="pip install 'etb-hw[cocotb]'")
if pytest.importorskip("find_libpython").find_libpython() is None:
    pytest.skip("this Python has no libpython*.so, which cocotb needs", allow_module_level=True)

DIGITS = Path(__file__).parents[2] / "flows/pretrained/digits/checkpoint.safetensors"
WITHOUT_BUILDING = "import run_cocotb as r, sys; sys.exit(r.simulate(r.HERE / r.BUILD / 'tb'))"


def write(folder: Path, made: DataflowGraph, computes: IntegerGraph, images: np.ndarray) -> Path:
    """The folder ``test`` of a package whose golden frames are the packed simulator's."""
    expected = np.moveaxis(PackedExecutor(computes).run(images), 1, -1)
    trial = Trial(frames(made, images), expected.reshape(len(images), *made.output_stream.shape))
    board = find_board("pynq-z2")
    assert board.kind == "zynq"
    package(made, board, 100.0, trial, prove=False, tools="pinned", stage=str).write(folder)
    return folder / "test"


def random_images(graph: IntegerGraph, count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *graph.input.shape))


def run(folder: Path, *arguments: str) -> tuple[dict[str, str], str]:
    """What became of each of the tests by its name, and all that was said."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    found = dict(re.findall(r"\*\* cocotb_axi\.(\w+) +(PASS|FAIL|SKIP) ", done.stdout))
    assert (done.returncode == 0) == (bool(found) and "FAIL" not in found.values()), done.stdout + done.stderr
    return found, done.stdout + done.stderr


def test_three_bytes_a_beat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path, colour(), colour_network(), random_images(colour_network(), 4))
    for path in folder.glob("*.py"):
        assert "etb_hw" not in path.read_text(encoding="utf-8").replace("nothing of etb_hw", "")
    found, said = run(folder, "run_cocotb.py")
    assert len(found) == 9, said
    assert {name for name, what in found.items() if what != "PASS"} == {"writable_weights"}, said
    assert found["writable_weights"] == "SKIP"
    # a golden word that is another one is found, and where it is
    golden = folder / "frames_out.mem"
    words = golden.read_text(encoding="ascii").split()
    words[-1] = f"{int(words[-1], 16) ^ 1:0{len(words[-1])}x}"
    golden.write_text("\n".join(words), encoding="ascii")
    monkeypatch.setenv("COCOTB_TEST_FILTER", "golden_frames|it_is_this_build")
    found, said = run(folder, "-c", WITHOUT_BUILDING)
    assert found == {"it_is_this_build": "PASS", "golden_frames": "FAIL"}, said
    # so is another build than accelerator.json's
    about = tmp_path / "accelerator.json"
    about.write_text(
        re.sub(r'"build": ".', '"build": "x', about.read_text(encoding="utf-8")), encoding="utf-8"
    )
    monkeypatch.setenv("COCOTB_TEST_FILTER", "it_is_this_build")
    found, said = run(folder, "-c", WITHOUT_BUILDING)
    assert found == {"it_is_this_build": "FAIL"}, said


@pytest.mark.slow
def test_writable_weights(tmp_path: Path) -> None:
    found, said = run(
        write(tmp_path, hardware(network(0)), network(0), random_images(network(0), 3)), "run_cocotb.py"
    )
    assert len(found) == 9, said
    assert {name for name, what in found.items() if what != "PASS"} == {"a_word_without_all_its_bytes"}, said


@pytest.mark.slow
def test_real_digits(tmp_path: Path) -> None:
    """The published network and images of its test set."""
    pytest.importorskip("torch", reason="pip install 'etb-hw[train]'")
    from etb_hw.pruning import deployable, load_checkpoint
    from etb_hw.qonnx_io.export import exported_model

    module = deployable(load_checkpoint(DIGITS)[0])
    graph = qonnx_io.import_model(exported_model(module, module.input_shape))
    made = design(graph, BuildConfig(target_fps=20_000)).graph
    images = load_digits(DataConfig(name="digits")).test_x[:3]
    found, said = run(write(tmp_path, made, graph, images), "run_cocotb.py")
    assert set(found.values()) == {"PASS", "SKIP"}, said
    assert found["golden_frames"] == "PASS"
