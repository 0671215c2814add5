"""The processor's clock while a benchmark runs, measured instead of read from a specification.

Wide vectors lower the clock of many processors. So the measurement keeps their vector units as busy as the
packed kernels do, and counts the cycles of a chain of multiplications in between.
"""

from __future__ import annotations

import time
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

LATENCY = 3
"""Cycles of a 64-bit multiplication on all x86 of the last ten years and on most ARM cores."""

_CHAIN = 100
_STREAMS = 8
_WIDTH = 8
"""64-bit lanes of a vector: 512 bits, which LLVM splits where registers are narrower."""


@intrinsic
def _squarings(typing: Any, x: Any, place: Any) -> Any:
    """A chain of squarings; beside each, four independent vector operations of the six there is time for."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value, place = args
        vector = ir.VectorType(ir.IntType(64), _WIDTH)
        base = builder.bitcast(place, vector.as_pointer())
        index = [ir.Constant(ir.IntType(64), i) for i in range(_STREAMS)]
        places = [builder.gep(base, [i]) for i in index]
        streams = [builder.load(p, align=8) for p in places]
        mask = streams[0]
        for i in range(_CHAIN):
            value = builder.mul(value, value)
            for j in (2 * i % _STREAMS, (2 * i + 1) % _STREAMS):
                streams[j] = builder.add(streams[j], builder.xor(streams[j], mask))
        for p, stream in zip(places, streams, strict=True):
            builder.store(stream, p, align=8)
        return value

    return types.int64(types.int64, types.voidptr), generate


@intrinsic
def _pointer(typing: Any, address: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(types.voidptr))

    return types.voidptr(types.intp), generate


@numba.njit
def _loop(count: int, x: int, scratch: int) -> int:
    for _ in range(count):
        x = _squarings(x, _pointer(scratch))  # each one waits for the one before
    return x


def clock_hz(repeats: int = 5) -> float:
    """The highest of a few short measurements in processor time, so that interruptions do not count."""
    scratch = np.arange(_WIDTH * _STREAMS, dtype=np.uint64)
    _loop(1, 3, scratch.ctypes.data)
    best = 0.0
    for _ in range(repeats):
        start = time.thread_time()
        _loop(5000, 3, scratch.ctypes.data)
        best = max(best, LATENCY * _CHAIN * 5000 / (time.thread_time() - start))
    return best
