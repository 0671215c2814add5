"""Thresholds by evaluation: bisection on the very float32 arithmetic that the reference runs.

Every step of a chain is one IEEE operation with a constant and hence monotone, rounding included, and so
is the quantizer behind it. The smallest integer that reaches a level therefore *is* the threshold: no
algebra, no tolerance. (Streamlining by evaluation instead of by reordering; compare FINN, FPGA 2017.)
Behind sums that the reference rounds with each addition (scales that are no powers of two) there is no such
arithmetic to follow: its order decides. Those are evaluated in float64, which judges the reference, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from etb_hw.errors import BadInput
from etb_hw.integer import Chain, DataType, Threshold
from etb_hw.qonnx_io.affine import direction, then
from etb_hw.qonnx_io.call import Call
from etb_hw.qonnx_io.value import Value

MOST_THRESHOLDS = 255  # of a channel
AT_ONCE = 256  # values a channel that are evaluated together: most quantizers change the first of them

Floats = NDArray[np.floating]
Quantizer = Callable[[Floats], Floats]
"""From the chain's result to a level, as floats with channels on axis 0 and rising with its argument."""


def find_thresholds(
    evaluate: Callable[[NDArray[np.int64]], Floats],
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    levels: NDArray[np.int64],
) -> NDArray[np.int64]:
    """For each channel c and level l the smallest x in [low[c], high[c]] with evaluate(x)[c] >= l.

    Args:
        evaluate: rising per row; takes and gives arrays (C, T).
        low, high: reachable range, (C,).
        levels: (T,).

    Returns:
        (C, T); ``high + 1`` where no x reaches the level.
    """
    below = np.broadcast_to(low[:, None], (low.size, levels.size)).copy()
    above = np.broadcast_to(high[:, None] + 1, below.shape).copy()
    while (open_ := below < above).any():
        middle = np.where(open_, (below + above) // 2, low[:, None])
        reached = evaluate(middle) >= levels
        above = np.where(open_ & reached, middle, above)
        below = np.where(open_ & ~reached, middle + 1, below)
    return above


def quantize(call: Call, value: Value, quantizer: Quantizer, dtype: DataType, top: int) -> Value:
    """The integer tensor of ``quantizer`` behind ``value``'s chain, as a Threshold of ``dtype``.

    Args:
        quantizer: gives levels of ``dtype``, up to ``top``.
    """
    builder = call.builder

    def evaluate(x: NDArray[np.int64]) -> Floats:
        run = value.chain.in_float64 if value.chain.rounded else value.chain.apply
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            y = quantizer(run(x, axis=0))
        if np.isnan(y).any():
            raise BadInput(call.label, "its input overflows to NaN", "check the normalisation in front of it")
        return y

    x = builder.types[value.core]
    low, high = np.asarray(x.low, dtype=np.int64), np.asarray(x.high, dtype=np.int64)
    falling = direction(value.chain) < 0
    if any(value.pads):  # the border goes through the quantizer too
        low, high = np.minimum(low, value.pad_value), np.maximum(high, value.pad_value)
    step = 1 if any(value.pads) else x.dtype.step
    held = int((high - low).max(initial=0)) <= top - dtype.min
    if held and _is_identity(evaluate, low, high, step, falling):
        return replace(value, chain=then(Chain(), "mul", np.where(falling, -1.0, 1.0)))
    if top - dtype.min > MOST_THRESHOLDS * dtype.step:
        call.fail(f"{top - dtype.min} thresholds a channel are too many", "use at most 8 bits here")
    value = rising(call, value)
    x = builder.types[value.core]
    low, high = np.asarray(x.low, dtype=np.int64), np.asarray(x.high, dtype=np.int64)
    levels = np.arange(dtype.min + dtype.step, top + 1, dtype.step)
    thresholds = find_thresholds(evaluate, low, high, levels)
    pad_value = _through(call, value, thresholds, dtype) if any(value.pads) else 0
    core = builder.add(Threshold, "threshold", (value.core,), thresholds=thresholds, dtype=dtype)
    return replace(value, core=core, chain=Chain(), pad_value=pad_value, shared=False)


def rising(call: Call, value: Value) -> Value:
    """``value`` over a core that rises with it in every channel."""
    channels = call.builder.types[value.core].channels
    falling = np.broadcast_to(direction(value.chain) < 0, (channels,))
    if not falling.any():
        return value
    if any(value.pads):
        call.fail("a falling function stands behind a Pad", "move the Pad behind the quantizer")
    return call.builder.negate(value, falling)


def _is_identity(
    evaluate: Callable[[NDArray[np.int64]], Floats],
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    step: int,
    falling: NDArray[np.bool_],
) -> bool:
    """Whether the integers are left as they are, up to sign (a quantizer that follows another one)."""
    span, some = int((high - low).max(initial=0)), AT_ONCE * step
    for start in range(0, span + 1, some):
        x = np.minimum(low[:, None] + np.arange(start, min(start + some, span + step), step), high[:, None])
        if (evaluate(x) != np.where(falling.reshape(-1, 1), -x, x)).any():
            return False
    return True


def _through(call: Call, value: Value, thresholds: NDArray[np.int64], dtype: DataType) -> int:
    values = dtype.min + dtype.step * (value.pad_value >= thresholds).sum(axis=1)
    if (values != values[0]).any():
        call.fail(
            "turns a padded border into different values a channel", "move the Pad behind the quantizer"
        )
    return int(values[0])
