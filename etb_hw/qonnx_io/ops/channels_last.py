"""qonnx's channels_last domain (Keras exports): a standard op whose images are (N, H, W, C)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from etb_hw.qonnx_io.call import Call
from etb_hw.qonnx_io.value import Const, Tensor, Value


def channels_last(call: Call, handler: Callable[[Call], Any]) -> Tensor:
    """The op on the same tensors seen channels first; weights are (O, KH, KW, I) here."""
    value, *others = call.inputs
    if not isinstance(value, Value) or len(value.axes) < 2:
        call.fail("does not read an image", "check the graph's wiring")
    inputs: list[Tensor | None] = [replace(value, axes=(value.axes[-1], *value.axes[:-1])), *others]
    if call.node.op_type == "Conv" and len(inputs) > 1:
        inputs[1] = _filters_first(call, call.const(1))
    result = handler(replace(call, inputs=inputs))
    assert isinstance(result, Value)
    return replace(result, axes=(*result.axes[1:], result.axes[0]))


def _filters_first(call: Call, const: Const) -> Const:
    from etb_hw.qonnx_io.ops.shapes import moved

    if const.ndim < 3:
        call.fail(f"weights have shape {const.shape}", "export the network again")
    order = (0, const.ndim - 1, *range(1, const.ndim - 1))
    return moved(const, lambda a: a.transpose(order))
