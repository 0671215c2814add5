"""FPGA resources as FINN counts them."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

RAM_STYLES = ("auto", "block", "distributed", "ultra")  # FINN's names of what a memory is made of


@dataclass(frozen=True)
class Resources:
    """LUTs, flip-flops, 18-kbit block RAMs, UltraRAMs and DSP slices (fractions come from models)."""

    lut: float = 0.0
    ff: float = 0.0
    bram_18k: float = 0.0
    uram: float = 0.0
    dsp: float = 0.0

    @property
    def amounts(self) -> tuple[float, float, float, float, float]:
        """LUT, FF, BRAM, URAM, DSP."""
        return (self.lut, self.ff, self.bram_18k, self.uram, self.dsp)

    def within(self, limit: Resources) -> bool:
        """Whether no resource exceeds that of ``limit``."""
        return all(used <= allowed for used, allowed in zip(self.amounts, limit.amounts, strict=True))

    def less(self, other: Resources) -> Resources:
        """What is left after ``other`` is taken away, at least nothing."""
        return Resources(*(max(0.0, a - b) for a, b in zip(self.amounts, other.amounts, strict=True)))

    def most(self, other: Resources) -> Resources:
        """The larger amount of each resource."""
        return Resources(*(max(a, b) for a, b in zip(self.amounts, other.amounts, strict=True)))

    def times(self, count: int) -> Resources:
        """So many of them."""
        return Resources(*(count * amount for amount in self.amounts))

    def __add__(self, other: Resources) -> Resources:
        return Resources(
            self.lut + other.lut,
            self.ff + other.ff,
            self.bram_18k + other.bram_18k,
            self.uram + other.uram,
            self.dsp + other.dsp,
        )


def bram_18k(width: int, depth: int) -> int:
    """18-kbit block RAMs for ``depth`` words of ``width`` bits in simple dual-port mode.

    UG573 table 1-10, with FINN's rule (FINN-R, Blott et al. 2018) of preferring the 18-bit shape for
    memories deeper than 512 words.
    """
    if width == 1:
        return ceil(depth / 16384)
    if width == 2:
        return ceil(depth / 8192)
    if width <= 4:
        return ceil(depth / 4096)
    if width <= 9:
        return ceil(depth / 2048)
    if width <= 18 or depth > 512:
        return ceil(depth / 1024) * ceil(width / 18)
    return ceil(depth / 512) * ceil(width / 36)


def small_memory_style(width: int, depth: int, *, constant: bool = False) -> str:
    """Whether our RTL puts an ``auto`` memory in LUTs (``distributed``) or block RAM (``block``).

    The one that takes the smaller share of a Zynq 7020, where 53,200 LUTs stand against 280 RAMB18s.
    Memories beyond 64 kbit are never put in LUTs. A LUT holds 64 bits, but of ``constant`` memories that
    need several LUTs a bit Yosys packs only some 45 into one, multiplexers included (the calibration's
    weight of deep memories: 1.4 LUTs for 64 words of a bit).
    """
    luts = width * ceil(depth / 64)
    if constant and depth > 64:
        luts = width * ceil(depth / 45)
    small = width * depth <= 2**16
    return "distributed" if small and luts <= 190 * bram_18k(width, depth) else "block"


def urams(width: int, depth: int) -> int:
    """UltraRAMs (72 bits x 4096) for ``depth`` words of ``width`` bits."""
    return ceil(width / 72) * ceil(depth / 4096)
