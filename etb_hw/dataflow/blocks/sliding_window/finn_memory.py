"""Block RAMs of a window's buffer by FINN's formula (ConvolutionInputGenerator_rtl)."""

from __future__ import annotations

from math import ceil

# words a RAMB18 holds at each width, widest first
_RAMB18 = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))


def brams(width: int, depth: int) -> int:
    """RAMB18s of a buffer of ``depth`` words."""

    def columns(words: int) -> int:
        return ceil(width / next((bits for limit, bits in _RAMB18 if words <= limit), 1))

    if depth <= 16384:
        return columns(depth)
    # the last, partly filled bank of a cascade may take a wider shape
    return ceil(depth / 16384) * columns(depth) - (columns(depth) - columns(depth % 16384))
