"""BipolarQuant, Quant / IntQuant, Sign and MultiThreshold, exactly as qonnx 1.0 executes them.

On constants they give integer weights; on activations they give thresholds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from etb_hw.errors import BadInput
from etb_hw.integer import BIPOLAR, DataType
from etb_hw.qonnx_io.affine import then
from etb_hw.qonnx_io.call import Call
from etb_hw.qonnx_io.thresholds import Floats, quantize
from etb_hw.qonnx_io.value import Const, Tensor

_ROUND: dict[str, Callable[[Floats], Floats]] = {
    "ROUND": np.round,
    "HALF_EVEN": np.round,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "UP": lambda x: np.sign(x) * np.ceil(np.abs(x)),
    "DOWN": np.fix,
    "HALF_UP": lambda x: np.sign(x) * np.floor(np.abs(x) + np.float32(0.5)),
    "HALF_DOWN": lambda x: np.sign(x) * np.ceil(np.abs(x) - np.float32(0.5)),
}
_NO_SCALE = "check the training run, then export again"


def bipolar_quant(call: Call) -> Tensor:
    """``scale * (+1 where x >= 0 else -1)``."""
    source = call.inputs[0]
    if isinstance(source, Const):
        ints = np.where(source.value.astype(np.float32, copy=False) >= 0, np.int8(1), np.int8(-1))
        scale = call.const(1).value.astype(np.float32)
        if not scale.all():
            call.fail("a quantizer's scale must not be zero", _NO_SCALE)
        return Const(None, ints * np.where(scale < 0, np.int8(-1), np.int8(1)), np.abs(scale), BIPOLAR)
    scale = scale_of(call)
    value = call.value(0)
    result = quantize(call, value, _signs, BIPOLAR, 1)
    return result.with_chain(then(result.chain, "mul", call.per_channel(value, scale)))


def sign(call: Call) -> Tensor:
    """-1, 0 or +1; a bipolar tensor where zero is out of reach."""
    source = call.inputs[0]
    if isinstance(source, Const):
        return Const(np.sign(source.value))
    value = call.value(0)
    ternary = DataType.parse("TERNARY")
    result = quantize(call, value, np.sign, ternary, 1)
    node = call.builder.nodes[result.core]
    thresholds = getattr(node, "thresholds", None)
    if result.core == value.core or thresholds is None or (thresholds[:, 0] != thresholds[:, 1]).any():
        return result
    changed = replace(node, thresholds=thresholds[:, :1], dtype=BIPOLAR)  # type: ignore[call-arg]
    return replace(result, core=call.builder.put(changed))


def quant(call: Call) -> Tensor:
    """Uniform integer quantizer; one signed bit means bipolar, as qonnx and Brevitas have it."""
    scale = scale_of(call)
    zero = call.const(2).value.astype(np.float32) if len(call.inputs) > 2 else np.zeros((), np.float32)
    width = call.scalar(3)
    signed, narrow = bool(call.attr("signed", 1)), bool(call.attr("narrow", 0))
    rounding = str(call.attr("rounding_mode", "ROUND")).upper()
    if rounding not in _ROUND:
        call.fail(f"rounding mode {rounding!r} is unknown", f"use one of {', '.join(_ROUND)}")
    if width != int(width) or not 1 <= width <= 32:
        call.fail(f"bit width {width:g} is no whole number of bits", "use 1 to 8 bits")
    if (zero != np.rint(zero)).any() or (zero != zero.flat[0]).any():
        call.fail("the zero point is no single integer", "use zero point 0, or one integer a tensor")
    bits = int(width)
    dtype, low, high = _range(bits, signed, narrow)
    source = call.inputs[0]
    round_ = _signs if dtype == BIPOLAR else _clipped(_ROUND[rounding], low, high)
    offset = int(zero.flat[0])
    if isinstance(source, Const):
        levels = round_(source.value.astype(np.float32) / scale + zero)
        ints = levels.astype(np.int64) - offset
        return Const(None, ints, scale, dtype if offset == 0 else None)
    value = call.value(0)
    factor = call.per_channel(value, scale)
    chain = value.chain.then("div", factor) if (factor != 1).any() else value.chain
    result = quantize(call, value.with_chain(then(chain, "add", float(offset))), round_, dtype, high)
    return result.with_chain(then(then(result.chain, "sub", float(offset)), "mul", factor))


def trunc(call: Call) -> Tensor:
    """Drops low bits, as behind Brevitas' truncating average pools; both versions of the op."""
    value = call.value(0)
    scale, zero, bits = scale_of(call), call.scalar(2), call.scalar(3)
    if scale.size != 1 or zero != 0 or not 0 < bits <= 64:
        call.fail("has a zero point or several scales", "truncate with one scale and zero point 0")
    rounding = str(call.attr("rounding_mode", "FLOOR")).upper()
    if rounding not in _ROUND:
        call.fail(f"rounding mode {rounding!r} is unknown", f"use one of {', '.join(_ROUND)}")
    second = len(call.inputs) > 5
    if second:
        unit = np.asarray(call.scalar(4), dtype=np.float32)
        divisor = np.float32(2) ** np.round(np.log2(unit / scale.reshape(())))
        width = call.scalar(5)
        signed, narrow = bool(call.attr("signed", 1)), bool(call.attr("narrow", 0))
        if not 1 <= width <= 8:
            call.fail(f"truncates to {width:g} bits", "use 1 to 8 bits")
        low, high = _range(int(width), signed, narrow)[1:]
    else:
        unit = scale.reshape(())
        divisor = np.float32(2.0 ** (bits - call.scalar(4)))
        low, high = -(2**31), 2**31

    def level(x: Floats) -> Floats:
        y = np.round(x) / divisor
        return _clipped(_ROUND[rounding], low, high)(y) if second else _ROUND[rounding](y)

    chain = then(value.chain, "div", scale.reshape(()))
    x = call.builder.types[value.core]
    ends = np.stack([np.asarray(x.low), np.asarray(x.high)], axis=1)
    reached = level(chain.apply(ends, axis=0))
    if not np.isfinite(reached).all() or np.abs(reached).max() > 2**16:
        call.fail("truncates too large a range", "truncate to at most 8 bits")
    dtype = DataType.smallest(min(0, int(reached.min())), int(reached.max()))
    result = quantize(call, value.with_chain(chain), level, dtype, max(int(reached.max()), dtype.min))
    return result.with_chain(then(result.chain, "mul", unit))


def multi_threshold(call: Call) -> Tensor:
    """``out_scale * #{thresholds <= x} + out_bias``."""
    value = call.value(0)
    table = np.sort(call.const(1).value.astype(np.float32), axis=-1)
    channels = call.builder.types[value.core].channels
    if table.ndim != 2 or table.shape[0] not in (1, channels):
        call.fail(
            f"thresholds of shape {table.shape} meet {channels} channels",
            "give one row a channel, or one row",
        )
    layout = str(call.attr("data_layout", ""))
    channel_axis = layout.index("C") if "C" in layout else 1
    if len(value.axes) > 1 and value.axes.index(0) + 1 != channel_axis:
        call.fail(
            f"data_layout {layout!r} puts channels elsewhere than the graph does", "correct data_layout"
        )
    if value.order is not None and table.shape[0] > 1:
        natural = np.empty_like(table)
        natural[value.order] = table
        table = natural
    scale, bias = call.real("out_scale", 1.0), call.real("out_bias", 0.0)
    if scale <= 0:
        call.fail(f"out_scale {scale:g} is not positive", "negate the weights that follow instead")
    dtype, step = _output_type(call, table.shape[1], scale, bias)

    def count(x: Floats) -> Floats:
        rows = np.broadcast_to(table, (channels, table.shape[1]))
        found = np.stack([np.searchsorted(r, row, side="right") for r, row in zip(rows, x, strict=True)])
        return (dtype.min + dtype.step * found).astype(np.float32)

    result = quantize(call, value, count, dtype, dtype.min + dtype.step * table.shape[1])
    rest = then(then(result.chain, "mul", step), "add", bias - step * dtype.min)
    return result.with_chain(rest)


def _output_type(call: Call, count: int, scale: float, bias: float) -> tuple[DataType, float]:
    """A type whose first value is ``bias`` in steps of ``scale``, and the value of its unit."""
    if count == 1 and bias == -scale / 2:
        return BIPOLAR, scale / 2
    lowest = bias / scale
    named = str(call.attr("out_dtype", ""))
    if lowest == int(lowest):
        try:
            dtype = DataType.parse(named)
        except BadInput:
            dtype = DataType.smallest(min(0, int(lowest)), int(lowest) + count)
        if dtype.step == 1 and dtype.min == int(lowest) and count < dtype.levels:
            return dtype, scale
    return DataType.unsigned(max(1, count.bit_length())), scale


def scale_of(call: Call) -> NDArray[np.float32]:
    scale = call.const(1).value.astype(np.float32)
    if scale.size == 0 or (scale <= 0).any():
        call.fail("a quantizer's scale must be positive", _NO_SCALE)
    return scale


def _signs(x: Floats) -> Floats:
    return np.where(np.isnan(x), x, np.where(x >= 0, np.float32(1), np.float32(-1)))


def _clipped(round_: Callable[[Floats], Floats], low: int, high: int) -> Callable[[Floats], Floats]:
    # qonnx clips first and rounds then
    return lambda x: round_(np.clip(x, np.float32(low), np.float32(high)))


def _range(bits: int, signed: bool, narrow: bool) -> tuple[DataType, int, int]:
    if signed and bits == 1:
        return BIPOLAR, -1, 1
    dtype = DataType.integer(bits) if signed else DataType.unsigned(bits)
    return (dtype, dtype.min + narrow, dtype.max) if signed else (dtype, dtype.min, dtype.max - narrow)
