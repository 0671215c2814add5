"""Windows of pools and convolutions that only some attribute tells of: the numbers that qonnx computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from etb_hw.errors import UnsupportedNode
from etb_hw.qonnx_io import execute, import_model
from etb_hw.qonnx_io.float64 import execute_in_float64
from hw_tests.fuzz.onnx_emitter import Emitter
from hw_tests.qonnx_io.test_forms_of_the_field import proved, signs

DILATED: dict[str, dict[str, object]] = {
    "plain": {"dilations": [2, 2]},
    "as many pixels": {"dilations": [2, 3], "strides": [3, 3]},
    "a border": {"dilations": [2, 1], "pads": [1, 0, 1, 1], "count_include_pad": 1},
}


@pytest.mark.parametrize("form", list(DILATED))
def test_a_dilated_average(form: str, tmp_path: Path) -> None:
    """Of operator set 19; the dilation had been read over."""
    out = Emitter((3, 9, 8), "INT4")
    y = out.node("AveragePool", "x", kernel_shape=[2, 2], **DILATED[form])
    y = out.node("Conv", y, out.const(signs(2, 3, 1, 1)))
    proved(out.model(y, opset=19), tmp_path)


def test_a_dilated_average_whose_border_executors_differ_in() -> None:
    out = Emitter((3, 9, 8), "INT4")
    out.node("AveragePool", "x", kernel_shape=[2, 2], dilations=[2, 2], auto_pad="SAME_UPPER")
    with pytest.raises(UnsupportedNode, match=r"AveragePool_0.*dilated(.|\n)*pads instead of auto_pad"):
        import_model(out.model("t0", opset=19, shapes=False))


@pytest.mark.parametrize("op", ["Conv", "MaxPool", "AveragePool"])
@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER"])
def test_as_large_as_what_a_pad_has_made(op: str, auto_pad: str, tmp_path: Path) -> None:
    """The border of 7 x 7 pixels differs from that of the 6 x 6 in front of the Pad."""
    out = Emitter((3, 6, 6), "UINT8")
    y = out.node("Pad", "x", out.const([0, 0, 0, 0, 0, 0, 1, 1], np.int64), out.const(0.0))
    filters = (out.const(signs(3, 3, 3, 3)),) if op == "Conv" else ()
    counted = {"count_include_pad": 1} if op == "AveragePool" else {}
    y = out.node(op, y, *filters, kernel_shape=[3, 3], strides=[2, 2], auto_pad=auto_pad, **counted)
    proved(out.model(out.node("Conv", y, out.const(signs(2, 3, 1, 1)))), tmp_path)


def last_in_the_border(op: str = "MaxPool", **attributes: object) -> Emitter:
    """Windows at 0, 2, 4, 6 of 9 pixels, borders among them; one at 8 would hold none of the image."""
    out = Emitter((3, 7, 7), "UINT8")
    sizes = {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [1] * 4, "ceil_mode": 1}
    out.node("Conv", out.node(op, "x", **sizes, **attributes), out.const(signs(2, 3, 1, 1)))
    return out


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
def test_a_last_window_in_the_border_is_none(op: str, tmp_path: Path) -> None:
    counted = {"count_include_pad": 1} if op == "AveragePool" else {}
    graph = proved(last_in_the_border(op, **counted).model("t1", opset=22), tmp_path)
    assert graph.types[graph.output].shape == (2, 4, 4)


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
def test_float64_knows_of_it_too(op: str) -> None:
    counted = {"count_include_pad": 1} if op == "AveragePool" else {}
    model = last_in_the_border(op, **counted).model("t1", opset=22)
    x = np.random.default_rng(3).integers(0, 256, (4, 3, 7, 7))
    np.testing.assert_array_equal(execute_in_float64(model, x), execute(model, x))


def test_before_shape_inference_knew_of_it() -> None:
    with pytest.raises(UnsupportedNode, match=r"MaxPool_0.*border(.|\n)*leave out ceil_mode"):
        import_model(last_in_the_border().model("t1", opset=17, shapes=False))


@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("opset", [13, 18])
def test_the_largest_of_all_pixels(keepdims: int, opset: int, tmp_path: Path) -> None:
    out = Emitter((4, 5, 6), "INT4")
    y = out.node("Mul", "x", out.const(np.array([1.0, -1, 2, 1]).reshape(4, 1, 1)))
    given = {"axes": [2, 3]} if opset < 18 else {}
    axes = () if opset < 18 else (out.const([-1, 2], np.int64),)
    y = out.node("ReduceMax", y, *axes, keepdims=keepdims, **given)
    y = out.node("Flatten", y) if keepdims else y
    proved(out.model(out.node("MatMul", y, out.const(signs(4, 3))), opset=opset), tmp_path)


def test_the_largest_of_each_row_is_refused() -> None:
    out = Emitter((4, 5, 6), "INT4")
    y = out.node("ReduceMax", "x", axes=[3], keepdims=1)
    with pytest.raises(UnsupportedNode, match=r"ReduceMax_0.*axes"):
        import_model(out.model(y, shapes=False))


def test_signs_whose_scale_is_negative(tmp_path: Path) -> None:
    out = Emitter((12,), "INT4")
    scale = out.const([[-0.5, 0.5, -2.0, 1.0]])
    weights = out.node("BipolarQuant", out.const(np.random.default_rng(1).standard_normal((12, 4))), scale)
    proved(out.model(out.node("MatMul", "x", weights)), tmp_path)


def test_signs_whose_scale_is_zero() -> None:
    out = Emitter((12,), "INT4")
    weights = out.node("BipolarQuant", out.const(signs(12, 2)), out.const([[0.0, 1.0]]))
    with pytest.raises(UnsupportedNode, match=r"BipolarQuant_0.*zero"):
        import_model(out.model(out.node("MatMul", "x", weights)))
