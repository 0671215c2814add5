"""The processor's clock while a benchmark runs, measured instead of read from a specification."""

from __future__ import annotations

import time
from typing import Any

import numba
from numba.core import types
from numba.extending import intrinsic

LATENCY = 3
"""Cycles of a 64-bit multiplication on all x86 of the last ten years and on most ARM cores."""

_CHAIN = 100


@intrinsic
def _squarings(typing: Any, x: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value = args[0]
        for _ in range(_CHAIN):
            value = builder.mul(value, value)
        return value

    return types.int64(types.int64), generate


@numba.njit
def _loop(count: int, x: int) -> int:
    for _ in range(count):
        x = _squarings(x)  # each one waits for the one before
    return x


def clock_hz(repeats: int = 5) -> float:
    """The highest of a few short measurements, so that a neighbour's interruption does not count."""
    _loop(1, 3)
    best = 0.0
    for _ in range(repeats):
        start = time.perf_counter()
        _loop(5000, 3)
        best = max(best, LATENCY * _CHAIN * 5000 / (time.perf_counter() - start))
    return best
