"""A dataflow.onnx that contradicts itself is refused by name: nothing in it is guessed or rounded."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from etb_hw.dataflow import Target, finn, fold, lower
from etb_hw.dataflow.block import Block
from etb_hw.dataflow.blocks import AddStreams, BorderMvau, DuplicateStreams, MaxPool, Padding
from etb_hw.dataflow.finn.check import check_block, check_same, check_wires
from etb_hw.dataflow.graph import DataflowGraph, Edge, Port
from etb_hw.errors import BadInput, EtbError
from etb_hw.integer.datatype import BIPOLAR, DataType
from hw_tests.networks import POOL, conv_net


@pytest.fixture(scope="module")
def model() -> onnx.ModelProto:
    return finn.to_onnx(fold(lower(conv_net([3, POOL, 4], [5], (1, 8, 8))), Target(cycles=500)).graph)


def changed(model: onnx.ModelProto, change: Callable[[onnx.ModelProto], object]) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    change(copy)
    return copy


def node(model: onnx.ModelProto, kind: str) -> onnx.NodeProto:
    return next(node for node in model.graph.node if node.op_type == kind)


def setting(kind: str, name: str, value: Any) -> Callable[[onnx.ModelProto], object]:
    def change(model: onnx.ModelProto) -> None:
        found = node(model, kind)
        kept = [a for a in found.attribute if a.name != name]
        del found.attribute[:]
        found.attribute.extend([*kept, helper.make_attribute(name, value)])

    return change


def filling(suffix: str, value: float) -> Callable[[onnx.ModelProto], object]:
    def change(model: onnx.ModelProto) -> None:
        tensor = next(t for t in model.graph.initializer if t.name.endswith(suffix))
        array = numpy_helper.to_array(tensor).copy()
        array.reshape(-1)[0] = value
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))

    return change


def noting(key: str, value: str) -> Callable[[onnx.ModelProto], object]:
    def change(model: onnx.ModelProto) -> None:
        next(note for note in model.metadata_props if note.key == key).value = value

    return change


CHANGES: dict[str, Callable[[onnx.ModelProto], object]] = {
    "a weight of 0.5": filling("_weights", 0.5),
    "a weight of 7": filling("_weights", 7.0),
    "a weight of 1e30": filling("_weights", 1e30),
    "a weight that is no number": filling("_weights", np.nan),
    "a threshold of 0.5": filling("_thresholds", 0.5),
    "fewer weights": lambda m: m.graph.initializer[0].dims.__setitem__(0, 1),
    "another height": setting("MVAU_hls", "MH", 99),
    "a PE that divides nothing": setting("MVAU_hls", "PE", 7),
    "a PE below 1": setting("MVAU_hls", "PE", -1),
    "a PE in words": setting("MVAU_hls", "PE", "all"),
    "memory of no kind": setting("MVAU_hls", "ram_style", "paper"),
    "a type without bits": setting("MVAU_hls", "etb_inputs", ["INT0"]),
    "a type of 99 bits": setting("MVAU_hls", "inputDataType", "INT99"),
    "images without height": setting("FMPadding_rtl", "ImgDim", [0, 8]),
    "images of 10**12 pixels": setting("FMPadding_rtl", "ImgDim", [10**6, 10**6]),
    "a border below 0": setting("FMPadding_rtl", "Padding", [-1, 1, 1, 1]),
    "a border of half a level": setting("FMPadding_rtl", "etb_value", 0.5),
    "half of a window": setting("ConvolutionInputGenerator_rtl", "parallel_window", 7),
    "several pixels of a matrix that is not unrolled": setting("MVAU_hls", "M", 2),
    "weights that are writable in words": setting("MVAU_hls", "etb_writable", "yes"),
    "a register too many": setting("MVAU_hls", "etb_register", 2),
    "pixels in words": setting("FMPadding_rtl", "M", "all"),
    "no pixels": setting("ConvolutionInputGenerator_rtl", "M", 0),
    "a FIFO below 0": setting("MVAU_hls", "inFIFODepths", [-5]),
    "a node twice": lambda m: m.graph.node.append(m.graph.node[1]),
    "a node less": lambda m: m.graph.node.pop(2),
    "a node that reads itself": lambda m: m.graph.node[1].input.__setitem__(0, m.graph.node[1].output[0]),
    "a node that reads nothing": lambda m: m.graph.node[1].ClearField("input"),
    "values in another file": lambda m: setattr(m.graph.initializer[0], "data_location", 1),
    "a clock of nan": noting("etb_hw.clk_ns", "nan"),
    "notes that are no JSON": noting("etb_hw.dequant", "["),
    "an operation of no kind": noting("etb_hw.dequant", '[{"op": "exec", "values": [1], "shape": [1]}]'),
}


@pytest.mark.parametrize("what", CHANGES)
def test_it_is_refused(what: str, model: onnx.ModelProto, tmp_path: Path) -> None:
    path = tmp_path / "dataflow.onnx"
    path.write_bytes(changed(model, CHANGES[what]).SerializeToString())
    with pytest.raises(EtbError) as caught:
        finn.read(path)
    assert caught.value.where
    assert caught.value.remedy


def test_what_is_consistent_is_read(model: onnx.ModelProto) -> None:
    """FIFO depths and layer names are the user's; attributes that nobody reads do not matter."""
    other = changed(model, setting("MVAU_hls", "a_note_of_mine", "x"))
    assert len(finn.from_onnx(other).blocks) == len(finn.from_onnx(model).blocks)
    renamed = finn.from_onnx(changed(model, setting("MVAU_hls", "etb_layer", "my layer")))
    assert "my layer" in {block.layer for block in renamed.blocks}


def border(weights: list[int], dtype: DataType = BIPOLAR, thresholds: int = 1) -> BorderMvau:
    return BorderMvau(
        name="b", layer="", weights=np.array([weights]), weight_dtype=dtype, input_dtype=BIPOLAR,
        output_dtype=BIPOLAR, thresholds=np.zeros((1, thresholds)), pixels=(2, 2), size=(2, 2), kernel=(1, 2),
        pads=(0, 1, 0, 0),
    )  # fmt: skip


@pytest.mark.parametrize("name", ["INT3", "UINT3", "TERNARY", "BINARY", "INT24"])
def test_weights_are_within_their_type(name: str) -> None:
    """Its lowest and highest value are, their neighbours are not."""
    dtype = DataType.parse(name)
    check_block(border([dtype.min, dtype.max, dtype.min, dtype.max], dtype))
    check_block(border([dtype.min, 0, 1, dtype.min], dtype))
    for wrong in (dtype.min - 1, dtype.max + 1):
        with pytest.raises(BadInput, match=f"b_weights: holds no values of {name}"):
            check_block(border([dtype.min, dtype.max, wrong, dtype.max], dtype))


def test_a_tensor_holds_something() -> None:
    with pytest.raises(BadInput, match="b_thresholds: holds no values"):
        check_block(border([1, 1, 1, 1], thresholds=0))


def test_signs_are_no_zeros() -> None:
    check_block(border([1, -1, -1, 1]))
    with pytest.raises(BadInput, match="no values of BIPOLAR"):
        check_block(border([1, -1, 0, 1]))


def test_frames_have_an_end() -> None:
    most = {"name": "p", "layer": "", "pads": (0, 0, 0, 0), "value": 0, "dtype": BIPOLAR, "simd": 1}
    check_block(Padding(size=(2**16, 2**16), channels=1, **most))
    with pytest.raises(BadInput, match="stream of shape"):
        check_block(Padding(size=(2**16, 2**16), channels=2, **most))
    check_block(Padding(size=(1, 1), channels=1, **most))
    for size in ((0, 8), (8, 0), (0, 0), (-1, -1), (2.0, 2), (2, 2.5), (True, 2)):
        with pytest.raises(BadInput, match=r"p: has a stream of shape"):
            check_block(Padding(size=size, channels=1, **most))  # type: ignore[arg-type]


def test_both_sides_of_a_block_are_looked_at() -> None:
    """A border may make an image of nothing, or nothing of an image."""
    fields = {"name": "p", "layer": "", "value": 0, "dtype": BIPOLAR, "simd": 1, "channels": 1}
    for size, pads in (((-1, 2), (2, 0, 0, 0)), ((2, 2), (0, -2, 0, 0))):
        with pytest.raises(BadInput, match="stream of shape"):
            check_block(Padding(size=size, pads=pads, **fields))


def test_values_have_at_most_32_bits() -> None:
    fields = {"name": "p", "layer": "", "pads": (0, 0, 0, 0), "value": 0, "simd": 1, "size": (2, 2)}
    check_block(Padding(channels=1, dtype=DataType.parse("UINT32"), **fields))
    with pytest.raises(BadInput, match="has values of 33 bits"):
        check_block(Padding(channels=1, dtype=DataType.parse("UINT33"), **fields))


def padding(name: str) -> Padding:
    return Padding(name=name, layer="", size=(2, 2), channels=2, pads=(0, 0, 0, 0), value=1, dtype=BIPOLAR)


def sums(name: str) -> AddStreams:
    return AddStreams(name=name, layer="", shape=(2, 2, 2), dtypes=(BIPOLAR, BIPOLAR), output_dtype=BIPOLAR)


def copies(name: str) -> DuplicateStreams:
    return DuplicateStreams(name=name, layer="", shape=(2, 2, 2), dtype=BIPOLAR, copies=2)


def wired(blocks: list[Block], *wires: tuple[str, int, str, int]) -> DataflowGraph:
    edges = tuple(Edge(Port(a, i), Port(b, j)) for a, i, b, j in wires)
    return DataflowGraph(tuple(blocks), edges)


def test_wires_that_make_a_design() -> None:
    check_wires(wired([padding("a")]))
    check_wires(wired([padding("a"), padding("b")], ("a", 0, "b", 0)))
    check_wires(wired([copies("a"), sums("b")], ("a", 0, "b", 0), ("a", 1, "b", 1)))


WIRES: dict[str, tuple[DataflowGraph, str]] = {
    "one name twice": (wired([padding("a"), padding("a")], ("a", 0, "a", 0)), "two blocks of one name"),
    "no name": (wired([padding(""), padding("b")], ("", 0, "b", 0)), "or one without"),
    "one stream read twice": (
        wired([copies("a"), sums("b")], ("a", 0, "b", 0), ("a", 0, "b", 1)), "a stream that is read twice",
    ),
    "one input fed twice": (
        wired([copies("a"), sums("b")], ("a", 0, "b", 0), ("a", 1, "b", 0)), "a stream that is read twice",
    ),
    "two inputs": (wired([padding("a"), sums("b")], ("a", 0, "b", 0)), "more than one input or output"),
    "two outputs": (wired([copies("a"), padding("b")], ("a", 0, "b", 0)), "more than one input or output"),
    "nothing wired": (wired([padding("a"), padding("b")]), "more than one input or output"),
    "a ring": (wired([padding("a"), padding("b")], ("a", 0, "b", 0), ("b", 0, "a", 0)), "or none"),
    "an input that is none": (wired([padding("a"), padding("b")], ("a", 0, "b", 1)), "b: has more inputs"),
    "an output that is none": (wired([padding("a"), padding("b")], ("a", 1, "b", 0)), "b: has more inputs"),
}  # fmt: skip


@pytest.mark.parametrize("what", WIRES)
def test_wires_that_make_none(what: str) -> None:
    design, words = WIRES[what]
    with pytest.raises(BadInput, match=words):
        check_wires(design)


def test_what_a_stream_is_read_as_is_said() -> None:
    wide = replace(padding("b"), dtype=DataType.parse("INT2"))
    with pytest.raises(BadInput, match=r"b: reads \(2, 2, 2\) INT2, a sends \(2, 2, 2\) BIPOLAR"):
        check_wires(wired([padding("a"), wide], ("a", 0, "b", 0)))


TENSOR = numpy_helper.from_array(np.ones(1), "one")


def file(*nodes: onnx.NodeProto, inputs: tuple[str, ...] = ("x",)) -> onnx.ModelProto:
    ends = [[helper.make_tensor_value_info(n, 1, [1]) for n in names] for names in (inputs, ("y",))]
    return helper.make_model(helper.make_graph(list(nodes), "design", *ends))


def op(kind: str = "Op", reads: str = "x", name: str = "n", gives: str = "y", **more: Any) -> onnx.NodeProto:
    return helper.make_node(kind, [reads], [gives], name, **more)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (op(kind="Other"), "n: is connected in another way"),
        (op(reads="z"), "n: is connected in another way"),
        (op(gives="z"), "n: is connected in another way"),
        (op(name="m"), "the design: has nodes that are no part of it"),
    ],
)
def test_a_node_is_what_the_writer_makes(found: onnx.NodeProto, words: str) -> None:
    check_same(file(op()), {}, file(op()), {})
    with pytest.raises(BadInput, match=words):
        check_same(file(found), {}, file(op()), {})
    with pytest.raises(BadInput, match="the design: has nodes"):
        check_same(file(op(), found), {}, file(op()), {})


@pytest.mark.parametrize(
    ("found", "meant"),
    [(2, 3), (2, 2.0), (2.0, 3.0), ("a", "b"), ("8", 8), (8, [8]), ([8], 8), ([1, 2], [1, 3]), ([1, 2], [1]),
     (b"\x01\x02", [1, 2]), ([1, 2], b"\x01\x02"), (["a"], ["b"]), (TENSOR, [1]), ([1], TENSOR), (TENSOR, 1)],
)  # fmt: skip
def test_an_attribute_says_what_the_writer_says(found: Any, meant: Any) -> None:
    check_same(file(op(PE=meant, mine=found)), {}, file(op(PE=meant)), {})
    with pytest.raises(BadInput, match=r"n\.PE: is (?s:.*), the rest of the node means"):
        check_same(file(op(PE=found)), {}, file(op(PE=meant)), {})


def test_a_tensor_is_what_the_writer_makes() -> None:
    meant = {"w": np.array([[1.0, 2.0]]), "t": np.array([3.0])}
    check_same(file(op()), {**meant, "mine": np.array([0.0])}, file(op()), meant)
    for name in meant:
        for other in (meant[name] + 1, meant[name][..., None], meant[name][..., :0]):
            with pytest.raises(BadInput, match=f"{name}: holds other values"):
                check_same(file(op()), {**meant, name: other}, file(op()), meant)
        with pytest.raises(BadInput, match=f"{name}: holds other values"):
            check_same(file(op()), {n: v for n, v in meant.items() if n != name}, file(op()), meant)


def test_the_ends_of_a_file_are_those_of_its_nodes() -> None:
    with pytest.raises(BadInput, match=r"has the inputs \['x', 'more'\], its nodes \['x'\]"):
        check_same(file(op(), inputs=("x", "more")), {}, file(op()), {})
    other = file(op())
    other.graph.output[0].name = "z"
    with pytest.raises(BadInput, match=r"has the outputs \['z'\], its nodes \['y'\]"):
        check_same(other, {}, file(op()), {})


@pytest.mark.parametrize("change", [{"dtype": DataType.parse("INT2")}, {"channels": 6}])
def test_a_stream_is_read_as_it_was_sent(change: dict[str, Any]) -> None:
    """Either its size or its type is enough to differ."""
    design = lower(conv_net([3, POOL, 4], [5], (1, 8, 8)))
    check_wires(design)
    pool = next(block for block in design.blocks if isinstance(block, MaxPool))
    blocks = tuple(replace(block, **change) if block is pool else block for block in design.blocks)
    with pytest.raises(BadInput, match="reads"):
        check_wires(replace(design, blocks=blocks))


def test_a_block_has_a_name() -> None:
    design = lower(conv_net([3], [5], (1, 8, 8)))
    blocks = (replace(design.blocks[0], name=""), *design.blocks[1:])
    with pytest.raises(BadInput, match="or one without"):
        check_wires(replace(design, blocks=blocks))


@pytest.mark.timeout(20)
def test_pipes_and_devices_are_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    for path in (tmp_path / "pipe.onnx", Path("/dev/zero"), tmp_path):
        with pytest.raises(BadInput, match=path.name):
            finn.read(path)
