"""DepthToSpace (PixelShuffle), and the ConvTransposes that are a convolution with it behind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etb_hw.integer import Chain, ChannelAffine, DepthToSpace
from etb_hw.integer.depth_to_space import from_interleaved
from etb_hw.qonnx_io.affine import as_affine
from etb_hw.qonnx_io.call import Call
from etb_hw.qonnx_io.ops.linear import biased, convolved
from etb_hw.qonnx_io.value import IMAGE, Const, Tensor, Value
from etb_hw.qonnx_io.weights import integer_weights
from etb_hw.qonnx_io.windows import pads as read_pads
from etb_hw.qonnx_io.windows import pair

_REMEDY = "use a stride and kernel alike for both axes, and an output of stride times the input's size"
MOST = 64  # pixels along an axis that one becomes


def depth_to_space(call: Call) -> Tensor:
    """Parts of a pixel's channels become pixels, with their chains where these are the same for all parts."""
    block, mode = call.attr("blocksize"), call.attr("mode", "DCR")
    value = call.value(0)
    if not isinstance(block, int) or not 1 <= block <= MOST or mode not in ("DCR", "CRD"):
        call.fail(f"has blocksize {block!r} and mode {mode!r}", "export nn.PixelShuffle again")
    channels = call.builder.types[value.core].channels
    if channels % block**2:
        call.fail(f"makes blocks of {block} x {block} pixels of {channels} channels", "check the shapes")
    return _to_space(call, value, block, mode == "CRD")


def conv_transpose(call: Call) -> Tensor:
    """A convolution that yields all pixels of a block as channels, and their way to their places.

    Output pixel s q + r is the sum over d of x[q + d] w[r + p - s d]: for stride s and padding p each place r
    in a block has filters of its own, with zeros where the kernel does not reach.
    """
    value, const = call.value(0), call.const(1)
    if const.ndim != 4 or value.axes != IMAGE:
        call.fail("is no transposed convolution over images", "use nn.ConvTranspose2d")
    inputs, _, *kernel = const.shape
    size = call.builder.types[value.core].shape
    (down, across), dilation = pair(call, "strides"), pair(call, "dilations")
    if pair(call, "kernel_shape", (kernel[0], kernel[1])) != (kernel[0], kernel[1]):
        call.fail(f"has a kernel_shape that is not that of its weights {const.shape}", "export again")
    if inputs != size[0]:
        call.fail(f"reads {size[0]} channels, and its weights {inputs}", "check the shapes")
    if call.attr("group", 1) != 1 or dilation != (1, 1) or call.attr("output_shape"):
        call.fail("is in groups, dilated, or of an output_shape", "use groups=1, dilation=1, output_padding")
    if down != across or down > MOST or any(value.pads) or call.attr("auto_pad", "NOTSET") != "NOTSET":
        call.fail("has two strides, or a border of its own", _REMEDY)
    top, left, bottom, right = read_pads(call, (size[1], size[2]), (kernel[0], kernel[1]), (1, 1), (1, 1))
    more = call.ints("output_padding", (0, 0))
    vertical = _reach(call, size[1], kernel[0], down, top, bottom, more[0])
    horizontal = _reach(call, size[2], kernel[1], down, left, right, more[1])
    source = [
        _taps(k, down, p, reach)
        for k, p, reach in zip(kernel, (top, left), (vertical, horizontal), strict=True)
    ]
    border = (-vertical.start, -horizontal.start, vertical.stop - 1, horizontal.stop - 1)
    weights = _of_a_convolution(call, const, source)
    made = _to_space(call, convolved(call, value, weights, border), down, interleaved=False)
    return biased(call, made, call.optional(2))


def _to_space(call: Call, value: Value, block: int, interleaved: bool) -> Value:
    if value.axes != IMAGE:
        call.fail("reads a tensor whose channels are not the second axis", "use the NCHW layout")
    if any(value.pads):
        call.fail("reads a padded border", "pad behind it")
    if block == 1:
        return value
    channels = call.builder.types[value.core].channels
    order = from_interleaved(channels, block) if interleaved else np.arange(channels)
    first = order[: channels // block**2]  # the channels of the first part
    same = np.empty_like(order)  # the channel of the first part that each is a part of
    same[order] = np.tile(first, block**2)
    if not all((along == along[same]).all() for along in _along(value.chain)):
        value = _alike(call, value, same)
    core = call.builder.add(DepthToSpace, "to_space", (value.core,), block=block, interleaved=interleaved)
    if not value.shared:
        call.builder.alone.add(core)
    return replace(value, core=core, chain=value.chain.of_channels(first), shared=False)


def _along(chain: Chain) -> list[NDArray[Any]]:
    """All that a chain has a channel."""
    links = [link.constant for link in chain.links if link.constant.ndim]
    return links if chain.start is None else [*links, chain.start.row, chain.start.sign]


def _alike(call: Call, value: Value, same: NDArray[np.int64]) -> Value:
    """The same tensor with the chain of the first part for all parts; integers make up for what differs.

    Refused where no integers can.
    """
    affine = as_affine(value.chain)
    if affine is not None and affine.scale.all():
        scale, offset = (np.broadcast_to(v, same.shape) for v in (affine.scale, affine.offset))
        mul, add = scale / scale[same], (offset - offset[same]) / scale[same]
        if (np.abs(mul) == 1).all() and (add == np.rint(add)).all() and np.abs(add).max() < 2**31:
            core = call.builder.add(
                ChannelAffine, "affine", (value.core,), mul=mul.astype(np.int64), add=add.astype(np.int64)
            )
            if not value.shared:
                call.builder.alone.add(core)
            return replace(value, core=core, chain=value.chain.of_channels(same), shared=False)
    return call.fail(
        "moves pixels that are scaled, or shifted, by the channel they come from",
        "put the quantizer in front of it, or the bias and normalisation behind it",
    )


def _reach(call: Call, size: int, kernel: int, stride: int, before: int, after: int, more: int) -> range:
    """Which neighbours d of an input pixel take part in its block of output pixels, along an axis."""
    out = stride * (size - 1) + kernel - before - after + more
    if out != stride * size or not 0 <= more < stride:
        call.fail(f"makes {out} pixels of {size} with a stride of {stride}", _REMEDY)
    first = -((kernel - 1 - before) // stride)  # r = 0 reads its last tap there
    last = (stride - 1 + before) // stride
    return range(first, last + 1)


def _taps(kernel: int, stride: int, before: int, reach: range) -> NDArray[np.int64]:
    """The kernel's tap (places in a block, neighbours) of each product; -1 where there is none."""
    taps = np.arange(stride)[:, None] + before - stride * np.asarray(reach)[None, :]
    return np.where((taps >= 0) & (taps < kernel), taps, -1)


def _of_a_convolution(call: Call, const: Const, taps: list[NDArray[np.int64]]) -> Const:
    """Weights (I, O, KH, KW) as filters (places, places, O) of a convolution, (y, x, channel) in one axis."""
    rows, columns = taps

    def arranged(values: NDArray[np.generic]) -> NDArray[np.generic]:
        with_none = np.pad(values, ((0, 0), (0, 0), (0, 1), (0, 1)))  # -1 is the last
        chosen = with_none[:, :, rows[:, :, None, None], columns[None, None, :, :]]  # I O ry dy rx dx
        filters = chosen.transpose(2, 4, 1, 0, 3, 5)  # ry rx O I dy dx
        return filters.reshape(-1, const.shape[0], rows.shape[1], columns.shape[1])

    # zeros are no values of a one-bit type
    dtype = const.dtype if (rows >= 0).all() and (columns >= 0).all() else None
    if const.ints is None or const.scale is None:
        # one grid a channel: by places that the kernel does not reach none could be told
        ints, steps, _ = integer_weights(call, Const(const.value.swapaxes(0, 1), dtype=const.dtype))
        const = Const(None, ints.swapaxes(0, 1), steps.reshape(1, -1, 1, 1), const.dtype)
    assert const.ints is not None
    assert const.scale is not None
    scale = np.broadcast_to(const.scale, const.shape)
    if (scale != scale[:1, :, :1, :1]).any():
        call.fail("has a scale that differs along the inputs of a filter", "use one scale an output channel")
    a_filter = np.tile(scale[0, :, 0, 0], len(rows) * len(columns)).reshape(-1, 1, 1, 1)
    return Const(None, arranged(const.ints), a_filter, dtype)
