"""What it costs that a memory can be written and read back at run time: ``etb_writable.sv``, part by part.

Amounts are counted and not fitted: every part is a known number of cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from etb_hw.dataflow.fabric.family import Fabric
from etb_hw.dataflow.fabric.memories import bits_of, choice, lut_memory
from etb_hw.dataflow.fabric.parts import counter


@dataclass(frozen=True)
class Link:
    """One link of the chain: a memory of ``depth`` words of ``width`` bits.

    Attributes:
        style: what it is made of; ``distributed`` for LUT RAM.
        read: cycles from an address to the word.
    """

    width: int
    depth: int
    style: str = "distributed"
    read: int = 1

    @property
    def lanes(self) -> int:
        """Bytes a word."""
        return ceil(self.width / 8)

    @property
    def bytes(self) -> int:
        """Bytes of it in the chain: whole bytes a word."""
        return self.lanes * self.depth

    def luts(self, fabric: Fabric) -> float:
        """LUTs, with those of its words where they are LUT RAM."""
        # a choice of whose address, where there is more than one
        address = 0 if self.depth == 1 else counter(self.depth) + bits_of(self.depth)
        found = _TOKEN + counter(self.lanes) + address + self.lanes + 8 * _choice(self.lanes, fabric)
        if self.depth == 1 or self.style != "distributed":
            return found
        luts, banks = _single_port(self.width, self.depth, fabric)
        enables = self.lanes * banks if banks > 1 else 0
        return found + luts + self.width * _choice(banks, fabric) + enables

    @property
    def registers(self) -> int:
        """Flip-flops, with those of its words or their output where these are no block RAM."""
        token = 11 + self.read * (12 + bits_of(self.lanes))
        held = self.width if self.depth == 1 or self.style == "distributed" else 0
        return token + bits_of(self.lanes) + bits_of(self.depth) + 1 + held


_TOKEN = 12  # taken or not, at an end or not, and the byte that joins


def _choice(ways: int, fabric: Fabric) -> int:
    """LUTs of a multiplexer of so many bits."""
    if fabric.lut_inputs == 6:
        return choice(ways)
    return (ways - 1) * (1 if ways <= 4 else 2)  # wider ones go beyond the multiplexers of a slice


def _single_port(width: int, depth: int, fabric: Fabric) -> tuple[int, int]:
    """A LUT memory whose two ports share the address: LUTs, and banks among which its output is chosen."""
    if fabric.family != "xc7":
        return lut_memory(width, depth, fabric)
    if depth <= 32:
        return 4 * ceil(width / 8), 1  # RAM32M
    luts = width * ceil(depth / 64)  # RAM64X1S, RAM128X1S and RAM256X1S, which choose by themselves
    return luts, ceil(depth / 256)
