"""Some channels, or all in another order: every form that files have of it, refusals, and down to RTL."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from brevitas.nn import QuantConv2d, QuantIdentity
from brevitas.quant.binary import SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst
from onnx import ModelProto
from qonnx.transformation.fold_constants import FoldConstants
from torch import Tensor, nn

from etb_hw.dataflow import Target, fold, lower
from etb_hw.dataflow.blocks import SelectChannels
from etb_hw.dataflow.calibrated.model import load_calibration
from etb_hw.dataflow.finn.onnx_reader import from_onnx
from etb_hw.dataflow.finn.onnx_writer import to_onnx
from etb_hw.dataflow.resources import Resources
from etb_hw.dataflow.simulation import size_fifos
from etb_hw.errors import UnsupportedNode
from etb_hw.flow.proofs import prove_dataflow, prove_rtl
from etb_hw.integer import BIPOLAR, IntegerGraph
from etb_hw.integer import SelectChannels as Node
from etb_hw.integer.packed import PackedExecutor
from etb_hw.integer.reference import execute as reference
from etb_hw.qonnx_io import execute, import_model
from etb_hw.qonnx_io.export import exported_model
from etb_hw.qonnx_io.streamlined import streamlined_model
from etb_hw.rtl.yosys import synth_blocks
from hw_tests.evolution.architectures import shuffled as by_axes
from hw_tests.fuzz.onnx_emitter import Emitter

SHAPE = (2, 5, 4)
WEIGHTS = {"weight_quant": SignedBinaryWeightPerTensorConst, "weight_scaling_const": 0.5}


class Shuffled(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return by_axes(self.layer(x), 2)


PICKS: dict[str, tuple[Callable[[Tensor], Tensor], list[int]]] = {
    "the first": (lambda x: x[:, :3], [0, 1, 2]),
    "the last": (lambda x: x[:, -2:], [6, 7]),
    "every second": (lambda x: x[:, 1::2], [1, 3, 5, 7]),
    "halves": (lambda x: torch.cat(x.chunk(2, 1)[::-1], 1), [4, 5, 6, 7, 0, 1, 2, 3]),
    "parts": (lambda x: torch.split(x, [3, 4, 1], 1)[1], [3, 4, 5, 6]),
    "by index": (lambda x: x[:, [5, 0, 5]], [5, 0, 5]),
    "index_select": (lambda x: torch.index_select(x, 1, torch.tensor([7, 2])), [7, 2]),
    "shuffled": (lambda x: F.channel_shuffle(x, 2), [0, 4, 1, 5, 2, 6, 3, 7]),
    "shuffled by axes": (lambda x: by_axes(x, 4), [0, 2, 4, 6, 1, 3, 5, 7]),
    "some of some": (lambda x: by_axes(x, 2)[:, 1:4][:, ::2], [4, 5]),
}


class Picking(nn.Module):
    """A layer, its signs, or a normalisation that differs a channel, what is tested, and a layer behind."""

    def __init__(self, pick: Callable[[Tensor], Tensor], kept: int, signs: bool) -> None:
        super().__init__()
        self.first = QuantConv2d(2, 8, 3, padding=1, bias=False, **WEIGHTS)
        self.norm = nn.BatchNorm2d(8)
        assert self.norm.running_mean is not None
        self.norm.running_mean.normal_(0, 3)
        self.norm.weight.data.normal_()
        self.signs, self.pick = signs, pick
        self.quant = QuantIdentity(act_quant=SignedBinaryActPerTensorConst, scaling_const=1.0)
        self.last = QuantConv2d(kept, 3, 3, padding=1, bias=False, **WEIGHTS)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.first(x))
        x = self.pick(self.quant(x)) if self.signs else self.quant(self.pick(x))
        return self.last(x)


def made(name: str, signs: bool) -> tuple[ModelProto, IntegerGraph, np.ndarray]:
    torch.manual_seed(0)
    pick, kept = PICKS[name]
    model = exported_model(Picking(pick, len(kept), signs).eval(), SHAPE)
    return model, import_model(model), np.random.default_rng(0).integers(0, 256, (4, *SHAPE))


@pytest.mark.parametrize("signs", [True, False])
@pytest.mark.parametrize("name", PICKS)
def test_every_form_is_read_and_executed_alike(name: str, signs: bool) -> None:
    model, graph, x = made(name, signs)
    chosen = [list(node.channels) for node in graph.nodes if isinstance(node, Node)]
    if name != "halves":  # which are two that are joined
        assert chosen == [PICKS[name][1]]
    integers = reference(graph, x)
    np.testing.assert_array_equal(graph.dequantize(integers), execute(model, x))
    np.testing.assert_array_equal(PackedExecutor(graph).run(x), integers)
    written = streamlined_model(graph)
    np.testing.assert_array_equal(execute(written, x), execute(model, x))
    np.testing.assert_array_equal(reference(import_model(written), x), integers)


@pytest.mark.parametrize("name", ["every second", "by index", "shuffled", "halves"])
def test_it_goes_down_to_rtl(name: str) -> None:
    _, graph, x = made(name, True)
    lowered = lower(graph)
    assert any(isinstance(block, SelectChannels) for block in lowered.blocks)
    prove_dataflow(lowered, graph, x)
    for cycles in (1500, 100):
        design = size_fifos(fold(lowered, Target(cycles=cycles)).graph).graph
        proof, _ = prove_rtl(design, graph, x[:2], stalls=0.2)
        assert not proof.mismatches
        again, frames = from_onnx(to_onnx(design)), np.moveaxis(x, 1, -1)
        np.testing.assert_array_equal(again.execute(frames), design.execute(frames))


def test_it_is_made_of_wires() -> None:
    """No LUT and no flip-flop, as estimated and as synthesised."""
    block = SelectChannels(name="select", layer="", shape=(4, 4, 12), chosen=(7, 0, 7, 3), dtype=BIPOLAR)
    assert load_calibration()(block) == Resources()
    (found,) = synth_blocks([block])
    assert found.lut == found.ff == 0


def test_sizes_that_a_forward_asks_for_cost_no_round_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """qonnx folds a node a round, with shape inference over the whole network: minutes for a ShuffleNet."""
    rounds: list[int] = []
    apply = FoldConstants.apply
    monkeypatch.setattr(FoldConstants, "apply", lambda self, model: rounds.append(1) or apply(self, model))
    took = []
    for count in (1, 4):
        layers = [Shuffled(QuantConv2d(8, 8, 1, bias=False, **WEIGHTS)) for _ in range(count)]
        exported_model(nn.Sequential(*layers).eval(), (8, 3, 2))
        took.append(len(rounds))
        rounds.clear()
    assert took[0] == took[1]


def test_no_node_of_finn_is_written_for_it() -> None:
    _, graph, _ = made("shuffled", True)
    with pytest.raises(UnsupportedNode, match="no node of FINN is written"):
        lower(graph, builder="finn")


def test_elements_of_a_flattened_image() -> None:
    out = Emitter((3, 2, 2), "UINT4")
    turned = out.node("Flatten", out.node("Transpose", "x", perm=[0, 2, 3, 1]), axis=1)
    picked = out.node("Gather", turned, out.const([0, 7, 11, 2], np.int64), axis=-1)
    model = out.model(out.node("MatMul", picked, out.const(np.ones((4, 2)) * [1, -1])))
    x = np.random.default_rng(0).integers(0, 16, (3, 3, 2, 2))
    graph = import_model(model)
    np.testing.assert_array_equal(graph.dequantize(reference(graph, x)), execute(model, x))
    prove_dataflow(lower(graph), graph, x)


def sliced(out: Emitter, source: str, start: int, end: int, axis: int, step: int = 1) -> str:
    return out.node("Slice", source, *(out.const([v], np.int64) for v in (start, end, axis, step)))


@pytest.mark.parametrize(
    ("start", "end", "step"), [(1, 2**62, 2), (-1, -(2**62), -1), (5, 1, -2), (-3, 2**31, 1), (0, -1, 1)]
)
def test_slices_count_as_onnx_does(start: int, end: int, step: int) -> None:
    out = Emitter((6, 3, 2), "UINT4")
    model = out.model(sliced(out, "x", start, end, 1, step))
    x = np.random.default_rng(0).integers(0, 16, (3, 6, 3, 2))
    np.testing.assert_array_equal(reference(import_model(model), x), execute(model, x))


def test_channels_that_lie_last() -> None:
    """As TensorFlow's exporters write it."""
    out = Emitter((6, 3, 2), "UINT4")
    last = out.node("Transpose", "x", perm=[0, 2, 3, 1])
    sizes = out.const([2, 4], np.int64)
    picked = out.node("Split", sliced(out, last, 0, 99, 3), sizes, outputs=2, axis=3)
    model = out.model(out.node("Transpose", picked, perm=[0, 3, 1, 2]))
    x = np.random.default_rng(0).integers(0, 16, (3, 6, 3, 2))
    np.testing.assert_array_equal(reference(import_model(model), x), execute(model, x))


def grouped(out: Emitter, shape: list[int], perm: list[int], whole: list[int]) -> str:
    split = out.node("Reshape", "x", out.const(shape, np.int64))
    return out.node("Reshape", out.node("Transpose", split, perm=perm), out.const(whole, np.int64))


@pytest.mark.parametrize(
    "build",
    [
        lambda o: o.node("Split", "x", outputs=2, axis=1),  # in equal parts
        lambda o: o.node("Split", "x", o.const([8], np.int64), axis=-3),
        lambda o: o.node("Gather", "x", o.const([-8, 7], np.int64), axis=-3),
        lambda o: o.node("Reshape", o.node("Reshape", "x", o.const([1, 2, 4, 3, 2], np.int64)),
                         o.const([-1, 8, 3, 2], np.int64)),  # nothing is exchanged
        lambda o: grouped(o, [0, 2, -1, 3, 2], [0, 2, 1, 3, 4], [1, -1, 3, 2]),
    ],
)  # fmt: skip
def test_other_ways_to_say_it(build: Callable[[Emitter], str]) -> None:
    out = Emitter((8, 3, 2), "UINT4")
    model = out.model(out.node("Mul", build(out), out.const(2.0)))
    x = np.random.default_rng(0).integers(0, 16, (3, 8, 3, 2))
    graph = import_model(model)
    np.testing.assert_array_equal(graph.dequantize(reference(graph, x)), execute(model, x))


@pytest.mark.parametrize(
    "build",
    [
        lambda o: o.node("Split", "x", o.const([8], np.int64), axis=1),
        lambda o: sliced(o, "x", 0, 8, 1),
        lambda o: o.node("Gather", "x", o.const(range(8), np.int64), axis=1),
    ],
)
def test_all_channels_as_they_are_take_no_node(build: Callable[[Emitter], str]) -> None:
    out = Emitter((8, 3, 2), "UINT4")
    graph = import_model(out.model(out.node("Mul", build(out), out.const(2.0))))
    assert not any(isinstance(node, Node) for node in graph.nodes)


def test_constants_may_be_picked_from() -> None:
    """A row of a table, as an exporter leaves it."""
    out = Emitter((8,), "UINT4")
    table = out.const(np.arange(24).reshape(3, 8))
    row = out.node("Gather", table, out.const(1, np.int64), axis=0)
    graph = import_model(out.model(out.node("Mul", "x", row)))
    x = np.random.default_rng(0).integers(0, 16, (3, 8))
    np.testing.assert_array_equal(graph.dequantize(reference(graph, x)), x * np.arange(8, 16))


def test_parts_that_are_not_equal_have_the_rest_last() -> None:
    """As opset 18 has it, with a number of outputs."""
    out = Emitter((7, 3, 2), "UINT4")
    last = out.node("Split", "x", outputs=3, axis=1, num_outputs=3)
    graph = import_model(out.model(out.node("Mul", last, out.const(2.0)), opset=18, shapes=False))
    (node,) = (node for node in graph.nodes if isinstance(node, Node))
    assert list(node.channels) == [6]


def padded(out: Emitter) -> str:
    amounts = out.const([0, 0, 1, 0, 0, 0, 0, 0], np.int64)
    return out.node("Pad", "x", amounts, out.const(0.0), mode="constant")


def in_groups(out: Emitter) -> str:
    return out.node("Relu", out.node("Reshape", "x", out.const([1, 2, 4, 3, 2], np.int64)))


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (lambda o: sliced(o, "x", 0, 2, 2), "cuts parts of an image"),
        (lambda o: sliced(o, "x", 4, 2, 1), "picks none"),
        (lambda o: o.node("Gather", "x", o.const([8], np.int64), axis=1), "others than the tensor's 8"),
        (lambda o: o.node("Gather", "x", o.const([0], np.int64), axis=2), "cuts or picks parts"),
        (lambda o: o.node("Gather", "x", o.const(0, np.int64), axis=1), "cuts or picks parts"),
        (lambda o: o.node("Split", "x", o.const([3, 4], np.int64), outputs=2, axis=1), "into"),
        (lambda o: o.node("Split", "x", o.const([1, 2], np.int64), outputs=2, axis=2), "cuts or picks parts"),
        (lambda o: grouped(o, [1, 2, 4, 3, 2], [0, 3, 2, 1, 4], [1, 8, 3, 2]), "moves other axes"),
        (lambda o: grouped(o, [1, 2, 4, 3, 2], [0, 2, 1, 3, 4], [1, 4, 6, 2]), "8 grouped channels become"),
        (lambda o: o.node("Gather", "x", o.const([-9], np.int64), axis=1), "others than the tensor's 8"),
        (lambda o: o.node("Gather", "x", o.const([0], np.int64)), "cuts or picks parts"),
        (lambda o: o.node("Gather", "x", o.const([0], np.int64), axis=4), "axis 4 of 4"),
        (lambda o: o.node("Split", "x", outputs=1), "cuts or picks parts"),
        (lambda o: o.node("Split", "x", o.const([8, 0], np.int64), outputs=2, axis=1), "into"),
        (lambda o: o.node("Split", "x", o.const([4, 4], np.int64), outputs=3, axis=1), "into"),
        (lambda o: grouped(o, [1, 2, 4, 3, 2], [0, 2, 1, 3, 4], [-1, -1, 3, 2]), "8 grouped channels become"),
        (lambda o: grouped(o, [1, 2, 4, 2, 3], [0, 2, 1, 3, 4], [1, 8, 3, 2]), "becomes"),
        (lambda o: grouped(o, [1, 2, 2, 6, 2], [0, 2, 1, 3, 4], [1, 8, 3, 2]), "becomes"),
        (lambda o: o.node("Reshape", padded(o), o.const([1, 2, 4, 4, 2], np.int64)), "becomes"),
        (in_groups, "in groups"),
        (lambda o: o.node("Reshape", "x", o.const([1, 2, 4, 3, 2], np.int64)), "in groups"),
    ],
)
def test_what_is_no_choice_of_channels_is_refused(build: Callable[[Emitter], str], reason: str) -> None:
    out = Emitter((8, 3, 2), "UINT4")
    with pytest.raises(UnsupportedNode, match=reason):
        import_model(out.model(build(out), shapes=False))
