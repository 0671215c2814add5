"""MaxPool, which commutes with rising chains, and average pooling, a sum and a factor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from etb_hw.integer import Chain, Conv, DataType, MaxPool, SumPool
from etb_hw.qonnx_io.affine import Affine, as_affine, then
from etb_hw.qonnx_io.call import Call
from etb_hw.qonnx_io.ops.linear import border_of_zeros
from etb_hw.qonnx_io.thresholds import rising
from etb_hw.qonnx_io.value import IMAGE, SIGNAL, Tensor, Value
from etb_hw.qonnx_io.windows import image_size, pair
from etb_hw.qonnx_io.windows import pads as read_pads


def max_pool(call: Call) -> Tensor:
    """Borders never win. A Pad in front with the smallest value of the tensor is such a border too."""
    value = _image(call)
    if pair(call, "dilations") != (1, 1):
        call.fail("has dilated windows", "use dilation 1")
    value = rising(call, value)
    x = call.builder.types[value.core]
    kernel, stride = pair(call, "kernel_shape"), pair(call, "strides")
    size = image_size(call, value)
    top, left, bottom, right = read_pads(call, size, kernel, stride, (1, 1))
    if call.attr("ceil_mode", 0):
        bottom += _rest(call, size[0], top, bottom, kernel[0], stride[0])
        right += _rest(call, size[1], left, right, kernel[1], stride[1])
    if any(value.pads):
        if value.pad_value != min(x.low) or len(set(x.low)) > 1:
            call.fail("reads a border that may win", "pad behind the pool")
        top, left, bottom, right = (
            a + b for a, b in zip((top, left, bottom, right), value.pads, strict=True)
        )
    if max(top, bottom) >= kernel[0] or max(left, right) >= kernel[1]:
        call.fail("has windows that lie outside the image", "use pads smaller than the kernel")
    core = call.builder.add(
        MaxPool, "pool", (value.core,), kernel=kernel, stride=stride, pads=(top, left, bottom, right)
    )
    return replace(value, core=core, pads=(0, 0, 0, 0), pad_value=0, shared=False)


def global_average(call: Call) -> Value:
    """Mean over all pixels."""
    value = _image(call)
    pixels = call.builder.types[value.core].pixels
    return _mean(call, _sum(call, value), pixels)


def average_pool(call: Call) -> Tensor:
    """Mean over windows, whose border is zeros: a depthwise convolution with ones, and a factor."""
    value = _image(call)
    x = call.builder.types[value.core]
    kernel, stride = pair(call, "kernel_shape"), pair(call, "strides")
    dilation = pair(call, "dilations")
    size = image_size(call, value)
    if dilation != (1, 1) and call.attr("auto_pad", "NOTSET") in ("SAME_UPPER", "SAME_LOWER"):
        # ONNX' shapes count the dilation, onnxruntime does not
        call.fail("is dilated, with a border that is not given in pixels", "give pads instead of auto_pad")
    own = read_pads(call, size, kernel, stride, dilation)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    ceil = call.attr("ceil_mode", 0)
    axes = zip(size, own[:2], own[2:], reach, stride, strict=True)
    if (ceil and any(_rest(call, *axis) for axis in axes)) or (
        any(own) and not call.attr("count_include_pad", 0)
    ):
        call.fail(
            "averages fewer pixels at the border than elsewhere",
            "count those of the border (count_include_pad=True, ceil_mode=False), or pool without padding",
        )
    if kernel == x.shape[1:] and dilation == (1, 1) and not any((*own, *value.pads)):
        return global_average(call)
    affine = _affine(call, value)
    pads, pad_value = border_of_zeros(call, value, affine, own)
    pixels = kernel[0] * kernel[1]
    core = call.builder.add(
        Conv, "conv", (value.core,), weights=np.ones((x.channels, 1, *kernel), dtype=np.int8),
        weight_dtype=DataType.parse("TERNARY"), stride=stride, dilation=dilation,
        groups=x.channels, pads=pads, pad_value=pad_value,
    )  # fmt: skip
    chain = _summed(value.chain, affine, pixels)
    return _mean(call, Value(core, chain, axes=value.axes), pixels)


def global_max(call: Call) -> Value:
    """The largest of all pixels."""
    value = rising(call, _image(call))
    if any(value.pads):
        call.fail("reads a border that may win", "pad behind the pool")
    kernel = call.builder.types[value.core].shape[1:]
    core = call.builder.add(MaxPool, "pool", (value.core,), kernel=kernel, stride=kernel)
    return replace(value, core=core, shared=False)


def reduce(call: Call) -> Tensor:
    """ReduceMax, ReduceMean and ReduceSum over both image axes; ``keepdims=0`` also flattens."""
    from etb_hw.qonnx_io.ops.shapes import flat

    value = call.value(0)
    axes = call.int_list("axes", 1)
    rank = len(value.axes) + 1
    if axes is None or sorted(a % rank for a in axes) != list(range(2, rank)):
        call.fail("does not reduce exactly the axes behind the channels", "use a global average pool")
    match call.node.op_type:
        case "ReduceMax":
            result = global_max(call)
        case "ReduceMean":
            result = global_average(call)
        case _:
            result = _sum(call, _image(call))
    return result if call.attr("keepdims", 1) else flat(call, result)


def _sum(call: Call, value: Value) -> Value:
    """Sums of integers: a constant offset counts once a pixel."""
    affine = _affine(call, value)
    if any(value.pads):
        call.fail("averages a padded border", "remove the Pad")
    pixels = call.builder.types[value.core].pixels
    core = call.builder.add(SumPool, "sumpool", (value.core,))
    return replace(value, core=core, chain=_summed(value.chain, affine, pixels), shared=False)


def _affine(call: Call, value: Value) -> Affine:
    affine = as_affine(value.chain)
    if affine is None:
        call.fail("averages a clipped tensor that no quantizer follows", "put a quantizer in front")
    return affine


def _summed(chain: Chain, affine: Affine, pixels: int) -> Chain:
    if not affine.offset.any():
        return chain
    return then(then(Chain(), "mul", affine.scale), "add", affine.offset * pixels)


def _mean(call: Call, value: Value, pixels: int) -> Value:
    return value.with_chain(then(value.chain, "div", pixels))


def _image(call: Call) -> Value:
    value = call.value(0)
    if value.axes not in (IMAGE, SIGNAL):
        call.fail("reads a tensor that is no NCHW image", "use the NCHW layout")
    return value


def _rest(call: Call, size: int, before: int, after: int, kernel: int, stride: int) -> int:
    """Pixels that the last, partly filled window of a ceil_mode pool lacks.

    There is no such window where it would begin in the border behind the image.
    """
    whole = before + size + after
    lacking = -(whole - kernel) % stride
    if whole + lacking - kernel < before + size:
        return lacking
    if lacking and call.opset < 22:  # executors leave the window out there, ONNX' shape inference does not
        call.fail("has a last window that lies in the border", "leave out ceil_mode: it changes nothing here")
    return 0
