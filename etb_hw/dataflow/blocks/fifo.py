"""FIFO: elastic storage on a stream; FINN's StreamingFIFO_rtl.

FINN's formula for its shift-register FIFO: ``LUT = 2 ceil(log2 depth) + ceil(depth/32) ceil(width/2)``.
With ``ram_style`` ``block`` or ``ultra`` it is FINN's ``vivado`` style: the depth rounds up to a power of two
and the words move to block RAM or UltraRAM.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log2
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.block import Block, FinnNode, RtlInstance
from etb_hw.dataflow.resources import Resources, bram_18k, small_memory_style, urams
from etb_hw.dataflow.stream import Stream
from etb_hw.dataflow.vocabulary import domain_of, stream_type


@dataclass(frozen=True, eq=False, kw_only=True)
class Fifo(Block):
    """A stream delayed by at most ``depth`` beats."""

    OP: ClassVar[str] = "StreamingFIFO_rtl"

    stream: Stream
    depth: int
    ram_style: str = "auto"

    @property
    def inputs(self) -> tuple[Stream, ...]:
        return (self.stream,)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        return (self.stream,)

    @property
    def cycles(self) -> int:
        return self.stream.beats

    @property
    def vivado(self) -> bool:
        return self.ram_style in ("block", "ultra")

    def resources(self) -> Resources:
        width = self.stream.width
        depth = 1 << (self.depth - 1).bit_length() if self.vivado else self.depth
        control = 2 * ceil(log2(depth)) if depth > 1 else 0
        return Resources(
            lut=control + (0 if self.vivado else ceil(depth / 32) * ceil(width / 2)),
            bram_18k=bram_18k(width, depth) if self.ram_style == "block" else 0,
            uram=urams(width, depth) if self.ram_style == "ultra" else 0,
        )

    def finn_node(self) -> FinnNode:
        shape = self.stream.shape
        folded = (1, *shape[:-1], self.stream.channels // self.stream.lanes, self.stream.lanes)
        return FinnNode(
            self.op,
            domain_of(self.op),
            {
                "backend": "fpgadataflow",
                "depth": self.depth,
                "folded_shape": folded,
                "normal_shape": (1, *shape),
                "dataType": stream_type(self.stream.dtype).name,
                "impl_style": "vivado" if self.vivado else "rtl",
                "ram_style": self.ram_style,
            },
        )

    @property
    def rtl_ram_style(self) -> str:
        """What our RTL builds: the style, with ``auto`` decided by size."""
        if self.ram_style != "auto":
            return self.ram_style
        return small_memory_style(self.stream.width, self.depth)

    def rtl(self) -> RtlInstance:
        # two registers are the least that keeps beats moving every cycle
        depth = max(2, self.depth)
        return RtlInstance(
            "fifo", {"WIDTH": self.stream.width, "DEPTH": depth, "RAM_STYLE": self.rtl_ram_style}
        )

    def execute(self, *frames: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        return frames
