"""The dataflow graph computes what the integer graph computes, folded in any way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from etb_hw import rtl
from etb_hw.dataflow import DataflowGraph, Target, finn, fold, lower, refold
from etb_hw.dataflow.simulation import simulate_streams, size_fifos
from etb_hw.errors import InfeasibleTarget, UnsupportedNode
from etb_hw.integer import (
    BIPOLAR,
    ChannelAffine,
    Conv,
    DataType,
    Dense,
    IntegerGraph,
    MaxPool,
    Threshold,
    reference,
)
from hw_tests import networks


def frames_of(graph: IntegerGraph, count: int = 2, seed: int = 0) -> np.ndarray:
    dtype = graph.input.dtype
    return np.random.default_rng(seed).integers(dtype.min, dtype.max + 1, (count, *graph.input.shape))


def nhwc(x: np.ndarray) -> np.ndarray:
    return x.transpose(0, 2, 3, 1) if x.ndim == 4 else x


def agree(graph: IntegerGraph, design: DataflowGraph) -> bool:
    x = frames_of(graph)
    return np.array_equal(reference.execute(graph, x), design.execute(nhwc(x)))


NETWORKS = {
    "mlp": lambda: networks.mlp(36, (12, 7)),
    "padded, pooled, odd widths": lambda: networks.vgg_small((8, 9, 10, 11, 13, 7), 8),
    "unpadded, dense": lambda: networks.conv_net([8, 7, networks.POOL, 9], [15], (3, 14, 14), pad=0),
    "residual": lambda: networks.resnet18((8, 12, 10, 6), size=8, blocks=1),
    "joined channels": lambda: networks.dense_net(),
    "joined channels of two types": lambda: networks.dense_net(few_bits=True),
    "residual, two a stage": lambda: networks.resnet18((6, 8), inner=(5, 7), size=6),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_lowered_equals_reference(name: str) -> None:
    graph = NETWORKS[name]()
    assert agree(graph, lower(graph))


@pytest.mark.parametrize("name", NETWORKS)
def test_any_folding_equals_reference(name: str) -> None:
    graph = NETWORKS[name]()
    design = lower(graph)
    rng = np.random.default_rng(1)
    folds = {block.name: block.folds[rng.integers(len(block.folds))] for block in design.blocks}
    folded = refold(design, folds)
    for edge in folded.edges:
        given = folded[edge.source.block].outputs[edge.source.index]
        taken = folded[edge.target.block].inputs[edge.target.index]
        assert (given.lanes, given.dtype, given.beats) == (taken.lanes, taken.dtype, taken.beats)
    assert agree(graph, folded)


def test_label_select_gives_the_argmax() -> None:
    graph = networks.mlp(36, (12,))
    x = frames_of(graph, 20)
    labels = lower(graph, label_select=True).execute(x)
    assert np.array_equal(labels[:, 0], reference.execute(graph, x).argmax(axis=1))


def test_pool_before_threshold_moves_behind_it() -> None:
    net = networks.NetworkBuilder((3, 8, 8))
    x = net.threshold(net.pool(net.conv("input", 5)))
    graph = net.graph(net.dense(net.flatten(x), 4))
    design = lower(graph)
    assert [block.op for block in design.blocks].index("StreamingMaxPool_hls") == 3
    assert "Thresholding_rtl" not in {block.op for block in design.blocks}
    assert agree(graph, design)


def test_few_bit_activations_and_affine_logits() -> None:
    net = networks.NetworkBuilder((2, 6, 6))
    x = net.threshold(net.conv("input", 5), DataType.unsigned(2))
    x = net.threshold(net.conv(x, 6), DataType.integer(3))
    logits = net.dense(net.flatten(x), 4)
    rng = np.random.default_rng(0)
    affine = ChannelAffine(
        name="affine", inputs=(logits,), mul=rng.integers(-3, 9, 4), add=rng.integers(-99, 99, 4)
    )
    net.nodes.append(affine)
    graph = net.graph("affine")
    assert agree(graph, lower(graph))


@pytest.mark.parametrize(("kernel", "stride", "dilation", "pad"), [(1, 2, 1, 0), (3, 2, 1, 1), (3, 1, 2, 2)])
def test_strides_and_dilation(kernel: int, stride: int, dilation: int, pad: int) -> None:
    rng = np.random.default_rng(0)
    net = networks.NetworkBuilder((4, 9, 7), dtype=BIPOLAR)
    net.nodes.append(
        Conv(
            name="conv",
            inputs=("input",),
            weights=rng.choice([-1, 1], (6, 4, kernel, kernel)),
            weight_dtype=BIPOLAR,
            stride=(stride, 1),
            pads=(pad, pad, pad, pad),
            dilation=(1, dilation),
            pad_value=-1,
        )
    )
    graph = net.graph("conv")
    x = rng.choice([-1, 1], (2, 4, 9, 7))
    assert np.array_equal(reference.execute(graph, x), lower(graph).execute(nhwc(x)).transpose(0, 3, 1, 2))


@pytest.mark.parametrize(("kernel", "stride", "pads"), [(3, 2, 1), (2, 2, 0), (3, 1, 0)])
def test_pools_that_overlap_or_do_not_tile(kernel: int, stride: int, pads: int) -> None:
    net = networks.NetworkBuilder((6, 9, 7), dtype=BIPOLAR)
    x = net.threshold(net.conv("input", 6))
    net.nodes.append(
        MaxPool(name="pool", inputs=(x,), kernel=(kernel, kernel), stride=(stride, stride), pads=(pads,) * 4)
    )
    graph = net.graph("pool")
    x = frames_of(graph) | 1
    expected = reference.execute(graph, x)
    for cycles in (100_000, 600):
        design = fold(lower(graph), Target(cycles=cycles)).graph
        assert np.array_equal(expected, design.execute(nhwc(x)).transpose(0, 3, 1, 2))
        assert simulate_streams(size_fifos(design).graph).interval == design.bottleneck.cycles


def test_groups_and_depthwise_convolutions() -> None:
    rng = np.random.default_rng(0)
    for groups in (2, 4):
        net = networks.NetworkBuilder((4, 6, 6), dtype=BIPOLAR)
        net.nodes.append(
            Conv(
                name="conv",
                inputs=("input",),
                weights=rng.choice([-1, 1], (8, 4 // groups, 3, 3)),
                weight_dtype=BIPOLAR,
                groups=groups,
            )
        )
        graph = net.graph("conv")
        x = rng.choice([-1, 1], (2, 4, 6, 6))
        got = lower(graph).execute(nhwc(x)).transpose(0, 3, 1, 2)
        assert np.array_equal(reference.execute(graph, x), got)


def test_unsupported_layers_name_node_and_remedy() -> None:
    net = networks.NetworkBuilder((4, 9, 7), dtype=BIPOLAR)
    odd_border = Conv(
        name="twos",
        inputs=("input",),
        weights=np.ones((2, 4, 3, 3), dtype=np.int8),
        weight_dtype=BIPOLAR,
        pads=(1, 1, 1, 1),
        pad_value=2,
    )
    with pytest.raises(UnsupportedNode, match=r"twos.*BIPOLAR"):
        lower(IntegerGraph((net.nodes[0], odd_border), "twos"))


def test_target_that_no_folding_meets_names_the_block() -> None:
    with pytest.raises(InfeasibleTarget, match="conv0") as caught:
        fold(lower(networks.vgg_small((8, 8, 8, 8, 8, 8), 8)), Target(fps=1e9))
    assert "at most" in caught.value.remedy


def test_published_cnv_folding_has_the_published_initiation_interval() -> None:
    """bnn-pynq's CNV: PE and SIMD of its nine layers, 32,768 cycles a frame (Umuroglu et al., FINN)."""
    folded = networks.published_cnv(lower(networks.cnv()))
    assert folded.bottleneck.cycles == 32_768
    assert folded.bottleneck.op == "MVAU_hls"


def test_a_threshold_that_is_never_reached_stays_out_of_reach(tmp_path: Path) -> None:
    """Five inputs of at most 3 sum up to 15, which fills four bits: the threshold 16 needs a fifth."""
    net = networks.NetworkBuilder((5,), dtype=DataType.unsigned(2))
    nodes = (
        *net.nodes,
        Dense(name="fc", inputs=("input",), weights=np.ones((2, 5), dtype=np.int8), weight_dtype=BIPOLAR),
        Threshold(name="act", inputs=("fc",), thresholds=np.array([[16], [15]]), dtype=BIPOLAR),
    )
    graph = IntegerGraph(nodes, "act")
    x = np.full((1, 5), 3)
    assert reference.execute(graph, x).tolist() == [[-1, 1]]
    design = lower(graph)
    finn.write(design, tmp_path)
    again = finn.read(tmp_path / "dataflow.onnx")
    assert again.execute(x).tolist() == [[-1, 1]]
    assert rtl.simulate(again, x).outputs.tolist() == [[-1, 1]]
