"""What memories take in LUTs and block RAMs, as Yosys maps them to Xilinx 7-series and UltraScale+."""

from __future__ import annotations

from math import ceil, log2

# words and bits of a RAMB18
_SHAPES = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))


def lutram(width: int, depth: int) -> int:
    """LUTs of a RAM with one write and one read port: RAM32M (6 bits a 4 LUTs) or RAM64M (3 bits)."""
    if depth <= 0 or width <= 0:
        return 0
    return 4 * min(ceil(width / 6) * ceil(depth / 32), ceil(width / 3) * ceil(depth / 64))


def banks(depth: int) -> int:
    """LUTRAMs behind each other, whose outputs meet in a multiplexer."""
    return ceil(depth / 64) if depth > 32 else 1


def rom_functions(width: int, depth: int) -> float:
    """Different functions among ``width`` random bits of a memory of at most 64 words, one LUT each.

    A bit of ``depth`` words is one of ``2**depth`` functions of the address; equal ones are shared, and
    those that are constant or the address itself need no LUT.
    """
    if depth <= 1:
        return 0.0
    if depth > 20:
        return float(width)
    kinds = 2.0**depth
    free = 2 + 2 * ceil(log2(depth))
    return max(0.0, kinds - free) * (1 - (1 - 1 / kinds) ** width)


def rom_luts(width: int, depth: int) -> float:
    """LUTs of a read-only memory of random bits: 64 words a LUT, and multiplexers behind them."""
    if depth <= 64:
        return rom_functions(width, depth)
    leaves, rest = divmod(depth, 64)
    if rest == 0:
        return float(width * (leaves + ceil((leaves - 1) / 3)))
    # a short last leaf fits the multiplexer
    return float(width * (leaves + (rest > 16) + ceil(leaves / 3)))


def block_rams(width: int, depth: int) -> int:
    """RAMB18s of a memory: the best of the shapes, which Yosys undercuts where it splits deep words."""
    best = min(ceil(width / bits) * ceil(depth / words) for words, bits in _SHAPES)
    dense = ceil(width * depth / 18000)
    return min(best, dense) if depth > 1024 else best


def bits_of(count: int) -> int:
    """Bits of a counter of ``count`` states."""
    return max(0, (count - 1).bit_length())
