"""Attributes that no handler reads: refused by name, unless they say what the op does without them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from etb_hw.errors import UnsupportedNode
from etb_hw.qonnx_io import import_model
from hw_tests.fuzz.onnx_emitter import Emitter
from hw_tests.qonnx_io.test_forms_of_the_field import proved, signs

Body = Callable[[Emitter], str]
BATCH_NORM = np.array([[1.0, 2, 1], [0, 1, 2], [0, 0, 0], [1, 1, 1]])


def resized(out: Emitter, **attributes: object) -> str:
    sizes = out.const([1, 3, 10, 12], np.int64)
    modes = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return out.node("Resize", "x", "", "", sizes, mode="nearest", **modes, **attributes)


def normalised(out: Emitter, **attributes: object) -> str:
    return out.node("BatchNormalization", "x", *(out.const(row) for row in BATCH_NORM), **attributes)


def pooled(out: Emitter, op: str = "MaxPool", **attributes: object) -> str:
    return out.node(op, "x", kernel_shape=[2, 2], strides=[1, 2], **attributes)


UNKNOWN: dict[str, tuple[Body, int]] = {
    "keep_aspect_ratio_policy 'not_larger'": (
        lambda o: resized(o, keep_aspect_ratio_policy="not_larger"), 18
    ),
    "axis 1": (lambda o: o.node("Add", "x", o.const([1.0, 2, 3]), broadcast=1, axis=1), 6),
    "spatial 0": (lambda o: normalised(o, spatial=0), 7),
    "of_tomorrow 3": (lambda o: pooled(o, of_tomorrow=3), 13),
    r"of_tomorrow \[1, 1\]": (lambda o: o.node("Relu", "x", of_tomorrow=[1, 1]), 13),
}  # fmt: skip


@pytest.mark.parametrize("named", list(UNKNOWN))
def test_an_unknown_attribute_is_refused(named: str) -> None:
    body, opset = UNKNOWN[named]
    out = Emitter((3, 5, 6), "UINT8")
    y = out.node("Conv", body(out), out.const(signs(2, 3, 1, 1)))
    with pytest.raises(UnsupportedNode, match=rf"_0'.*{named}"):
        import_model(out.model(y, opset=opset, shapes=False))


KNOWN: dict[str, tuple[Body, int]] = {
    "the default": (lambda o: resized(o, keep_aspect_ratio_policy="stretch", antialias=0), 18),
    "of training": (lambda o: normalised(o, momentum=0.3), 13),
    "of indices": (lambda o: pooled(o, storage_order=1), 13),
}


@pytest.mark.parametrize("why", list(KNOWN))
def test_one_that_changes_nothing_is_taken(why: str, tmp_path: Path) -> None:
    body, opset = KNOWN[why]
    out = Emitter((3, 5, 6), "UINT8")
    proved(out.model(out.node("Conv", body(out), out.const(signs(2, 3, 1, 1))), opset=opset), tmp_path)


def split(out: Emitter, **attributes: object) -> str:
    return out.node("Split", "x", axis=1, outputs=3, **attributes)


def quantized(out: Emitter, kind: int) -> str:
    y = out.node("QuantizeLinear", "x", out.const(2.0), out.const(0, np.uint8), precision=kind)
    return out.node("DequantizeLinear", y, out.const(2.0), out.const(0, np.uint8), output_dtype=kind)


def transposed(out: Emitter, **attributes: object) -> str:
    return out.node("ConvTranspose", "x", out.const(signs(3, 3, 2, 2)), strides=[2, 2], **attributes)


def reshaped(out: Emitter, size: int) -> str:
    return out.node("Reshape", "x", out.const([size, 3, 5, 6], np.int64), allowzero=1)


READ: dict[str, tuple[Body, Body, str, int]] = {
    "num_outputs": (lambda o: split(o, num_outputs=3), lambda o: split(o, num_outputs=2), "2 outputs", 18),
    "kernel_shape": (
        lambda o: transposed(o, kernel_shape=[2, 2]), lambda o: transposed(o, kernel_shape=[2, 1]),
        "kernel_shape", 13,
    ),
    "allowzero": (lambda o: reshaped(o, 1), lambda o: reshaped(o, 0), "holds nothing", 14),
    "precision": (
        lambda o: quantized(o, TensorProto.FLOAT), lambda o: quantized(o, TensorProto.FLOAT16),
        "precision 10", 23,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", list(READ))
def test_one_that_had_been_read_over(name: str, tmp_path: Path) -> None:
    good, bad, said, opset = READ[name]
    channels = 1 if name == "num_outputs" else 3
    for body in (good, bad):
        out = Emitter((3, 5, 6), "UINT8")
        y = out.node("Conv", body(out), out.const(signs(2, channels, 1, 1)))
        model = out.model(y, opset=opset, shapes=body is good)
        if body is good:
            proved(model, tmp_path)
        else:
            with pytest.raises(UnsupportedNode, match=rf"_0'(.|\n)*{said}"):
                import_model(model)


def test_a_value_of_its_own_kind_only() -> None:
    """QuantizeLinear's bounds are this package's own: other ops do not have them."""
    out = Emitter((3, 5, 6), "UINT8")
    y = out.node("Conv", "x", out.const(signs(2, 3, 1, 1)), etb_low=0.0)
    with pytest.raises(UnsupportedNode, match=r"Conv_0.*etb_low"):
        import_model(out.model(y, shapes=False))
