"""Slice: some channels, or every n-th pixel of an image, which is a pool of single pixels."""

from __future__ import annotations

from dataclasses import replace
from typing import NoReturn

import numpy as np

from etb_hw.integer import MaxPool
from etb_hw.qonnx_io.call import Call
from etb_hw.qonnx_io.ops.channels import selected
from etb_hw.qonnx_io.ops.constants import shape_arithmetic
from etb_hw.qonnx_io.value import NO_AXIS, Const, Tensor

_OPEN = 2**31 - 1  # what exporters write for an end that is left open, at least


def sliced(call: Call) -> Tensor:
    """Of constants; or any channels, and every n-th row and column of an image from the first one on."""
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
    channels = np.arange(shape[0])
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        at = value.axes[axis % rank - 1] if axis % rank else NO_AXIS
        if at == 0 and step:
            channels = channels[start:end:step]  # of any sign, as ONNX means them
            continue
        if axis % rank == 0 and not (start == 0 and end >= _OPEN and step == 1):
            call.fail("picks samples of a batch", "let the network read each sample: x[:, ...]")
        size = 1 if at == NO_AXIS else shape[at]
        if start != 0 or end < size or step < 1 or (step > 1 and at not in (1, 2)):
            _refuse(call)
        strides[at] = step
    value = selected(call, value, channels)
    pair = strides.get(1, 1), strides.get(2, 1)
    if pair == (1, 1):
        return value
    if any(value.pads):
        call.fail("cuts a padded tensor", "pad behind it")
    core = call.builder.add(MaxPool, "pool", (value.core,), kernel=(1, 1), stride=pair)
    return replace(value, core=core, shared=False)


def _refuse(call: Call) -> NoReturn:
    call.fail(
        "cuts parts of an image, which hardware does not stream",
        "let the layers read the whole image (x[:, :, ::2, ::2], and pieces along the channels, are "
        "supported), and pad with a constant (padding_mode='zeros')",
    )
