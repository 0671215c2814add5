"""Resize and Upsample to the nearest pixel, by whole factors: pixels are repeated, with their chains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import ceil, floor

from etb_hw.integer import Upsample
from etb_hw.qonnx_io.call import Call
from etb_hw.qonnx_io.value import NO_AXIS, Tensor, Value

_SHIFTED = ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric")
_REMEDY = "repeat pixels by whole factors: nn.Upsample(scale_factor=2), of mode 'nearest'"
MOST = 64  # times a pixel, along an axis


def resize(call: Call) -> Tensor:
    """Every pixel as many times as the factors say, along the image's axes only."""
    value = call.value(0)
    if any(value.pads):
        call.fail("reads a padded border", "pad behind it")
    if call.attr("mode", "nearest") != "nearest":
        call.fail(f"interpolates (mode {call.attr('mode')!r}), which makes values between pixels", _REMEDY)
    factors = _factors(call, value)
    by_axis = {axis: factor for axis, factor in zip(value.axes, factors[1:], strict=True) if factor != 1}
    if factors[0] != 1 or not set(by_axis) <= {1, 2}:
        call.fail("resizes an axis that is not one of an image's", _REMEDY)
    for axis, factor in by_axis.items():
        _check_nearest(call, call.builder.types[value.core].shape[axis], factor)
    if not by_axis:
        return value
    pair = (by_axis.get(1, 1), by_axis.get(2, 1))
    core = call.builder.add(Upsample, "upsample", (value.core,), factors=pair)
    if not value.shared:
        call.builder.alone.add(core)
    return replace(value, core=core, shared=False)


def _factors(call: Call, value: Value) -> tuple[int, ...]:
    """Of every axis of the ONNX tensor, with the batch."""
    shape = call.builder.types[value.core].shape
    sizes = (1, *(1 if axis == NO_AXIS else shape[axis] for axis in value.axes))
    scaled, wanted = _given(call)
    axes = call.ints("axes", tuple(range(len(sizes))))
    given = scaled if scaled is not None else wanted
    if given is None or len(given) != len(axes) or any(not -len(sizes) <= axis < len(sizes) for axis in axes):
        call.fail("does not say the factor of each axis", "export the network with constant sizes")
    factors = [1] * len(sizes)
    for axis, number in zip(axes, given, strict=True):
        factor = number if scaled is not None else number / sizes[axis]
        if not 1 <= factor <= MOST or factor != round(factor):
            call.fail(f"resizes by a factor of {factor:g}", _REMEDY)
        factors[axis] = round(factor)
    return tuple(factors)


def _given(call: Call) -> tuple[Sequence[float] | None, Sequence[float] | None]:
    """Scales, or sizes: an input or, in old operator sets, an attribute."""
    if call.node.op_type == "Upsample" and call.input(1) is None:
        scales = call.attr("scales")
        return (scales if isinstance(scales, list) else None), None
    if _is_old(call):
        return _list(call, 1), None
    return _list(call, 2), _list(call, 3)


def _is_old(call: Call) -> bool:
    """Whether the node has nothing but scales, and takes pixel i from i / factor, rounded down."""
    return call.node.op_type == "Upsample" or call.opset < 11


def _list(call: Call, index: int) -> Sequence[float] | None:
    """The numbers of an input; None where it is left out, or empty."""
    const = call.optional(index)
    found: list[float] = [] if const is None else const.value.reshape(-1).tolist()
    return found or None


def _check_nearest(call: Call, size: int, factor: int) -> None:
    """Whether pixel i comes from pixel i // factor, by the node's own rules."""
    if _is_old(call):
        return
    how = call.attr("coordinate_transformation_mode", "half_pixel")
    rounding = call.attr("nearest_mode", "round_prefer_floor")
    for i in range(size * factor):
        if how in _SHIFTED:
            at = Fraction(2 * i + 1, 2 * factor) - Fraction(1, 2)
        elif how == "asymmetric":
            at = Fraction(i, factor)
        elif how == "align_corners":
            at = Fraction(i * (size - 1), max(1, size * factor - 1))
        else:
            call.fail(f"crops (coordinate_transformation_mode {how!r})", _REMEDY)
        nearest = {
            "floor": floor(at),
            "ceil": ceil(at),
            "round_prefer_floor": ceil(at - Fraction(1, 2)),
            "round_prefer_ceil": floor(at + Fraction(1, 2)),
        }.get(rounding)
        if nearest is None or min(max(nearest, 0), size - 1) != i // factor:
            call.fail(f"shifts pixels ({how}, {rounding})", _REMEDY)
