"""hls4ml itself reads what is written for it and predicts our integers; what it makes of the plain export."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from etb_hw.integer import Conv, IntegerGraph, reference
from etb_hw.pruning import deployable, load_checkpoint
from etb_hw.qonnx_io import execute, export_hls4ml, export_model, import_model
from hw_tests import networks
from hw_tests.finn.finn_nets import conv_net, mlp

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-hls4ml" / "bin" / "python"
SCRIPT = Path(__file__).parent / "read_in_hls4ml.py"

pytestmark = [
    pytest.mark.hls4ml,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        not PYTHON.exists(), reason="no .venv-hls4ml; run `make test-hls4ml`, which installs it"
    ),
    pytest.mark.skipif(shutil.which("g++") is None, reason="hls4ml compiles its C simulation with g++"),
]


def with_zeros_around_signs(graph: IntegerGraph) -> IntegerGraph:
    nodes = tuple(replace(n, pad_value=0) if isinstance(n, Conv) else n for n in graph.nodes)
    return IntegerGraph(nodes, graph.output)


GRAPHS = {
    "mlp": networks.mlp(49, (29, 31), 7),
    "padded": networks.conv_net([7, networks.POOL, 5], [11], (3, 8, 8)),
    "unpadded": networks.conv_net([6, 5, networks.POOL], [], (1, 10, 8), pad=0),
    "zeros": with_zeros_around_signs(networks.conv_net([6, 5, networks.POOL], [], (1, 8, 8))),
}


def samples(shape: tuple[int, ...], folder: Path, count: int = 48) -> np.ndarray:
    x = np.random.default_rng(0).integers(0, 256, (count, *shape))
    np.savez(folder / "samples.npz", x=x)
    return x


def read(model: Path, *options: str) -> subprocess.CompletedProcess[str]:
    folder = model.parent
    return subprocess.run(
        [PYTHON, SCRIPT, model, "--samples", folder / "samples.npz", "--out", folder, *options],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def predictions(model: Path, *options: str) -> np.ndarray:
    done = read(model, *options)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return np.load(model.parent / "predictions.npy")


CASES = [(name, io, "Vitis") for name in GRAPHS for io in ("io_parallel", "io_stream")]


@pytest.mark.parametrize(("name", "io", "backend"), [*CASES, ("padded", "io_stream", "Vivado")])
def test_predicts_our_integers(name: str, io: str, backend: str, tmp_path: Path) -> None:
    graph, model = GRAPHS[name], tmp_path / "model.hls4ml.onnx"
    export_hls4ml(graph, model)
    x = samples(graph.input.shape, tmp_path)
    expected = reference.execute(graph, x)
    assert len(np.unique(expected.argmax(axis=1))) > 1
    np.testing.assert_array_equal(predictions(model, "--io", io, "--backend", backend), expected)


def test_predicts_the_integers_of_a_trained_network(tmp_path: Path) -> None:
    module = deployable(load_checkpoint(ROOT / "flows/pretrained/digits/checkpoint.safetensors")[0])
    export_model(module, tmp_path / "model.qonnx.onnx", module.input_shape)
    export_hls4ml(import_model(tmp_path / "model.qonnx.onnx"), tmp_path / "model.hls4ml.onnx")
    x = samples(module.input_shape, tmp_path)
    expected = execute(tmp_path / "model.qonnx.onnx", x)
    np.testing.assert_array_equal(predictions(tmp_path / "model.hls4ml.onnx"), expected)


def test_does_not_take_the_borders_of_the_plain_export(tmp_path: Path) -> None:
    """Where this fails, hls4ml has learnt it, and docs/how-to/hls4ml.md says too little."""
    export_model(conv_net((1, 8, 8), [(4, False), (4, False)]), tmp_path / "model.onnx", (1, 8, 8))
    samples((1, 8, 8), tmp_path)
    assert "Only constant value of 0 supported for Pad node" in read(tmp_path / "model.onnx").stderr


def test_sets_weights_of_the_plain_export_to_one(tmp_path: Path) -> None:
    """Where this fails, hls4ml reads plain MLPs, and docs/how-to/hls4ml.md says too little."""
    export_model(mlp(49, [16, 16]), tmp_path / "model.onnx", (49,))
    x = samples((49,), tmp_path)
    found = predictions(tmp_path / "model.onnx")
    assert (execute(tmp_path / "model.onnx", x) != found).any()
    assert (found == found[:, :1]).all(), "all classes have one score: their weights are all the same"
