"""MaxPool, which commutes with rising chains, and global average pooling, a sum and a factor."""

from __future__ import annotations

from dataclasses import replace

from etb_hw.integer import MaxPool, SumPool
from etb_hw.qonnx_io.affine import as_affine, then
from etb_hw.qonnx_io.call import Call
from etb_hw.qonnx_io.thresholds import rising
from etb_hw.qonnx_io.value import Tensor, Value
from etb_hw.qonnx_io.windows import pads as read_pads
from etb_hw.qonnx_io.windows import pair


def max_pool(call: Call) -> Tensor:
    """Borders never win. A Pad in front with the smallest value of the tensor is such a border too."""
    value = _image(call)
    if pair(call, "dilations") != (1, 1):
        call.fail("has dilated windows", "use dilation 1")
    value = rising(call, value)
    x = call.builder.types[value.core]
    kernel, stride = pair(call, "kernel_shape"), pair(call, "strides")
    top, left, bottom, right = read_pads(call, (x.shape[1], x.shape[2]), kernel, stride, (1, 1))
    if any(value.pads):
        if value.pad_value != min(x.low) or len(set(x.low)) > 1:
            call.fail("reads a border that may win", "pad behind the pool")
        top, left, bottom, right = (
            a + b for a, b in zip((top, left, bottom, right), value.pads, strict=True)
        )
    if call.attr("ceil_mode", 0):
        bottom += _rest(x.shape[1] + top + bottom, kernel[0], stride[0])
        right += _rest(x.shape[2] + left + right, kernel[1], stride[1])
    if max(top, bottom) >= kernel[0] or max(left, right) >= kernel[1]:
        call.fail("has windows that lie outside the image", "use pads smaller than the kernel")
    core = call.builder.add(
        MaxPool, "pool", (value.core,), kernel=kernel, stride=stride, pads=(top, left, bottom, right)
    )
    return replace(value, core=core, pads=(0, 0, 0, 0), pad_value=0, shared=False)


def global_average(call: Call) -> Tensor:
    """Mean over all pixels."""
    value = _image(call)
    pixels = call.builder.types[value.core].pixels
    return _mean(call, _sum(call, value), pixels)


def average_pool(call: Call) -> Tensor:
    """Only where one window covers the image."""
    value = _image(call)
    x = call.builder.types[value.core]
    if pair(call, "kernel_shape") != x.shape[1:] or any(call.ints("pads", (0, 0, 0, 0))):
        call.fail("averages windows smaller than the image", "use a global average pool, or a strided layer")
    return global_average(call)


def reduce(call: Call) -> Tensor:
    """ReduceMean and ReduceSum over both image axes; ``keepdims=0`` also flattens."""
    from etb_hw.qonnx_io.ops.shapes import flat

    value = call.value(0)
    axes = call.int_list("axes", 1)
    rank = len(value.axes) + 1
    if axes is None or sorted(a % rank for a in axes) != [2, 3]:
        call.fail("does not reduce exactly the two image axes", "use a global average pool")
    value = _image(call)
    pixels = call.builder.types[value.core].pixels
    result = _sum(call, value)
    if call.node.op_type == "ReduceMean":
        result = _mean(call, result, pixels)
    return result if call.attr("keepdims", 1) else flat(call, result)


def _sum(call: Call, value: Value) -> Value:
    """Sums of integers: a constant offset counts once a pixel."""
    affine = as_affine(value.chain)
    if affine is None:
        call.fail("averages a clipped tensor that no quantizer follows", "put a quantizer in front")
    if any(value.pads):
        call.fail("averages a padded border", "remove the Pad")
    pixels = call.builder.types[value.core].pixels
    chain = value.chain
    if affine.offset.any():
        chain = then(then(type(chain)(), "mul", affine.scale), "add", affine.offset * pixels)
    core = call.builder.add(SumPool, "sumpool", (value.core,))
    return replace(value, core=core, chain=chain, shared=False)


def _mean(call: Call, value: Value, pixels: int) -> Value:
    return value.with_chain(then(value.chain, "div", pixels))


def _image(call: Call) -> Value:
    value = call.value(0)
    if value.axes != (0, 1, 2):
        call.fail("reads a tensor that is no NCHW image", "use the NCHW layout")
    return value


def _rest(size: int, kernel: int, stride: int) -> int:
    """Pixels that the last, partly filled window of a ceil_mode pool lacks."""
    return -(size - kernel) % stride
