"""The file for hls4ml computes the graph's integers, in the nodes that hls4ml reads, or is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

from etb_hw.cli import main
from etb_hw.errors import UnsupportedNode
from etb_hw.integer import (
    ChannelAffine,
    Conv,
    DataType,
    Dense,
    IntegerGraph,
    Threshold,
    reference,
)
from etb_hw.qonnx_io import execute, export_hls4ml, write_streamlined
from etb_hw.qonnx_io.hls4ml import hls4ml_model
from hw_tests import networks
from hw_tests.networks import POOL, NetworkBuilder


def changed(graph: IntegerGraph, kind: type, **values: object) -> IntegerGraph:
    nodes = tuple(replace(n, **values) if isinstance(n, kind) else n for n in graph.nodes)
    return IntegerGraph(nodes, graph.output)


def biased() -> IntegerGraph:
    graph = networks.conv_net([6, POOL], [], (3, 8, 8))
    bias = ChannelAffine(
        name="bias", inputs=(graph.output,), mul=np.ones(10, np.int64), add=np.arange(-50, 50, 10)
    )
    return IntegerGraph((*graph.nodes, bias), "bias")


def pooled_sums() -> IntegerGraph:
    net = NetworkBuilder((2, 8, 8))
    x = net.threshold(net.pool(net.conv("input", 5)))
    return net.graph(net.dense(net.flatten(net.threshold(net.conv(x, 4), DataType.unsigned(1))), 3))


def wide_weights() -> IntegerGraph:
    rng = np.random.default_rng(3)
    graph = networks.mlp(12, (9, 8), 4)
    nodes = tuple(
        replace(n, weights=rng.integers(-8, 8, n.weights.shape), weight_dtype=DataType.integer(4))
        if isinstance(n, Dense) else n
        for n in graph.nodes
    )  # fmt: skip
    return IntegerGraph(nodes, graph.output)


def constant_channel() -> IntegerGraph:
    graph = networks.mlp(12, (9, 8), 4)
    far = np.asarray([[2**40], [-(2**40)], *[[0]] * 7])
    nodes = tuple(
        replace(n, thresholds=far) if isinstance(n, Threshold) and n.name == "fc0_act" else n
        for n in graph.nodes
    )
    return IntegerGraph(nodes, graph.output)


GRAPHS = {
    "mlp": networks.mlp(49, (29, 31), 7),
    "padded": networks.conv_net([7, POOL, 5, 6], [11], (3, 8, 10)),
    "unpadded": networks.conv_net([6, 5, POOL], [], (1, 10, 8), pad=0),
    "zeros": changed(networks.conv_net([6, POOL, 5, 4], [], (1, 8, 8)), Conv, pad_value=0),
    "biased": biased(),
    "pooled sums": pooled_sums(),
    "wide weights": wide_weights(),
    "constant channel": constant_channel(),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_qonnx_computes_the_integers_of_the_graph(name: str) -> None:
    graph = GRAPHS[name]
    model = hls4ml_model(graph)
    x = np.random.default_rng(0).integers(0, 256, (40, *graph.input.shape))
    expected = reference.execute(graph, x)
    assert len(np.unique(expected)) > 4
    np.testing.assert_array_equal(execute(model, x), expected)
    assert {n.op_type for n in model.graph.node} <= {"Quant", "Conv", "MatMul", "Add", "MaxPool", "Flatten"}


def test_hls4ml_is_told_the_width_of_everything() -> None:
    """Quant's parameters are scalars (qonnx gives others four axes, which hls4ml does not take)."""
    model = hls4ml_model(GRAPHS["padded"])
    constants = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    quants = [n for n in model.graph.node if n.op_type == "Quant"]
    assert all(constants[name].shape == () for n in quants for name in n.input[1:])
    made = {n.output[0] for n in quants}
    layers = [n for n in model.graph.node if n.op_type in ("Conv", "MatMul", "Add")]
    assert len(layers) > 4
    assert all(name in made for n in layers for name in n.input[1:])


REFUSED = {
    "has sums that several layers read": networks.resnet18((4, 4), size=8, blocks=1),
    "has no such form": networks.dense_net((4, 4)),
    "has more than two values": changed(
        networks.mlp(12, (9,), 4),
        Threshold,
        dtype=DataType.unsigned(2),
        thresholds=np.arange(27).reshape(9, 3),
    ),
    "in one bit": changed(networks.mlp(12, (9,), 4), Dense, weight_dtype=DataType.integer(1)),
    "has a border of 1": changed(networks.conv_net([4, 4], [], (1, 8, 8)), Conv, pad_value=1),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_has_no_such_form_is_refused_before_writing(reason: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedNode, match=reason):
        export_hls4ml(REFUSED[reason], tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_streamline_writes_and_proves_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from etb_hw.qonnx_io import hls4ml

    graph = GRAPHS["padded"]
    write_streamlined(graph, tmp_path / "m.onnx")
    call = ("streamline", str(tmp_path / "m.onnx"), "--for", "hls4ml")
    done = CliRunner().invoke(main, call)
    assert done.exit_code == 0, done.output
    written = tmp_path / "model.hls4ml.onnx"
    x = np.random.default_rng(0).integers(0, 256, (5, *graph.input.shape))
    np.testing.assert_array_equal(execute(written, x), reference.execute(graph, x))
    written.unlink()
    monkeypatch.setattr(hls4ml, "TERNARY", DataType.unsigned(1))  # weights of -1 become 0
    wrong = CliRunner().invoke(main, call)
    assert wrong.exit_code != 0
    assert "samples differ" in wrong.output
    assert not written.exists()
