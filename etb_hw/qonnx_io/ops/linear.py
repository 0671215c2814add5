"""Conv, MatMul and Gemm: integer products over integer cores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from etb_hw.integer import BIPOLAR, Chain, Conv, DataType, Dense, TensorType
from etb_hw.integer.nodes import Input, Pads
from etb_hw.qonnx_io.affine import Affine, as_affine, then
from etb_hw.qonnx_io.call import Call
from etb_hw.qonnx_io.finer import in_finer_units
from etb_hw.qonnx_io.value import IMAGE, SIGNAL, Const, Tensor, Value
from etb_hw.qonnx_io.weights import integer_weights
from etb_hw.qonnx_io.windows import image_size, pair
from etb_hw.qonnx_io.windows import pads as read_pads


def conv(call: Call) -> Tensor:
    """Convolution over images, weights (O, I/groups, KH, KW), or over signals (O, I/groups, K)."""
    value, const = call.value(0), call.const(1)
    if const.ndim not in (3, 4) or len(value.axes) != const.ndim - 1:
        call.fail(
            f"weights of shape {const.shape} meet a tensor of {len(value.axes) + 1} axes",
            "use Conv2d over images (N, C, H, W), or Conv1d over signals (N, C, T)",
        )
    if value.axes != (IMAGE if const.ndim == 4 else SIGNAL):
        call.fail("reads a tensor whose channels are not the second axis", "use the NCHW layout")
    stride, dilation = pair(call, "strides"), pair(call, "dilations")
    across = (1, *const.shape[2:]) if const.ndim == 3 else const.shape[2:]
    kernel = pair(call, "kernel_shape", (across[0], across[1]))
    if kernel != across:
        call.fail(f"kernel_shape {kernel} is not that of the weights {const.shape}", "export again")
    own = read_pads(call, image_size(call, value), kernel, stride, dilation)
    groups = int(call.attr("group", 1))
    channels = call.builder.types[value.core].channels
    if groups < 1 or const.shape[0] % groups or const.shape[1] * groups != channels:
        call.fail(
            f"has weights {const.shape} in {groups} groups, for {channels} channels",
            "check the group count, and the shapes of the model or of its input",
        )
    made = convolved(call, value, const, own, stride, dilation, groups)
    return biased(call, made, call.optional(2))


def convolved(
    call: Call,
    value: Value,
    const: Const,
    own: Pads,
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
) -> Value:
    """The sums of a convolution whose border, beside that of ``value``, is ``own``."""
    affine = _input_affine(call, value)
    weights, scale, dtype = integer_weights(call, const)
    if const.ndim == 3:
        weights = weights[:, :, None]
    finer = _in_finer_units(call, value, affine, own, groups)
    if finer is not None:
        (value, affine), border, pad_value = finer, own, 0
    else:
        border, pad_value = _border(call, value, affine, own)
    weights, dtype = _absorbed(call, affine, weights, dtype, groups)
    core = call.builder.add(
        Conv, "conv", (value.core,), weights=weights, weight_dtype=dtype, stride=stride,
        pads=border, dilation=dilation, groups=groups, pad_value=pad_value,
    )  # fmt: skip
    return Value(core, _output_chain(call, core, affine, weights, scale, groups), axes=value.axes)


def matmul(call: Call) -> Tensor:
    """(N, I) x (I, O), or a product over the last axis of an NHWC tensor, which is a 1x1 convolution."""
    value, const = call.value(0), call.const(1)
    return _dense(call, value, _transposed(call, const))


def gemm(call: Call) -> Tensor:
    """alpha * x @ W + beta * bias."""
    value, const = call.value(0), call.const(1)
    if call.attr("transA", 0):
        call.fail("transposes its first input", "put images in rows (transA=0)")
    if not call.attr("transB", 0):
        const = _transposed(call, const)
    alpha = call.real("alpha", 1.0)
    result = _dense(call, value, const)
    result = result.with_chain(then(result.chain, "mul", alpha))
    return biased(call, result, call.optional(2), call.real("beta", 1.0))


def _dense(call: Call, value: Value, const: Const) -> Value:
    if const.ndim != 2:
        call.fail(f"weights have shape {const.shape}", "weights must be a matrix")
    weights, scale, dtype = integer_weights(call, const)
    if any(value.pads):
        call.fail("reads a padded tensor", "remove the Pad")
    affine = _input_affine(call, value)
    value, affine = _in_finer_units(call, value, affine) or (value, affine)
    if value.axes[-1] == 0 and len(value.axes) > 1:
        weights, dtype = _absorbed(call, affine, weights, dtype, 1)
        core = call.builder.add(
            Conv, "conv", (value.core,), weights=weights[:, :, None, None], weight_dtype=dtype
        )
        return Value(core, _output_chain(call, core, affine, weights, scale, 1), axes=value.axes)
    if len(value.axes) != 1:
        call.fail("multiplies a tensor that is not flat", "put a Flatten in front")
    if value.order is not None:
        if len(value.order) != weights.shape[1]:
            call.fail(f"weights {weights.shape} meet {len(value.order)} values", "check the shapes")
        natural = np.empty_like(weights)
        natural[:, value.order] = weights
        weights = natural
    if weights.shape[1] != call.builder.types[value.core].channels:
        call.fail(
            f"weights {weights.shape} meet {call.builder.types[value.core].channels} values",
            "check the shapes",
        )
    weights, dtype = _absorbed(call, affine, weights, dtype, 1)
    core = call.builder.add(Dense, "dense", (value.core,), weights=weights, weight_dtype=dtype)
    return Value(core, _output_chain(call, core, affine, weights, scale, 1))


def _transposed(call: Call, const: Const) -> Const:
    if const.ndim != 2:
        call.fail(f"weights have shape {const.shape}", "weights must be a matrix")
    if const.ints is None or const.scale is None:
        return replace(const, array=const.value.T)
    return Const(None, const.ints.T, np.broadcast_to(const.scale, const.shape).T, const.dtype)


def _input_affine(call: Call, value: Value) -> Affine:
    affine = as_affine(value.chain)
    if affine is None:
        what = "a clipped tensor" if value.chain.start is None else "a sum of different scales"
        call.fail(f"reads {what} that no quantizer follows", "put a quantizer (Quant) in front")
    x = call.builder.types[value.core]
    ends = affine.scale * [x.low, x.high] + affine.offset
    if (np.abs(ends) > np.finfo(np.float32).max).any():
        call.fail("reads values that overflow float32", "check the scales in front of it")
    zero = np.flatnonzero(affine.scale == 0)
    if zero.size == affine.scale.size:
        call.fail("reads a tensor that is constant", "remove the layer in front (its scale is zero)")
    if zero.size:
        call.fail(
            f"reads channel {zero[0]}, whose scale is zero", "leave channels out that are always the same"
        )
    return affine


def _in_finer_units(
    call: Call, value: Value, affine: Affine, own: Pads = (0, 0, 0, 0), groups: int = 1
) -> tuple[Value, Affine] | None:
    """The tensor in others, where no integer means the zero of a border, or scales have no common unit."""
    inputs = call.builder.types[value.core].channels // max(groups, 1)
    zero_is_missing = any(own) and _zero_of(affine) is None and not _pads_with_minus_one(call, value, own)
    if not zero_is_missing and _ratios(affine, inputs, groups) is not None:
        return None
    return in_finer_units(call.builder, value, affine, bordered=any(own))


def _pads_with_minus_one(call: Call, value: Value, own: Pads) -> bool:
    """Whether a convolution's own border is -1, as files say that have it so for signs."""
    signs = call.builder.types[value.core].dtype == BIPOLAR
    return any(own) and call.builder.bipolar_pads != 0 and signs


def _border(call: Call, value: Value, affine: Affine, own: Pads) -> tuple[Pads, int]:
    """As ``border_of_zeros``, but for signs in files in which a convolution pads those with -1."""
    if _pads_with_minus_one(call, value, own):
        return _sum_of_borders(call, value, own, call.builder.bipolar_pads)
    return border_of_zeros(call, value, affine, own)


def _zero_of(affine: Affine) -> int | None:
    """The integer that means zero in every channel."""
    offset = affine.integer_offset  # x + k is zero where x = -k
    return None if offset is None or (offset != offset.flat[0]).any() else -int(offset.flat[0])


def border_of_zeros(call: Call, value: Value, affine: Affine, own: Pads) -> tuple[Pads, int]:
    """All padding, of the value and by zeros around it, as one border of one integer."""
    if not any(own):
        return value.pads, value.pad_value if any(value.pads) else 0
    zero = _zero_of(affine)
    if zero is None:
        pixels = isinstance(call.builder.nodes[value.core], Input)
        call.fail(
            f"pads {'its input' if pixels else 'a tensor'} with zero, and no integer maps to zero there",
            "give all channels one mean, leave it to the BatchNormalization behind the layer, or pad in front"
            if pixels
            else "put a quantizer (Quant) in front, or padding=0",
        )
    return _sum_of_borders(call, value, own, zero)


def _sum_of_borders(call: Call, value: Value, own: Pads, zero: int) -> tuple[Pads, int]:
    if any(value.pads) and value.pad_value != zero:
        call.fail("adds a border of zeros to one of another value", "use one Pad")
    top, left, bottom, right = (a + b for a, b in zip(own, value.pads, strict=True))
    return (top, left, bottom, right), zero


def _absorbed(
    call: Call, affine: Affine, weights: NDArray[np.integer], dtype: DataType, groups: int
) -> tuple[NDArray[np.integer], DataType]:
    """Weights that take the channels' signs and whole ratios of scales, so that one scale a group is left."""
    ratio = _ratios(affine, weights.shape[1], groups)
    if ratio is None:
        call.fail(
            "reads channels of different scales",
            "put a quantizer (Quant) in front, or give the one there one scale for all channels",
        )
    if (ratio == 1).all():
        return weights, dtype
    a_group = weights.shape[0] // groups
    each = np.repeat(ratio, a_group, axis=0).reshape(weights.shape[:2] + (1,) * (weights.ndim - 2))
    scaled = weights * each
    if np.abs(scaled).max() > 127:
        call.fail(
            "reads channels whose scales differ too much for 8-bit weights", "use one scale for all channels"
        )
    low, high = int(scaled.min()), int(scaled.max())
    fits = low >= dtype.min and high <= dtype.max and (dtype.name != "BIPOLAR" or np.abs(ratio).max() == 1)
    return scaled.astype(np.int8), dtype if fits else DataType.smallest(low, high)


def _ratios(affine: Affine, inputs: int, groups: int) -> NDArray[np.int64] | None:
    """The channels' scales in whole units, the largest that divide all of them; a row a group."""
    scale = np.broadcast_to(affine.scale, (inputs * groups,)).reshape(groups, inputs)
    ratio = scale / np.abs(scale).min(axis=1, keepdims=True)
    if (ratio < 0).all():
        ratio = -ratio
    for part in range(1, 9):  # scales of 2 to 3 are twice and three times the half of the smaller
        whole: NDArray[np.int64] = np.rint(part * ratio).astype(np.int64)
        if (np.abs(part * ratio - whole) <= 1e-6 * np.abs(part * ratio)).all():
            return whole if np.abs(whole).max() <= 127 else None
    return None


def _output_chain(
    call: Call,
    core: str,
    affine: Affine,
    weights: NDArray[np.integer],
    scale: NDArray[np.float32],
    groups: int,
) -> Chain:
    """What turns the integer sums of ``core`` into float sums: sum(w * (s x + b)) = s sum(w x) + b sum(w).

    In float64 unless float32 holds each product and sum exactly, as it does multiples of a power of two.
    """
    outputs, inputs = weights.shape[:2]
    ratio = _ratios(affine, inputs, groups)
    assert ratio is not None, "checked by _absorbed"
    s, b = (np.broadcast_to(a, (inputs * groups,)).reshape(groups, -1) for a in (affine.scale, affine.offset))
    unit = np.repeat(s[:, 0] / ratio[:, 0], outputs // groups) * scale
    whole = affine.integer_offset
    exact = (np.frexp(np.abs(unit))[0] == 0.5).all() and (whole is not None or not b.any())
    real = np.float32 if exact and _reach(call.builder.types[core]) <= 2**24 else np.float64
    if not b.any():
        return then(Chain(), "mul", _squeezed(unit), real)
    sums = weights.astype(np.float64).reshape(groups, outputs // groups, inputs, -1).sum(axis=-1)
    if whole is not None:
        k = np.broadcast_to(whole, (inputs * groups,)).reshape(groups, -1)
        added = then(Chain(), "add", np.einsum("goi,gi->go", sums, k).reshape(-1), real)
        return then(added, "mul", _squeezed(unit), real)
    offset = np.einsum("goi,gi->go", sums / ratio[:, None, :], b).reshape(-1) * scale
    return then(then(Chain(), "mul", _squeezed(unit), real), "add", offset, real)


def _reach(kind: TensorType) -> int:
    return max(max(map(abs, kind.low)), max(map(abs, kind.high)))


def _squeezed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values[0].reshape(()) if (values == values[0]).all() else values


def biased(call: Call, value: Value, bias: Const | None, factor: float = 1.0) -> Value:
    """The sums with ``factor`` times a bias a channel, where there is one."""
    if bias is None:
        return value
    array = bias.value.astype(np.float32) * np.float32(factor)
    if array.ndim == 1 and len(value.axes) > 1:
        array = array.reshape(1, -1, *(1,) * (len(value.axes) - 1))
    return value.with_chain(then(value.chain, "add", call.per_channel(value, array)))
