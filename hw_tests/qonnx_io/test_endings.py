"""What may stand behind the logits, and what the network's output may be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from etb_hw.errors import UnsupportedNode
from etb_hw.qonnx_io import import_model
from hw_tests.fuzz.onnx_emitter import Emitter
from hw_tests.qonnx_io.test_forms_of_the_field import SIZES, proved, quantized, signs


def labelled(
    softmax: dict[str, int], best: str | None, opset: int = 13, size: tuple[int, int] = (8, 6)
) -> onnx.ModelProto:
    """A class a pixel, of five (N, 5, H - 2, W - 2); a Softmax in front of ``best``, or at the end."""
    out = Emitter((3, *size), "UINT8")
    y = quantized(out, out.node("Conv", "x", out.const(signs(4, 3, 3, 3)), **SIZES), 64.0)
    y = out.node("Softmax", out.node("Conv", y, out.const(signs(5, 4, 1, 1))), **softmax)
    if best == "ArgMax":
        y = out.node("ArgMax", y, axis=1, keepdims=0)
    if best == "TopK":
        y = out.node("TopK", y, out.const([1], np.int64), axis=1, outputs=2)
    return out.model(y, TensorProto.INT64 if best else TensorProto.FLOAT, opset=opset)


@pytest.mark.parametrize("best", ["ArgMax", "TopK", None])
@pytest.mark.parametrize(
    ("softmax", "opset"),
    [({}, 13), ({"axis": -1}, 13), ({"axis": 2}, 13), ({"axis": 0}, 13), ({}, 11), ({"axis": 2}, 11)],
)
def test_a_softmax_over_another_axis_is_no_ending(
    softmax: dict[str, int], opset: int, best: str | None
) -> None:
    """Another class may win behind it; up to operator set 12 it runs over all axes behind the first."""
    with pytest.raises(UnsupportedNode, match=r"Softmax_3.*not that of the classes") as caught:
        import_model(labelled(softmax, best, opset))
    assert "axis 1" in caught.value.remedy


@pytest.mark.parametrize("best", ["ArgMax", "TopK", None])
@pytest.mark.parametrize("axis", [1, -3])
def test_a_softmax_over_the_classes_of_each_pixel(axis: int, best: str | None, tmp_path: Path) -> None:
    graph = proved(labelled({"axis": axis}, best), tmp_path)
    assert "Softmax" in graph.notes[0]
    assert graph.types[graph.output].shape == (5, 6, 4)


def test_an_old_softmax_over_all_axes_of_one_pixel(tmp_path: Path) -> None:
    proved(labelled({}, "ArgMax", opset=11, size=(3, 3)), tmp_path)


def test_a_softmax_of_the_batch() -> None:
    out = Emitter((20,), "INT4")
    y = out.node("Softmax", out.node("MatMul", "x", out.const(signs(20, 5))), axis=0)
    with pytest.raises(UnsupportedNode, match=r"Softmax_1.*axis 0"):
        import_model(out.model(y))
