"""What memories take in LUTs and block RAMs, as Yosys maps them."""

from __future__ import annotations

from math import ceil, log2
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.fabric.family import Fabric

# words and bits of a RAMB18; a RAMB36 is twice as wide or, at one bit, twice as deep
_SHAPES = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))

_PART = 64  # words: a LUT of the 7 series, four of ECP5's


def lut_memory(width: int, depth: int, fabric: Fabric) -> tuple[int, int]:
    """A RAM with a write and a read port: LUTs, and banks among which its output is chosen."""
    if depth <= 0 or width <= 0:
        return 0, 1
    if fabric.family == "xc7":
        if depth == 1:
            return 4 * ceil(width / 8), 1  # both ports have the same address
        if width == 1 and 64 < depth <= 128:
            return 4, 1  # RAM128X1D
    return min(
        (luts * ceil(width / bits) * ceil(depth / words), ceil(depth / words))
        for words, bits, luts in fabric.lut_rams
    )


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


def rom_columns(fields: NDArray[np.int64], bits: int) -> int:
    """Different functions of the address among the bits of a memory of ``fields`` (depth, n), ``bits`` each.

    Those that are constant or the address itself need no LUT.
    """
    depth = len(fields)
    if depth <= 1:
        return 0
    planes = ((fields[:, :, None] >> np.arange(bits)) & 1).reshape(depth, -1)
    address = (np.arange(depth)[:, None] >> np.arange(bits_of(depth))) & 1
    free = np.concatenate([address, np.zeros((depth, 1)), np.ones((depth, 1))], axis=1)
    return len(_columns(planes) - _columns(free))


def _columns(planes: NDArray[Any]) -> set[bytes]:
    packed = np.packbits(planes.astype(np.uint8), axis=0)
    size, text = len(packed), packed.T.tobytes()
    return {text[i : i + size] for i in range(0, len(text), size)}


def rom_luts(functions: float, depth: int, fabric: Fabric) -> float:
    """LUTs of a read-only memory of so many different bits a word."""
    words = 1 << fabric.lut_inputs
    return functions * max(1.0, depth / words) if depth > words else functions


def choice(ways: int) -> int:
    """LUTs of a multiplexer of so many bits."""
    return ceil((ways - 1) / 3)


def block_memory(width: int, depth: int, fabric: Fabric, *, written: bool = False) -> tuple[int, int]:
    """RAMB18s of a memory (a RAMB36 counts as two), and how many words its output is chosen from.

    Yosys folds a memory that is deeper than a block RAM into parts that stand side by side, also within one
    block RAM. Parts of a memory that is written start at a byte of nine bits.
    """
    found = []
    for size in fabric.ram_sizes:
        for words, bits in _SHAPES:
            across = (words * size, 1) if bits == 1 else (words, bits * size)
            parts = ceil(depth / across[0])
            each = 9 * ceil(width / 9) if written and parts > 1 else width
            found.append((size * ceil(parts * each / across[1]), parts))
    return min(found)


def block_banks(width: int, depth: int) -> tuple[int, int]:
    """Words of a bank, and banks, in which a memory takes the fewest RAMB18s and then the fewest banks."""
    found = []
    for words, bits in _SHAPES:
        banks = ceil(depth / words)
        found.append((ceil(banks * width / bits), banks, words))
    _, banks, words = min(found)
    return (words if banks > 1 else depth), banks


def part_rows(depth: int, style: str) -> int:
    """Words of a part of a memory that is written, where each part has a register of its own: all, but
    for LUT RAM that is deeper than a few LUTs."""
    return _PART if style == "distributed" and depth > _PART else depth


def is_slow(depth: int, style: str) -> bool:
    """Whether the way from address to word would bind the clock: block RAM, or LUT RAM in parts."""
    return style != "distributed" or part_rows(depth, style) < depth


def read_registers(width: int, depth: int, style: str) -> int:
    """Flip-flops of a second register behind such a memory: its word, or the parts' and which is chosen."""
    if style != "distributed":
        return width
    parts = ceil(depth / part_rows(depth, style))
    return parts * width + bits_of(parts)


def bits_of(count: int) -> int:
    """Bits of a counter of ``count`` states."""
    return max(0, (count - 1).bit_length())


def buffer_amounts(width: int, depth: int, style: str, name: str, fabric: Fabric) -> dict[str, float]:
    """LUTs of a memory that is written: its words, or what stands behind block RAMs or UltraRAMs."""
    if style == "distributed":
        return lutram_amounts(width, depth, name, fabric)
    parts = ceil(depth / 4096) if style == "ultra" else block_memory(width, depth, fabric, written=True)[1]
    return {"block RAM choice": width * choice(parts)}


def lutram_amounts(width: int, depth: int, name: str, fabric: Fabric) -> dict[str, float]:
    """A LUT memory, the multiplexers behind it and the write enables before it."""
    luts, banks = lut_memory(width, depth, fabric)
    # more than four write enables are decoded in two levels
    enables = 0 if banks == 1 else banks if banks <= 4 else 1.8 * banks
    return {name: luts, "banks": width * choice(banks), "bank writes": enables}
