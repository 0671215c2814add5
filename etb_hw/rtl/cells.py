"""What the cells of Yosys' netlists cost, by family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

# what one cell takes, by field of Usage
Takes = Mapping[str, int]
_XILINX: Mapping[str, Takes] = {
    **{f"LUT{n}": {"lut": 1} for n in range(1, 7)},
    "INV": {"lut": 1},
    **{key: {"ff": 1} for key in ("FDRE", "FDSE", "FDCE", "FDPE", "FDRE_1", "FDSE_1")},
    "CARRY4": {"carry": 1},
    "CARRY8": {"carry": 1},
    **{key: {"mux": 1} for key in ("MUXF7", "MUXF8", "MUXF9")},
    # LUTs of distributed memories: UG474 and UG574, tables of distributed RAM primitives
    "SRL16E": {"lutram": 1},
    "SRLC32E": {"lutram": 1},
    "RAM32X1S": {"lutram": 1},
    "RAM64X1S": {"lutram": 1},
    "RAM128X1S": {"lutram": 2},
    "RAM256X1S": {"lutram": 4},
    "RAM512X1S": {"lutram": 8},
    "RAM32X1D": {"lutram": 2},
    "RAM64X1D": {"lutram": 2},
    "RAM128X1D": {"lutram": 4},
    "RAM256X1D": {"lutram": 8},
    "RAM32M": {"lutram": 4},
    "RAM64M": {"lutram": 4},
    "RAM32M16": {"lutram": 8},
    "RAM64M8": {"lutram": 8},
    **{key: {"bram": 1} for key in ("RAMB18E1", "RAMB18E2")},
    **{key: {"bram": 2} for key in ("RAMB36E1", "RAMB36E2")},
    **{key: {"uram": 1} for key in ("URAM288", "URAM288_BASE")},
    **{key: {"dsp": 1} for key in ("DSP48E1", "DSP48E2")},
}
_ECP5: Mapping[str, Takes] = {
    "LUT4": {"lut": 1},
    "CCU2C": {"lut": 2, "carry": 1},  # two LUTs whose outputs feed the carry chain
    "TRELLIS_FF": {"ff": 1},
    "TRELLIS_DPR16X4": {"lutram": 6},  # four LUTs of data, two of write ports
    "PFUMX": {"mux": 1},
    "L6MUX21": {"mux": 1},
    "DP16KD": {"bram": 1},
    "PDPW16KD": {"bram": 1},
    "MULT18X18D": {"dsp": 1},
    "ALU54B": {"dsp": 1},
}
_ICE40: Mapping[str, Takes] = {
    "SB_LUT4": {"lut": 1},
    "SB_CARRY": {"carry": 1},
    "SB_RAM40_4K": {"bram": 1},
    "SB_MAC16": {"dsp": 1},
}
_GW2A: Mapping[str, Takes] = {
    **{f"LUT{n}": {"lut": 1} for n in range(1, 5)},
    "ALU": {"lut": 1, "carry": 1},
    **{f"DFF{kind}": {"ff": 1} for kind in ("", "E", "R", "RE", "S", "SE", "C", "CE", "P", "PE")},
    **{f"MUX2_LUT{n}": {"mux": 1} for n in range(5, 9)},
    "RAM16SDP4": {"lutram": 4},  # SUG283: the LUTs of two slices
    **{key: {"bram": 1} for key in ("SP", "SPX9", "SDPB", "SDPX9B", "DPB", "DPX9B", "pROM", "pROMX9")},
    **{key: {"dsp": 1} for key in ("MULT9X9", "MULT18X18")},
}
CELLS: Mapping[str, Mapping[str, Takes]] = {
    "xc7": _XILINX,
    "xcup": _XILINX,
    "ecp5": _ECP5,
    "ice40": _ICE40,
    "gw2a": _GW2A,
}
# no logic: clock buffers, constants, and Yosys' notes on the hierarchy that it flattened
FREE = ("BUFG", "GND", "VCC", "$scopeinfo")
# what one unit of `bram` is
BRAM_KBIT: Mapping[str, int] = {"xc7": 18, "xcup": 18, "ecp5": 18, "ice40": 4, "gw2a": 18}


@dataclass(frozen=True)
class Usage:
    """Counted cells.

    Attributes:
        lut: logic LUTs (6 inputs on Xilinx, 4 elsewhere).
        lutram: LUTs used as memory or shift registers.
        bram: block RAMs in units of ``BRAM_KBIT[family]``; a RAMB36 counts as two.
        mux: wide multiplexers between LUTs.
        other: cells of no listed kind, by name.
    """

    lut: int = 0
    lutram: int = 0
    ff: int = 0
    carry: int = 0
    mux: int = 0
    bram: int = 0
    uram: int = 0
    dsp: int = 0
    other: Mapping[str, int] = field(default_factory=dict)

    @property
    def luts(self) -> int:
        """All LUTs, of logic and of memory: what utilisation reports call LUTs."""
        return self.lut + self.lutram

    def __add__(self, right: Usage) -> Usage:
        other = dict(self.other)
        for name, count in right.other.items():
            other[name] = other.get(name, 0) + count
        sums = {name: getattr(self, name) + getattr(right, name) for name in COUNTED}
        return Usage(**sums, other=other)


COUNTED = tuple(item.name for item in fields(Usage) if item.name != "other")


def count(cells: Mapping[str, int], family: str) -> Usage:
    """Usage of a netlist given as cells by name."""
    sums = dict.fromkeys(COUNTED, 0)
    other: dict[str, int] = {}
    for name, number in cells.items():
        takes = CELLS[family].get(name)
        if takes is not None:
            for item, units in takes.items():
                sums[item] += number * units
        elif name.startswith("SB_DFF"):
            sums["ff"] += number
        elif name not in FREE:
            other[name] = other.get(name, 0) + number
    return Usage(**sums, other=other)
