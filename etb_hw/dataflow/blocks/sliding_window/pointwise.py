"""Windows of one pixel: nothing is kept, pixels pass or are dropped."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from etb_hw.dataflow.block import Amounts, RtlInstance
from etb_hw.dataflow.blocks.sliding_window.form import Form
from etb_hw.dataflow.fabric.family import Fabric
from etb_hw.dataflow.fabric.memories import bits_of
from etb_hw.dataflow.fabric.parts import counter
from etb_hw.dataflow.machine import PATTERN, SEND, TAKE, Machine
from etb_hw.dataflow.resources import Resources, urams

DEPTH = 2  # beats; FINN's formula and the module's parameter want a buffer


class Pointwise(Form):
    """A filter of pixels."""

    KIND: ClassVar[str] = "SlidingWindow pointwise"

    @property
    def cycles(self) -> int:
        return self.window.inputs[0].beats

    @property
    def finn_cycles(self) -> int:
        return self.cycles + 2

    def finn_resources(self) -> Resources:
        width, style = self.window.beat_bits, self.window.ram_style
        return Resources(
            lut=300 + (width if style == "distributed" else 0),
            uram=urams(width, DEPTH) if style == "ultra" else 0,
        )

    def machines(self) -> tuple[Machine, ...]:
        stride = self.window.stride
        keep = np.full(self.window.size, TAKE, dtype=np.uint8)
        keep[:: stride[0], :: stride[1]] |= SEND
        return (Machine(PATTERN, np.repeat(keep.reshape(-1), self.fold)),)

    def rtl(self) -> RtlInstance:
        return RtlInstance("sliding_window", self.window.rtl_parameters(DEPTH))

    def lut_amounts(self, fabric: Fabric) -> Amounts:
        counts = (*self.window.size, self.fold, *self.window.stride)
        return {"one": 1, "counters": sum(map(counter, counts))}

    def ff_amounts(self, fabric: Fabric) -> Amounts:
        window = self.window
        counters = sum(bits_of(n) for n in (*window.out_size, *window.size, self.fold))
        return {"one": 1, "counters": counters, "output": window.beat_bits}
