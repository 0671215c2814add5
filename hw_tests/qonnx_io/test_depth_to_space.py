"""Channels that become pixels: PixelShuffle, transposed convolutions of any kernel, refusals, down to RTL."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from brevitas.nn import QuantConv2d, QuantConvTranspose2d, QuantIdentity
from brevitas.quant.binary import SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst
from torch import nn

from etb_hw.dataflow import Target, fold, lower
from etb_hw.dataflow.blocks import Channelwise, DepthToSpace
from etb_hw.dataflow.finn.onnx_reader import from_onnx
from etb_hw.dataflow.finn.onnx_writer import to_onnx
from etb_hw.dataflow.simulation import size_fifos
from etb_hw.errors import UnsupportedNode
from etb_hw.flow.proofs import prove_dataflow, prove_rtl
from etb_hw.integer import BIPOLAR, ChannelAffine, Conv, IntegerGraph
from etb_hw.integer import DepthToSpace as Node
from etb_hw.integer.packed import PackedExecutor
from etb_hw.integer.reference import execute as reference
from etb_hw.qonnx_io import execute, import_model
from etb_hw.qonnx_io.export import exported_model
from etb_hw.qonnx_io.float64 import execute_in_float64
from etb_hw.qonnx_io.streamlined import streamlined_model
from hw_tests.fuzz.onnx_emitter import Emitter

SHAPE = (2, 5, 4)


def weights(scale: float = 0.5) -> dict[str, object]:
    return {"weight_quant": SignedBinaryWeightPerTensorConst, "weight_scaling_const": scale}


def sign() -> nn.Module:
    return QuantIdentity(act_quant=SignedBinaryActPerTensorConst, scaling_const=1.0)


def norm(channels: int) -> nn.Module:
    made = nn.BatchNorm2d(channels)
    assert made.running_mean is not None
    made.running_mean.normal_(0, 3)
    made.weight.data.normal_()
    return made


def up(kernel: int, stride: int, padding: int, more: int, bias: bool) -> nn.Module:
    return QuantConvTranspose2d(6, 4, kernel, stride, padding, output_padding=more, bias=bias, **weights())


def network(middle: list[nn.Module], channels: int = 6, outputs: int = 4) -> nn.Module:
    """A convolution, what is tested, a normalisation, signs, and a reader with a border of zeros."""
    return nn.Sequential(
        QuantConv2d(2, channels, 3, padding=1, bias=False, **weights()), *middle, norm(outputs), sign(),
        QuantConv2d(outputs, 3, 3, padding=1, bias=False, **weights()),
    )  # fmt: skip


def shuffled(count: int) -> nn.Module:
    return network([nn.PixelShuffle(2)], 4 * count, count)


def shuffled_signs(count: int) -> nn.Module:
    return network([norm(4 * count), sign(), nn.PixelShuffle(2)], 4 * count, count)


def shuffled_biases(count: int) -> nn.Module:
    """As of nn.Conv2d in front of nn.PixelShuffle: a bias for each pixel of a block."""
    net = network([nn.PixelShuffle(2)], 4 * count, count)
    biased = QuantConv2d(2, 4 * count, 3, padding=1, bias=True, **weights())
    assert biased.bias is not None
    biased.bias.data = torch.arange(4.0 * count) / 2 - 3
    net[0] = biased
    return net


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    **{
        f"transposed {kernel} {stride} {padding} {more}": (
            lambda form=(kernel, stride, padding, more, bias): network([norm(6), sign(), up(*form)])
        )
        for kernel, stride, padding, more, bias in (
            (2, 2, 0, 0, True), (4, 2, 1, 0, False), (3, 2, 1, 1, True), (3, 3, 0, 0, False),
            (1, 2, 0, 1, False), (5, 2, 2, 1, False), (6, 3, 2, 1, True), (3, 1, 1, 0, True),
        )
    },
    "transposed, not square": lambda: network(
        [
            norm(6), sign(),
            QuantConvTranspose2d(6, 4, (3, 2), 2, (1, 0), output_padding=(1, 0), bias=False, **weights()),
        ]
    ),
    **{f"shuffled {count}": (lambda c=count: shuffled(c)) for count in (4, 8, 16)},
    **{f"shuffled biases {count}": (lambda c=count: shuffled_biases(c)) for count in (3, 8)},
    **{f"shuffled signs {count}": (lambda c=count: shuffled_signs(c)) for count in (4, 8, 16)},
}  # fmt: skip


def made(name: str, shape: tuple[int, ...] = SHAPE) -> tuple[object, IntegerGraph, np.ndarray]:
    torch.manual_seed(0)
    model = exported_model(NETWORKS[name]().eval(), shape)
    return model, import_model(model), np.random.default_rng(0).integers(0, 256, (4, *shape))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_form_is_read_and_executed_alike(name: str) -> None:
    model, graph, x = made(name)
    assert any(isinstance(node, Node) for node in graph.nodes) == ("3 1 1" not in name)
    if "signs" not in name:  # those of slopes go into the filters in front: nothing is multiplied
        adds = [node for node in graph.nodes if isinstance(node, ChannelAffine)]
        assert all((node.mul == 1).all() for node in adds)
        assert bool(adds) == ("biases" in name)
    integers = reference(graph, x)
    np.testing.assert_array_equal(graph.dequantize(integers), execute(model, x))
    np.testing.assert_array_equal(graph.dequantize(integers), execute_in_float64(model, x))
    np.testing.assert_array_equal(PackedExecutor(graph).run(x), integers)
    written = streamlined_model(graph)
    np.testing.assert_array_equal(execute(written, x), execute(model, x))
    np.testing.assert_array_equal(reference(import_model(written), x), integers)


@pytest.mark.parametrize(
    "name",
    ["transposed 2 2 0 0", "transposed 4 2 1 0", "shuffled 8", "shuffled biases 3", "shuffled signs 4"],
)
def test_it_goes_down_to_rtl(name: str) -> None:
    _, graph, x = made(name, (2, 4, 3))
    lowered = lower(graph)
    assert sum(isinstance(block, DepthToSpace) for block in lowered.blocks) == 1
    if "signs" not in name:  # thresholds hold the biases
        assert not any(isinstance(block, Channelwise) for block in lowered.blocks)
    prove_dataflow(lowered, graph, x)
    design = size_fifos(fold(lowered, Target(cycles=1500)).graph).graph
    proof, _ = prove_rtl(design, graph, x[:2], stalls=0.2)
    assert not proof.mismatches
    again = from_onnx(to_onnx(design))
    np.testing.assert_array_equal(again.execute(np.moveaxis(x, 1, -1)), design.execute(np.moveaxis(x, 1, -1)))


def test_finn_has_no_such_block() -> None:
    _, graph, _ = made("shuffled 8")
    with pytest.raises(UnsupportedNode, match="FINN cannot"):
        lower(graph, builder="finn")


def shuffle(out: Emitter, source: str, **attributes: object) -> str:
    return out.node("DepthToSpace", source, **{"blocksize": 2, "mode": "CRD", **attributes})


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_both_orders_are_onnx_own(mode: str) -> None:
    out = Emitter((8, 3, 2), "UINT4")
    model = out.model(shuffle(out, "x", mode=mode))
    x = np.random.default_rng(0).integers(0, 16, (3, 8, 3, 2))
    graph = import_model(model)
    np.testing.assert_array_equal(reference(graph, x), execute(model, x))
    np.testing.assert_array_equal(PackedExecutor(graph).run(x), execute(model, x))


@pytest.mark.parametrize(
    ("kernel", "pads", "more", "reach"),
    [
        ((2, 2), (0, 0, 0, 0), (0, 0), (1, 1)),
        ((4, 4), (1, 1, 1, 1), (0, 0), (3, 3)),
        ((4, 2), (1, 0, 1, 0), (0, 0), (3, 1)),
        ((2, 3), (0, 1, 0, 0), (0, 0), (1, 2)),
        ((3, 2), (0, 0, 1, 0), (0, 0), (2, 1)),
        ((3, 4), (1, 2, 1, 0), (1, 0), (2, 2)),
        ((1, 5), (0, 1, 0, 2), (1, 0), (1, 3)),
    ],
)
def test_kernels_and_borders_of_any_form(
    kernel: tuple[int, int], pads: tuple[int, ...], more: tuple[int, int], reach: tuple[int, int]
) -> None:
    """One convolution, no larger than it must be; its weights have one bit where no place lacks a product."""
    out, rng = Emitter((3, 4, 5), "UINT4"), np.random.default_rng(0)
    weights = out.const(rng.choice([-1, 1], (3, 2, *kernel)))
    made = out.node("ConvTranspose", "x", weights, strides=[2, 2], pads=list(pads), output_padding=list(more))
    model = out.model(made)
    x = rng.integers(0, 16, (3, 3, 4, 5))
    graph = import_model(model)
    np.testing.assert_array_equal(reference(graph, x), execute(model, x))
    (conv,) = (node for node in graph.nodes if isinstance(node, Conv))
    assert conv.weights.shape == (8, 3, *reach)
    assert (conv.weight_dtype == BIPOLAR) == (kernel == (2, 2))


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
@pytest.mark.parametrize("block", [2, 3])
def test_whole_units_of_any_channel_are_added_before(mode: str, block: int) -> None:
    """Each channel has a scale of its own, each part of it a sign and an offset in whole units."""
    channels = 2 * block**2
    out, rng = Emitter((channels, 2, 3), "UINT4"), np.random.default_rng(block)
    first = np.repeat([0, 1], block**2) if mode == "CRD" else np.tile([0, 1], block**2)
    scale = np.array([0.5, 2.0])[first] * rng.choice([-1, 1], channels)
    offset = np.abs(scale) * rng.integers(-5, 6, channels)
    scaled = out.node("Mul", "x", out.const(scale.reshape(1, -1, 1, 1)))
    shifted = out.node("Add", scaled, out.const(offset.reshape(1, -1, 1, 1)))
    model = out.model(shuffle(out, shifted, blocksize=block, mode=mode))
    x = rng.integers(0, 16, (3, channels, 2, 3))
    graph = import_model(model)
    np.testing.assert_array_equal(graph.dequantize(reference(graph, x)), execute(model, x))


def test_filters_that_others_read_keep_their_order() -> None:
    """Pixels themselves have no filters: the order that torch wants cannot be made for nothing."""
    out = Emitter((8, 3, 2), "UINT4")
    graph = import_model(out.model(shuffle(out, "x")))
    with pytest.raises(UnsupportedNode, match=r"order(.|\n)*convolution of its own"):
        lower(graph)


def bias_in_front(out: Emitter) -> str:
    return shuffle(out, out.node("Mul", "x", out.const(np.arange(1, 9).reshape(1, 8, 1, 1))))


def relu_in_front(out: Emitter) -> str:
    """No sum of integers: what is clipped differs between the parts."""
    added = out.node("Sub", "x", out.const(np.arange(8).reshape(1, 8, 1, 1)))
    return shuffle(out, out.node("Relu", added))


def padded_in_front(out: Emitter) -> str:
    amounts = out.const([0, 0, 0, 0, 0, 0, 1, 0], np.int64)
    return shuffle(out, out.node("Pad", "x", amounts, out.const(0.0), mode="constant"))


def scaled_by_input(out: Emitter) -> str:
    floats, scales = np.ones((8, 2, 2, 2)), np.arange(1, 9).reshape(8, 1, 1, 1)
    quantized = out.node("BipolarQuant", out.const(floats), out.const(scales))
    return out.node("ConvTranspose", "x", quantized, strides=[2, 2])


def transposed(out: Emitter, shape: tuple[int, ...], **attributes: object) -> str:
    return out.node("ConvTranspose", "x", out.const(np.ones(shape)), **attributes)


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (lambda o: shuffle(o, "x", blocksize=3), "of 8 channels"),
        (lambda o: shuffle(o, "x", blocksize=0), "blocksize 0"),
        (lambda o: shuffle(o, "x", mode="XYZ"), "mode 'XYZ'"),
        (bias_in_front, "by the channel they come from"),
        (relu_in_front, "by the channel they come from"),
        (padded_in_front, "padded border"),
        (scaled_by_input, "along the inputs of a filter"),
        (lambda o: shuffle(o, o.node("Transpose", "x", perm=[0, 2, 3, 1])), "not the second axis"),
        (lambda o: transposed(o, (8, 2, 3, 3), strides=[2, 2]), "makes 7 pixels of 3"),
        (lambda o: transposed(o, (8, 2, 2, 2), strides=[2, 2], output_padding=[2, 2]), "makes 8 pixels"),
        (
            lambda o: transposed(o, (8, 2, 1, 1), strides=[3, 3], pads=[1, 1, 0, 0], output_padding=[3, 3]),
            "pixels of 3",
        ),
        (lambda o: transposed(o, (8, 2, 2, 2), strides=[2, 1]), "two strides"),
        (lambda o: transposed(o, (8, 2, 2, 2), strides=[2, 2], dilations=[2, 2]), "dilated"),
        (lambda o: transposed(o, (8, 1, 2, 2), strides=[2, 2], group=2), "in groups"),
        (lambda o: transposed(o, (8, 2, 2, 2), strides=[2, 2], auto_pad="SAME_UPPER"), "border of its own"),
        (lambda o: transposed(o, (4, 2, 2, 2), strides=[2, 2]), "reads 8 channels, and its weights 4"),
        (lambda o: transposed(o, (8, 2, 2), strides=[2]), "over images"),
    ],
)
def test_what_has_no_integer_form_is_refused(build: Callable[[Emitter], str], reason: str) -> None:
    out = Emitter((8, 3, 2), "UINT4")
    with pytest.raises(UnsupportedNode, match=reason):
        import_model(out.model(build(out)))


def test_a_kernel_smaller_than_its_stride_leaves_places_without_weights() -> None:
    out = Emitter((2, 3, 4), "INT4")
    values = np.array([[0.375, -0.5], [-0.375, 0.5]], np.float32).reshape(2, 2, 1, 1)
    y = out.node("ConvTranspose", "x", out.const(values), strides=[2, 2], output_padding=[1, 1])
    model = out.model(out.node("BipolarQuant", y, out.const(1.0)))
    graph = import_model(model)
    x = np.random.default_rng(0).integers(-8, 8, (4, 2, 3, 4))
    np.testing.assert_array_equal(graph.dequantize(reference(graph, x)), execute(model, x))
