"""Whole windows at once, FINN's ``parallel_window``: line buffers and registers, a pixel in every cycle.

The line buffers are one memory of ``dilation W`` words that hold the pixels above the one that comes; a
column of them moves into the window's registers with every pixel. FINN's formulas are those of its parallel
implementation style: ``H W + 2`` cycles, ``KH - 1`` line buffers of ``W - KW`` pixels (dilated), its LUTs as
if the whole span stood in LUT RAM.
"""

from __future__ import annotations

from math import ceil
from typing import ClassVar

import numpy as np

from etb_hw.dataflow.block import Amounts, LargeMemory, RtlInstance
from etb_hw.dataflow.blocks.sliding_window.finn_memory import brams
from etb_hw.dataflow.blocks.sliding_window.form import Form
from etb_hw.dataflow.fabric.family import Fabric
from etb_hw.dataflow.fabric.memories import bits_of, buffer_amounts
from etb_hw.dataflow.fabric.parts import counter
from etb_hw.dataflow.machine import PATTERN, SEND, TAKE, Machine
from etb_hw.dataflow.resources import Resources, urams


class Parallel(Form):
    """A window for the pixel that ends it."""

    KIND: ClassVar[str] = "SlidingWindow parallel"

    @property
    def out_lanes(self) -> int:
        return self.window.kernel[0] * self.window.kernel[1] * self.window.channels

    @property
    def lines(self) -> int:
        """Rows above the present one that a window reads."""
        return self.window.kernel[0] - 1

    @property
    def depth(self) -> int:
        """Words of the line buffers: pixels between two rows of a window."""
        return self.window.size[1] * self.window.dilation[0] if self.lines else 0

    @property
    def columns(self) -> int:
        """Columns of registers, those between the taps of a dilated kernel included."""
        return (self.window.kernel[1] - 1) * self.window.dilation[1] + 1

    @property
    def cycles(self) -> int:
        return self.window.inputs[0].beats

    @property
    def finn_cycles(self) -> int:
        return self.cycles + 2

    def finn_resources(self) -> Resources:
        window, style, width = self.window, self.window.ram_style, self.window.beat_bits
        depth = window.size[1] - self.columns + window.size[1] * (window.dilation[0] - 1)
        lines = 0 if 1 in window.size else self.lines
        return Resources(
            lut=300 + (width * ceil((window.span + 1) / 38) if style == "distributed" else 0),
            bram_18k=lines * brams(width, depth) if style in ("auto", "block") else 0,
            uram=lines * urams(width, depth) if style == "ultra" else 0,
        )

    @property
    def memory(self) -> LargeMemory | None:
        if not self.lines:
            return None
        return LargeMemory(
            self.lines * self.window.beat_bits, self.depth, self.window.ram_style, written=True
        )

    def machines(self) -> tuple[Machine, ...]:
        window = self.window
        steps = np.full(window.size, TAKE, dtype=np.uint8)
        first = (self.lines * window.dilation[0], self.columns - 1)
        steps[first[0] :: window.stride[0], first[1] :: window.stride[1]] |= SEND
        return (Machine(PATTERN, steps.reshape(-1)),)

    def rtl(self) -> RtlInstance:
        parameters = self.window.rtl_parameters(self.depth)
        wanted = ("H", "W", "C", "BITS", "KH", "KW", "SH", "SW", "DH", "DW", "RAM_STYLE")
        return RtlInstance("parallel_window", {name: parameters[name] for name in wanted})

    def lut_amounts(self, fabric: Fabric) -> Amounts:
        window = self.window
        counts = (*window.size, *self._waits, self.depth)
        amounts: dict[str, float] = {"one": 1, "counters": sum(map(counter, counts))}
        width = self.lines * window.beat_bits
        return {**amounts, **buffer_amounts(width, self.depth, window.ram_style, "buffer", fabric)}

    def ff_amounts(self, fabric: Fabric) -> Amounts:
        window = self.window
        kept = window.kernel[0] * self.columns * window.beat_bits
        return {
            "one": 1,
            "counters": sum(bits_of(n) for n in (*window.size, *self._waits)) + 2 * bits_of(self.depth),
            "registers": kept,
            "lines": self.lines * window.beat_bits if window.ram_style == "distributed" else 0,
        }

    @property
    def _waits(self) -> tuple[int, int]:
        """States of the counters that wait for the next row and the next column of windows."""
        window = self.window
        rows = max(self.lines * window.dilation[0], window.stride[0] - 1) + 1
        return rows, max(self.columns - 1, window.stride[1] - 1) + 1
