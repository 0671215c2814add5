"""What a sliding window takes of the fabric: counters, addresses and the buffer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from etb_hw.dataflow.block import Amounts
from etb_hw.dataflow.fabric.family import Fabric
from etb_hw.dataflow.fabric.memories import (
    bits_of,
    buffer_amounts,
)
from etb_hw.dataflow.fabric.parts import comparator, counter

if TYPE_CHECKING:
    from etb_hw.dataflow.blocks.sliding_window.block import SlidingWindow


def lut_amounts(block: SlidingWindow, fabric: Fabric) -> Amounts:
    width = block.simd * block.dtype.bits
    fold = block.channels // block.simd
    if block.pointwise:
        counts = (*block.size, fold, *block.stride)
        return {"one": 1, "counters": sum(map(counter, counts))}
    inside, between = (block.walk.strides, block.walk.moves)
    level, address = _level_bits(block), bits_of(block.depth)
    # an address beyond the buffer's end goes back by its depth
    wrap = 0 if block.depth == 1 << address else comparator(address + 1, constant=True) + address
    amounts: dict[str, float] = {
        "one": 1,
        "loops": sum(map(counter, (*block.out_size, *block.kernel, fold))),
        "addresses": counter(block.depth) + 2 * (address + 1 + wrap) + 2 * address,
        "level": 3 * level + comparator(level, constant=True) + comparator(level),
        "steps": _varying(inside, level) + _varying([n % block.depth for n in inside], level),
        "jumps": _varying(between, level) + _varying([n % block.depth for n in between], level),
    }
    return {**amounts, **buffer_amounts(width, block.depth, block.ram_style, "buffer", fabric)}


def ff_amounts(block: SlidingWindow, fabric: Fabric) -> Amounts:
    width = block.simd * block.dtype.bits
    fold = block.channels // block.simd
    counters = sum(bits_of(n) for n in (*block.out_size, *block.size, fold))
    if block.pointwise:
        return {"one": 1, "counters": counters, "output": width}
    return {
        "one": 1,
        "counters": counters,
        "addresses": bits_of(block.depth) + _level_bits(block),
        "output": width if block.ram_style == "distributed" else 0,
    }


def _varying(values: Sequence[int], bits: int) -> int:
    """In how many of the low bits some of the values differ."""
    mask = (1 << bits) - 1
    return ((values[0] ^ values[1] | values[0] ^ values[2]) & mask).bit_count()


def _level_bits(block: SlidingWindow) -> int:
    """Bits of the fill level: it also counts the beats that a jump to the next window skips."""
    return bits_of(block.depth + max(block.walk.moves) + 1) + 1
