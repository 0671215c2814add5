"""Inputs that are not float32, or not the first of a file: qonnx gets what the file declares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.infer_shapes import InferShapes

from etb_hw.errors import EtbError
from etb_hw.flow.proofs import random_inputs
from etb_hw.integer import DataType
from etb_hw.qonnx_io import ImportOptions, execute, import_model
from etb_hw.qonnx_io.float64 import execute_in_float64
from hw_tests.fuzz.onnx_emitter import Emitter
from hw_tests.qonnx_io.test_forms_of_the_field import SIZES, Ending, proved, quantized, signs


def typed(
    kind: int, first: Ending, shape: tuple[int, ...] = (20,), dtype: str | None = None
) -> onnx.ModelProto:
    """A network whose input is declared as ``kind``, read by ``first``."""
    out = Emitter(shape, dtype)
    y = first(out, "x")
    if len(shape) == 3:
        y = quantized(out, out.node("Conv", y, out.const(signs(4, 3, 3, 3)), **SIZES), 64.0)
    else:
        y = out.node("MatMul", y, out.const(signs(20, 5)))
    model = out.model(y, shapes=False)
    model.graph.input[0].type.tensor_type.elem_type = kind
    inferred: onnx.ModelProto = ModelWrapper(model).transform(InferShapes()).model
    return inferred


def to_float(out: Emitter, x: str) -> str:
    return out.node("Cast", x, to=TensorProto.FLOAT)


def shifted(out: Emitter, x: str) -> str:
    return out.node("DequantizeLinear", x, out.const(1 / 64), out.const(128, np.uint8))


def channels_first(out: Emitter, x: str) -> str:
    return out.node("Transpose", x, perm=[0, 3, 1, 2])


@pytest.mark.parametrize(
    ("kind", "first", "shape", "dtype"),
    [
        (TensorProto.UINT8, to_float, (20,), "UINT8"),
        (TensorProto.UINT8, lambda out, x: out.node("Mul", to_float(out, x), out.const(0.1)), (20,), "UINT8"),
        (TensorProto.UINT8, lambda out, x: out.node("Div", shifted(out, x), out.const(2.0)), (20,), "UINT8"),
        (TensorProto.INT8, to_float, (20,), "INT8"),
        (TensorProto.INT16, to_float, (20,), "INT16"),
        (TensorProto.UINT8, lambda out, x: channels_first(out, to_float(out, x)), (8, 6, 3), "UINT8"),
        (TensorProto.UINT8, lambda out, x: to_float(out, channels_first(out, x)), (8, 6, 3), "UINT8"),
    ],
)
def test_integer_inputs(kind: int, first: Ending, shape: tuple[int, ...], dtype: str, tmp_path: Path) -> None:
    """Their type says what the hardware reads; no option is needed."""
    model = typed(kind, first, shape)
    graph = proved(model, tmp_path)
    assert graph.input.dtype.name == dtype
    assert graph.source.channels_last == (len(shape) == 3)


MOVED: dict[str, Ending] = {
    "Identity": lambda out, x: out.node("Identity", x),
    "Dropout": lambda out, x: out.node("Dropout", x),
    "Flatten": lambda out, x: out.node("Flatten", x),
    "Reshape": lambda out, x: out.node("Reshape", x, out.const([-1, 144], np.int64)),
    "Cast": lambda out, x: out.node("Cast", x, to=TensorProto.FLOAT),
    "Transpose, Transpose": lambda out, x: out.node(
        "Transpose", out.node("Transpose", x, perm=[0, 2, 3, 1]), perm=[0, 3, 1, 2]
    ),
    "Identity, Flatten": lambda out, x: out.node("Flatten", out.node("Identity", x)),
}


@pytest.mark.parametrize("standard", [False, True])
@pytest.mark.parametrize("moved", MOVED)
def test_the_first_quantizer_may_stand_behind_moves(moved: str, standard: bool, tmp_path: Path) -> None:
    """As in most MLPs, which flatten first: its integers are what the hardware reads."""
    out = Emitter((3, 8, 6), None)
    y = MOVED[moved](out, "x")
    if standard:
        pair = (out.const(0.25), out.const(np.int8(0), np.int8))
        y = out.node("DequantizeLinear", out.node("QuantizeLinear", y, *pair), *pair)
    else:
        y = quantized(out, y, 0.25, 8.0)
    y = out.node("MatMul", out.node("Flatten", y), out.const(signs(144, 5)))
    assert proved(out.model(y), tmp_path).input.dtype.name == "INT8"


def test_a_quantizer_that_is_not_alone_says_nothing_of_the_input() -> None:
    out = Emitter((20,), None)
    y = out.node("Identity", "x")
    model = out.model(out.node("Add", quantized(out, y), y))
    with pytest.raises(EtbError, match="has no data type"):
        import_model(model)


@pytest.mark.parametrize("first", ["Transpose", "MatMul", "Unsqueeze"])
def test_signals_whose_channels_come_last(first: str, tmp_path: Path) -> None:
    """(N, T, C), as Keras has them: tf2onnx makes images of them, torch's nn.Linear works on each step."""
    out = Emitter((16, 6), "UINT8")
    y, channels = "x", 6
    if first == "MatMul":
        y, channels = quantized(out, out.node("MatMul", y, out.const(signs(6, 4))), 64.0), 4
    if first == "Unsqueeze":
        y = out.node("Unsqueeze", y, out.const([1], np.int64))
        y = out.node("Transpose", y, perm=[0, 3, 1, 2])
        sizes = {"kernel_shape": [1, 3], "pads": [0] * 4, "strides": [1, 1], "dilations": [1, 1], "group": 1}
        y = out.node("Conv", y, out.const(signs(4, channels, 1, 3)), **sizes)
        y = out.node("Squeeze", out.node("Transpose", y, perm=[0, 2, 3, 1]), out.const([1], np.int64))
    else:
        sizes = {"kernel_shape": [3], "pads": [0] * 2, "strides": [1], "dilations": [1], "group": 1}
        y = out.node(
            "Conv", out.node("Transpose", y, perm=[0, 2, 1]), out.const(signs(4, channels, 3)), **sizes
        )
        y = out.node("Transpose", y, perm=[0, 2, 1])
    graph = proved(out.model(y), tmp_path)
    assert graph.input.shape == (6, 1, 16)
    assert graph.source.channels_last
    assert graph.channels_last


@pytest.mark.parametrize("kind", [TensorProto.UINT8, TensorProto.INT16, TensorProto.DOUBLE])
def test_float64_reads_them_too(kind: int) -> None:
    model = typed(kind, to_float, dtype="UINT4")
    graph = import_model(model)
    x = random_inputs(graph, 5)
    found = execute_in_float64(model, graph.source.in_float64(x))
    np.testing.assert_array_equal(found, execute(model, graph.to_float(x)))


def test_narrower_integers_in_a_wide_type(tmp_path: Path) -> None:
    options = ImportOptions(input_dtype=DataType.parse("UINT4"))
    assert proved(typed(TensorProto.INT32, to_float), tmp_path, options).input.dtype.name == "UINT4"


def test_a_flat_input_of_integers_that_becomes_an_image(tmp_path: Path) -> None:
    out = Emitter((48,))
    y = out.node("Reshape", to_float(out, "x"), out.const([-1, 3, 4, 4], np.int64))
    y = out.node("Conv", y, out.const(signs(4, 3, 3, 3)), **SIZES)
    model = out.model(y, shapes=False)
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    inferred = ModelWrapper(model).transform(InferShapes()).model
    assert proved(inferred, tmp_path).input.shape == (3, 4, 4)


def test_doubles_that_become_float32(tmp_path: Path) -> None:
    proved(typed(TensorProto.DOUBLE, to_float, dtype="INT4"), tmp_path)


@pytest.mark.parametrize(
    ("kind", "first", "options", "reason"),
    [
        (TensorProto.FLOAT16, to_float, {}, "float16"),
        (TensorProto.BOOL, to_float, {}, "bool"),
        (TensorProto.UINT8, to_float, {"scale": "1/255"}, "--input-scale"),
        (TensorProto.UINT8, to_float, {"dtype": "int8"}, "declared uint8"),
        (TensorProto.UINT8, to_float, {"dtype": "int12"}, "declared uint8"),
        (TensorProto.INT64, to_float, {}, "1 to 16 bits"),
        (TensorProto.UINT8, lambda out, x: to_float(out, out.node("Relu", x)), {}, r"Relu_0.*uint8"),
    ],
)
def test_types_that_are_refused(kind: int, first: Ending, options: dict[str, str], reason: str) -> None:
    with pytest.raises(EtbError, match=reason):
        import_model(typed(kind, first), ImportOptions.parse(**options))


def test_a_network_in_float64_is_refused() -> None:
    out = Emitter((20,), "INT4")
    model = out.model(
        out.node("MatMul", "x", out.const(signs(20, 5), np.float64)), TensorProto.DOUBLE, shapes=False
    )
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.DOUBLE
    with pytest.raises(EtbError, match=r"MatMul_0.*computes in double"):
        import_model(model)


@pytest.mark.parametrize("name", ["unused", "const_0"])
def test_an_input_that_is_not_the_first(name: str, tmp_path: Path) -> None:
    """Something that nothing reads, or a weight, as files of old IR versions have them."""
    out = Emitter((20,), "INT4")
    model = out.model(out.node("MatMul", "x", out.const(signs(20, 5))))
    model.graph.input.insert(0, helper.make_tensor_value_info(name, TensorProto.FLOAT, [20, 5]))
    graph = proved(model, tmp_path)
    x = random_inputs(graph, 5)
    found = execute_in_float64(model, graph.source.in_float64(x))
    np.testing.assert_array_equal(found, execute(model, graph.to_float(x)))
