"""Whole windows at once, FINN's ``parallel_window``: line buffers and registers, a pixel in every cycle.

The line buffers are one memory of ``dilation W`` words that hold the pixels above the one that comes; a
column of them moves into the window's registers with every pixel. FINN's formulas are those of its parallel
implementation style: ``H W + 2`` cycles, ``KH - 1`` line buffers of ``W - KW`` pixels (dilated), its LUTs as
if the whole span stood in LUT RAM.

With M pixels a beat (``pixel_block``) all of that is of words of M pixels: a word completes M windows, or M /
stride where the stride skips some, and the registers hold the words that these windows reach over. Windows of
one pixel, several at once, are made so too.
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
    """A window for the pixel that ends it, or some for a word of pixels."""

    KIND: ClassVar[str] = "SlidingWindow parallel"

    @property
    def out_lanes(self) -> int:
        return self.windows * self.window.kernel[0] * self.window.kernel[1] * self.window.channels

    @property
    def windows(self) -> int:
        """Windows in an output beat."""
        return max(1, self.window.m // self.window.stride[1])

    @property
    def word_bits(self) -> int:
        """Bits of a beat of pixels."""
        return self.window.m * self.window.beat_bits

    @property
    def row(self) -> int:
        """Beats of a row of the image."""
        return self.window.size[1] // self.window.m

    @property
    def lines(self) -> int:
        """Rows above the present one that a window reads."""
        return self.window.kernel[0] - 1

    @property
    def depth(self) -> int:
        """Words of the line buffers: beats between two rows of a window."""
        return self.row * self.window.dilation[0] if self.lines else 0

    @property
    def first(self) -> int:
        """The beat of a row that completes the row's first windows."""
        reach = (self.window.kernel[1] - 1) * self.window.dilation[1]
        return ((self.windows - 1) * self.window.stride[1] + reach) // self.window.m

    @property
    def columns(self) -> int:
        """Columns of registers, those between the taps of a dilated kernel included."""
        return (self.first + 1) * self.window.m

    @property
    def every(self) -> int:
        """Beats from a beat that completes windows to the next in its row."""
        return max(1, self.window.stride[1] // self.window.m)

    @property
    def cycles(self) -> int:
        return self.window.inputs[0].beats

    @property
    def finn_cycles(self) -> int:
        return self.cycles + 2

    def finn_resources(self) -> Resources:
        window, style, width = self.window, self.window.ram_style, self.word_bits
        depth = self.row - self.columns // window.m + self.row * (window.dilation[0] - 1)
        lines = 0 if 1 in window.size else self.lines
        span = ceil(window.span / window.m)
        return Resources(
            lut=300 + (width * ceil((span + 1) / 38) if style == "distributed" else 0),
            bram_18k=lines * brams(width, depth) if style in ("auto", "block") else 0,
            uram=lines * urams(width, depth) if style == "ultra" else 0,
        )

    @property
    def memory(self) -> LargeMemory | None:
        if not self.lines:
            return None
        return LargeMemory(self.lines * self.word_bits, self.depth, self.window.ram_style, written=True)

    def machines(self) -> tuple[Machine, ...]:
        window = self.window
        steps = np.full((window.size[0], self.row), TAKE, dtype=np.uint8)
        steps[self.lines * window.dilation[0] :: window.stride[0], self.first :: self.every] |= SEND
        return (Machine(PATTERN, steps.reshape(-1)),)

    def rtl(self) -> RtlInstance:
        parameters = self.window.rtl_parameters(self.depth)
        wanted = ("H", "W", "C", "BITS", "KH", "KW", "SH", "SW", "DH", "DW", "RAM_STYLE")
        chosen = {name: parameters[name] for name in wanted}
        return RtlInstance("parallel_window", {**self.window.pixel_parameters, **chosen})

    def lut_amounts(self, fabric: Fabric) -> Amounts:
        window = self.window
        counts = (window.size[0], self.row, *self._waits, self.depth)
        amounts: dict[str, float] = {"one": 1, "counters": sum(map(counter, counts))}
        width = self.lines * self.word_bits
        return {**amounts, **buffer_amounts(width, self.depth, window.ram_style, "buffer", fabric)}

    def ff_amounts(self, fabric: Fabric) -> Amounts:
        window = self.window
        kept = window.kernel[0] * self._kept * window.beat_bits
        return {
            "one": 1,
            "counters": sum(bits_of(n) for n in (window.size[0], self.row, *self._waits))
            + 2 * bits_of(self.depth),
            "registers": kept,
            "lines": self.lines * self.word_bits if window.ram_style == "distributed" else 0,
        }

    @property
    def _kept(self) -> int:
        """Pixels of a row that registers hold: those on their way to a tap."""
        window = self.window
        starts = range(0, self.windows * window.stride[1], window.stride[1])
        last: dict[int, int] = {}  # by place in a word, the leftmost word that a tap reads it from
        for pixel in (start + k * window.dilation[1] for start in starts for k in range(window.kernel[1])):
            word, place = divmod(pixel, window.m)
            last[place] = min(word, last.get(place, word))
        return sum(self.first + 1 - word for word in last.values())

    @property
    def _waits(self) -> tuple[int, int]:
        """States of the counters that wait for the next row and the next column of windows."""
        window = self.window
        rows = max(self.lines * window.dilation[0], window.stride[0] - 1) + 1
        return rows, max(self.first, self.every - 1) + 1
