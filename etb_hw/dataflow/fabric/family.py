"""What the fabrics of FPGA families are made of, as far as it shapes what a block takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from etb_hw.errors import BadInput


@dataclass(frozen=True)
class Fabric:
    """One family, as Yosys maps to it.

    Attributes:
        lut_inputs: inputs of a LUT.
        lut_rams: memories made of LUTs, with a write and a read port: (words, bits, LUTs).
        ram_sizes: block RAMs in units of 18 kbit.
        dsp_bits: products of so many bits and more become DSP blocks.
    """

    family: str
    lut_inputs: int
    lut_rams: tuple[tuple[int, int, int], ...]
    ram_sizes: tuple[int, ...]
    dsp_bits: int


FABRICS: Mapping[str, Fabric] = {
    fabric.family: fabric
    for fabric in (
        # RAM32M and RAM64M; RAMB18 and RAMB36; Yosys' DSP_Y_MINWIDTH
        Fabric("xc7", 6, ((32, 6, 4), (64, 3, 4)), (1, 2), 9),
        # TRELLIS_DPR16X4, two LUTs of which are write ports; DP16KD; every product is a MULT18X18D
        Fabric("ecp5", 4, ((16, 4, 6),), (1,), 2),
    )
}


def find_fabric(family: str) -> Fabric:
    """The fabric of a family. Raises BadInput for one that was not calibrated."""
    if family not in FABRICS:
        raise BadInput(
            f"family {family!r}", "has no calibrated estimates", f"there are: {', '.join(FABRICS)}"
        )
    return FABRICS[family]
