"""Slice: every second pixel of an image is a pool of single pixels; other pieces hardware does not stream."""

from __future__ import annotations

from dataclasses import replace
from typing import NoReturn

from etb_hw.integer import MaxPool
from etb_hw.qonnx_io.call import Call
from etb_hw.qonnx_io.ops.constants import shape_arithmetic
from etb_hw.qonnx_io.value import NO_AXIS, Const, Tensor


def sliced(call: Call) -> Tensor:
    """Of constants; or of an image, all of it or every n-th row and column from the first one on."""
    if isinstance(call.inputs[0], Const):
        return shape_arithmetic(call)
    value = call.value(0)
    rank = len(value.axes) + 1
    starts, ends = call.int_list("starts", 1), call.int_list("ends", 2)
    if starts is None or ends is None:
        _refuse(call)
    axes = call.int_list("axes", 3) or list(range(len(starts)))
    steps = call.int_list("steps", 4) or [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps) or any(not -rank <= a < rank for a in axes):
        _refuse(call)
    shape = call.builder.types[value.core].shape
    strides = {}
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        at = value.axes[axis % rank - 1] if axis % rank else NO_AXIS
        size = 1 if at == NO_AXIS else shape[at]
        if start != 0 or end < size or step < 1 or (step > 1 and at not in (1, 2)):
            _refuse(call)
        strides[at] = step
    pair = strides.get(1, 1), strides.get(2, 1)
    if pair == (1, 1):
        return value
    if any(value.pads):
        call.fail("cuts a padded tensor", "pad behind it")
    core = call.builder.add(MaxPool, "pool", (value.core,), kernel=(1, 1), stride=pair)
    return replace(value, core=core, shared=False)


def _refuse(call: Call) -> NoReturn:
    call.fail(
        "cuts or picks parts of a tensor, which hardware does not stream",
        "let the layers read the whole tensor (x[:, :, ::2, ::2] is supported), and pad with a constant "
        "(padding_mode='zeros')",
    )
