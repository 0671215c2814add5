"""FPGA resources as FINN counts them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Resources:
    """LUTs, flip-flops, 18-kbit block RAMs, UltraRAMs and DSP slices (fractions come from models)."""

    lut: float = 0.0
    ff: float = 0.0
    bram_18k: float = 0.0
    uram: float = 0.0
    dsp: float = 0.0

    def __add__(self, other: Resources) -> Resources:
        return Resources(
            self.lut + other.lut,
            self.ff + other.ff,
            self.bram_18k + other.bram_18k,
            self.uram + other.uram,
            self.dsp + other.dsp,
        )
