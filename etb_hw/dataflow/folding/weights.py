"""One number for several resources."""

from __future__ import annotations

from dataclasses import dataclass

from etb_hw.dataflow.resources import Resources


@dataclass(frozen=True)
class Weights:
    """What a unit of each resource costs, in LUTs. The defaults are the mix of a Zynq-7020's fabric.

    53,200 LUT stand there beside 280 RAMB18 (190 LUT each) and 220 DSP (240 LUT each); an UltraRAM holds as
    much as sixteen RAMB18 and is priced at four, because designs with them seldom run short of them.
    """

    lut: float = 1.0
    bram_18k: float = 190.0
    uram: float = 760.0
    dsp: float = 240.0

    def of(self, resources: Resources) -> float:
        """The weighted sum, in LUTs."""
        return (
            self.lut * resources.lut
            + self.bram_18k * resources.bram_18k
            + self.uram * resources.uram
            + self.dsp * resources.dsp
        )
