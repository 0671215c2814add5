"""Windows from a cyclic buffer: it keeps the rows that a window spans, and gives SIMD channels a cycle.

``finn_cycles`` and the resources are FINN's formulas for its default implementation style.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from math import ceil
from typing import ClassVar

from etb_hw.dataflow.block import Amounts, LargeMemory, RtlInstance
from etb_hw.dataflow.blocks.sliding_window.finn_memory import brams
from etb_hw.dataflow.blocks.sliding_window.form import Form
from etb_hw.dataflow.blocks.sliding_window.walk import Walk, interval, walk
from etb_hw.dataflow.fabric.family import Fabric
from etb_hw.dataflow.fabric.memories import bits_of, buffer_amounts, is_slow, part_rows, read_registers
from etb_hw.dataflow.fabric.parts import counter
from etb_hw.dataflow.machine import WINDOW, Machine
from etb_hw.dataflow.resources import Resources, urams


class Cyclic(Form):
    """One beat of a window a cycle."""

    KIND: ClassVar[str] = "SlidingWindow"

    @property
    def depth(self) -> int:
        """Beats the buffer holds: a window's span, and room to read ahead when the stride skips rows."""
        window = self.window
        taps = window.kernel[0] * window.kernel[1]
        skipped = (window.stride[0] - 1) * window.size[1]
        ahead = max(0, window.stride[1] - 1 - taps) + max(0, skipped - taps)
        return (window.span + ahead) * self.fold

    @cached_property
    def walk(self) -> Walk:
        """Reads of the buffer."""
        w = self.window
        return walk(w.size, w.out_size, self.fold, w.kernel, w.stride, w.dilation, w.depthwise)

    @property
    def cycles(self) -> int:
        w = self.window
        return interval(w.size, self.fold, w.kernel, w.stride, w.dilation, w.depthwise, self.depth)

    @property
    def finn_cycles(self) -> int:
        w, fold = self.window, self.fold
        width, (out_h, out_w) = w.size[1], w.out_size
        taps = w.kernel[0] * w.kernel[1]
        if 1 in w.size:
            # one row or one column: FINN's one-dimensional case
            stride, out, kernel = (
                (w.stride[0], out_h, w.kernel[0]) if width == 1 else (w.stride[1], out_w, w.kernel[1])
            )
            if w.depthwise:
                return out * kernel * fold + fold * (kernel - 1) * (stride - 1) - (kernel - 1) + 2
            return out * kernel * fold + 2
        row = max(out_w * taps * fold, w.stride[1] * width * fold)
        if w.depthwise:
            row += out_w * (w.stride[1] - 1) * (fold - 1)
        extra = (w.stride[0] - 1) * width * fold if w.depthwise else 0
        return w.span * fold + out_h * row + extra

    def finn_resources(self) -> Resources:
        style, width, depth = self.window.ram_style, self.window.beat_bits, self.depth
        return Resources(
            lut=300 + (width * ceil(depth / 38) if style == "distributed" else 0),
            bram_18k=brams(width, depth) if style in ("auto", "block") else 0,
            uram=urams(width, depth) if style == "ultra" else 0,
        )

    @property
    def memory(self) -> LargeMemory:
        return LargeMemory(self.window.beat_bits, self.depth, self.window.ram_style, written=True)

    def machines(self) -> tuple[Machine, ...]:
        walk, (out_h, out_w) = self.walk, self.window.out_size
        window = (*walk.extents, out_w, out_h, *walk.strides, *walk.moves, self.depth)
        return (Machine(WINDOW, latency=1 + self.later, window=window),)

    @property
    def later(self) -> bool:
        """Whether windows leave a cycle later, from a register behind a slow buffer."""
        return self.window.register and is_slow(self.depth, self.window.ram_style)

    @property
    def registers(self) -> int:
        """Those behind the buffer, one that says that a word waits there, and a faster fill level's."""
        window = self.window
        behind = 1 + read_registers(window.beat_bits, self.depth, window.ram_style)
        return self.later * (behind + self._level_bits - 1)

    def rtl(self) -> RtlInstance:
        rows = part_rows(self.depth, self.window.ram_style)
        later: dict[str, int | str] = {"REGISTER": 1, "ROWS": rows} if self.later else {}
        return RtlInstance("sliding_window", {**self.window.rtl_parameters(self.depth), **later})

    def lut_amounts(self, fabric: Fabric) -> Amounts:
        window, steps, freed = self.window, self._steps, self.walk.moves
        level, address = self._level_bits, bits_of(self.depth)
        moves = [n % self.depth for n in steps]
        amounts: dict[str, float] = {
            "one": 1,
            "loops": sum(map(counter, (*window.out_size, *window.kernel, self.fold))),
            "addresses": counter(self.depth) + address,
            "level": 2 * level,
            "steps": _varying(steps, level) + _varying(moves, address),
            "jumps": _varying(freed, level),
        }
        if self.depth != 1 << address:
            # an address beyond the buffer's end goes back by its depth: both sums are made, and one is chosen
            amounts["addresses"] += 2 * address + 1
            amounts["steps"] += _varying([n - self.depth for n in moves], address + 1)
        return {**amounts, **buffer_amounts(window.beat_bits, self.depth, window.ram_style, "buffer", fabric)}

    def ff_amounts(self, fabric: Fabric) -> Amounts:
        window = self.window
        loops = (*window.out_size, *window.kernel, self.fold)
        return {
            "one": 1,
            # each tells its end, and that it is near, by registers; three say which loop goes on (etb_loops)
            "counters": 3 + sum(bits_of(n) + 2 * (n > 2) for n in loops),
            "addresses": 2 * bits_of(self.depth) + 2 * self._level_bits,
            "output": window.beat_bits if window.ram_style == "distributed" else 0,
        }

    @property
    def _steps(self) -> tuple[int, ...]:
        """Beats from a read to the next: within a window, and from its last to the next window's first."""
        walk = self.walk
        (n0, n1, n2), (t0, t1, t2) = walk.extents, walk.strides
        span = n2 * (n1 * (n0 - 1) * t0 + (n1 - 1) * t1) + (n2 - 1) * t2
        return (*walk.strides, *(move - span for move in walk.moves))

    @property
    def _level_bits(self) -> int:
        """Bits of the fill level: it also counts the beats that a jump to the next window skips."""
        return bits_of(self.depth + max(self.walk.moves) + 1) + 1


def _varying(values: Sequence[int], bits: int) -> int:
    """In how many of the low bits some of the values differ."""
    mask, differ = (1 << bits) - 1, 0
    for value in values:
        differ |= value ^ values[0]
    return (differ & mask).bit_count()
