"""Sums of two tensors whose scales have no common unit: shortcuts as Bi-Real networks have them.

For quantizers behind a sum ``a x + b y`` only the order of its values counts. Over the integers that x and y
reach there are small whole numbers m and n such that ``m x + n y`` has the very same order, equal values
included: ``a / b`` lies between two neighbours of the Farey sequence that the ranges span, and every other
ratio between them will do; the simplest is their mediant. So hardware adds integers, and a table of the
float32 sums stands in front of what follows, whose thresholds are read off by evaluation as everywhere.
"""

from __future__ import annotations

from dataclasses import replace
from math import gcd, lcm

import numpy as np
from numpy.typing import NDArray

from etb_hw.integer import Add, Chain, ChannelAffine
from etb_hw.integer.chain import Table
from etb_hw.integer.nodes import TensorType
from etb_hw.qonnx_io.affine import Affine
from etb_hw.qonnx_io.call import Call
from etb_hw.qonnx_io.value import Value

MOST_PAIRS = 1 << 16  # of values of one channel
MOST_ENTRIES = 1 << 23  # of all tables of a sum
CLOSE = 1e-6  # ratios nearer than float32 tells apart are meant to be equal


def ordered_sum(call: Call, a: Value, b: Value, left: Affine, right: Affine) -> Value:
    """``a + b`` as an integer sum of the same order, behind a table of its values.

    Raises UnsupportedNode where a scale is zero or the tensors have too many values.
    """
    types = [call.builder.types[value.core] for value in (a, b)]
    channels = types[0].channels
    scales = [np.broadcast_to(affine.scale, (channels,)) for affine in (left, right)]
    spans = [_span(kind) for kind in types]
    pairs = (spans[0] + 1) * (spans[1] + 1)
    if not (scales[0].all() and scales[1].all()):
        call.fail("adds a tensor that is constant", "remove the branch (its scale is zero)")
    if pairs.max() > MOST_PAIRS or pairs.sum() > MOST_ENTRIES:
        call.fail(
            f"adds two tensors of different scales with {int(pairs.max()):,} pairs of values",
            "put a quantizer of 8 bits or less on each branch (in Brevitas a QuantIdentity), or share one "
            "scale between them",
        )
    factors = np.array([_factors(types, spans, scales, c) for c in range(channels)], dtype=np.int64).T
    scaled = [_scaled(call, value, factor) for value, factor in zip((a, b), factors, strict=True)]
    core = call.builder.add(Add, "add", (scaled[0], scaled[1]))
    table = _table(a.chain, b.chain, types, factors)
    return replace(a, core=core, chain=Chain((), table), shared=False)


def _span(kind: TensorType) -> NDArray[np.int64]:
    """Steps between the lowest and the highest value, a channel."""
    return (np.asarray(kind.high, dtype=np.int64) - np.asarray(kind.low, dtype=np.int64)) // kind.dtype.step


def _factors(
    types: list[TensorType], spans: list[NDArray[np.int64]], scales: list[NDArray[np.float64]], c: int
) -> tuple[int, int]:
    """m and n of one channel."""
    steps = [kind.dtype.step for kind in types]
    real = [abs(float(scale[c])) * step for scale, step in zip(scales, steps, strict=True)]
    # m i + n j has the order of real[0] i + real[1] j, with i and j counted in steps
    n, m = same_order(real[1] / real[0], int(spans[0][c]), int(spans[1][c]))
    unit = lcm(*steps)
    whole = [m * unit // steps[0], n * unit // steps[1]]
    common = gcd(*whole)
    signs = [1 if scale[c] > 0 else -1 for scale in scales]
    return signs[0] * whole[0] // common, signs[1] * whole[1] // common


def same_order(ratio: float, width: int, height: int) -> tuple[int, int]:
    """The simplest p / q that compares with every i / j, i <= width and j <= height, as ``ratio`` does.

    A walk down the Stern-Brocot tree: it ends at the ratio itself, or where no fraction of those is left
    between the neighbours.
    """
    low, high = (0, 1), (1, 0)
    while True:
        p, q = low[0] + high[0], low[1] + high[1]
        if p > width or q > height or abs(p / q - ratio) <= CLOSE * ratio:
            return p, q
        if p / q < ratio:
            low = (p, q)
        else:
            high = (p, q)


def _scaled(call: Call, value: Value, factor: NDArray[np.int64]) -> str:
    if (factor == 1).all():
        return value.core
    return call.builder.add(
        ChannelAffine, "affine", (value.core,), mul=factor, add=np.zeros(factor.size, dtype=np.int64)
    )


def _table(left: Chain, right: Chain, types: list[TensorType], factors: NDArray[np.int64]) -> Table:
    """Every reachable sum of a channel and its float32 value, as a float32 executor adds it up."""
    values = []
    for kind in types:
        low, high = (np.asarray(bound, dtype=np.int64) for bound in (kind.low, kind.high))
        width = int((high - low).max()) // kind.dtype.step + 1
        values.append(np.minimum(low[:, None] + kind.dtype.step * np.arange(width), high[:, None]))
    floats = [chain.apply(x, axis=0) for chain, x in zip((left, right), values, strict=True)]
    rows = []
    for c in range(types[0].channels):
        keys = (factors[0, c] * values[0][c][:, None] + factors[1, c] * values[1][c]).reshape(-1)
        sums = (floats[0][c][:, None] + floats[1][c]).astype(np.float32).reshape(-1)
        unique, first = np.unique(keys, return_index=True)
        # rounding may part neighbours the wrong way by their last bit: the function rises all the same
        rows.append((unique, np.maximum.accumulate(sums[first])))
    channels = np.arange(types[0].channels)
    return Table(tuple(rows), channels, np.ones_like(channels))
