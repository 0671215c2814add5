"""Forms that once were read wrong without a word: each is exact now, or refused by name."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from etb_hw.errors import EtbError
from etb_hw.integer import IntegerGraph
from etb_hw.integer.datatype import DataType
from etb_hw.integer.nodes import Add, ChannelAffine, Input, Node, SumPool
from etb_hw.integer.reference import execute as reference
from etb_hw.qonnx_io import execute, import_model
from hw_tests.fuzz.onnx_emitter import Emitter


def top_k(output: int) -> onnx.ModelProto:
    out = Emitter((6,), "INT4")
    classes = out.node("MatMul", "x", out.const(np.eye(6)[:, :5]))
    indices = out.node("TopK", classes, out.const([1], np.int64), axis=1, outputs=2)
    name = indices if output else indices.replace("_1", "_0")
    return out.model(name, onnx.TensorProto.INT64 if output else onnx.TensorProto.FLOAT)


def test_the_values_of_top_k_are_no_class() -> None:
    with pytest.raises(EtbError, match=r"TopK.*has no integer form"):
        import_model(top_k(0))
    assert import_model(top_k(1)).top == 1


def test_a_quantizer_behind_a_border_of_zeros_is_no_identity() -> None:
    out = Emitter((2, 5, 5), "INT4")
    x = out.node("BipolarQuant", "x", out.const(1.0))
    x = out.node("Pad", x, out.const([0, 0, 1, 1, 0, 0, 1, 1], np.int64), out.const(0.0))
    x = out.node("BipolarQuant", x, out.const(1.0))
    weights = np.random.default_rng(1).choice([-1.0, 1.0], (3, 2, 3, 3))
    model = out.model(out.node("Conv", x, out.const(weights)))
    images = np.random.default_rng(0).integers(-8, 8, (8, 2, 5, 5))
    graph = import_model(model)
    np.testing.assert_array_equal(graph.dequantize(reference(graph, images)), execute(model, images))


def test_a_division_of_integers_is_refused() -> None:
    out = Emitter((4,), "INT8")
    whole = out.node("Cast", "x", to=onnx.TensorProto.INT64)
    half = out.node("Div", whole, out.const([2], np.int64))
    model = out.model(out.node("Cast", half, to=onnx.TensorProto.FLOAT))
    with pytest.raises(EtbError, match=r"drops the remainder"):
        import_model(model)
    out = Emitter((4,), "INT8")
    back = out.node("Cast", out.node("Cast", "x", to=onnx.TensorProto.INT64), to=onnx.TensorProto.FLOAT)
    import_model(out.model(out.node("Div", back, out.const(2.0))))


def doubled(times: int) -> IntegerGraph:
    nodes: list[Node] = [Input(name="x", shape=(2,), dtype=DataType.parse("INT8"))]
    for i in range(times):
        nodes.append(Add(name=f"add{i}", inputs=(nodes[-1].name, nodes[-1].name)))
    return IntegerGraph(tuple(nodes), nodes[-1].name)


def test_sums_beyond_the_exact_range_are_refused() -> None:
    assert doubled(40).types
    with pytest.raises(EtbError, match=r"add\d+.*53 bits"):
        _ = doubled(50).types
    image = Input(name="x", shape=(1, 64, 64), dtype=DataType.parse("INT32"))
    big = ChannelAffine(name="big", inputs=("x",), mul=np.array([2**15]), add=np.array([0]))
    with pytest.raises(EtbError, match=r"pool.*53 bits"):
        _ = IntegerGraph((image, big, SumPool(name="pool", inputs=("big",))), "pool").types
    steep = ChannelAffine(name="steep", inputs=("x",), mul=np.array([2**40]), add=np.array([0]))
    with pytest.raises(EtbError, match=r"steep.*53 bits"):
        _ = IntegerGraph((image, steep), "steep").types
