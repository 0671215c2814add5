"""FIFO: elastic storage on a stream; FINN's StreamingFIFO_rtl.

FINN's formula for its shift-register FIFO: ``LUT = 2 ceil(log2 depth) + ceil(depth/32) ceil(width/2)``.
With ``ram_style`` ``block`` or ``ultra`` it is FINN's ``vivado`` style: the depth rounds up to a power of two
and the words move to block RAM or UltraRAM.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, log2
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.block import Amounts, Attribute, Caption, LargeMemory, RtlInstance
from etb_hw.dataflow.fabric.family import Fabric
from etb_hw.dataflow.fabric.memories import (
    bits_of,
    buffer_amounts,
    is_slow,
    part_rows,
    read_registers,
)
from etb_hw.dataflow.fabric.parts import comparator, counter
from etb_hw.dataflow.machine import Machine, every_beat
from etb_hw.dataflow.registered_block import RegisteredBlock
from etb_hw.dataflow.resources import Resources, bram_18k, small_memory_style, urams
from etb_hw.dataflow.sampling import Sampler, Spec, common
from etb_hw.dataflow.stream import Stream
from etb_hw.dataflow.vocabulary import stream_type
from etb_hw.integer.datatype import DataType


@dataclass(frozen=True, eq=False, kw_only=True)
class Fifo(RegisteredBlock):
    """A stream delayed by at most ``depth`` beats.

    ``register``: whether our RTL reads its memory ahead of time, for a faster clock; no cycle differs.
    """

    PLUMBING: ClassVar[bool] = True
    OP: ClassVar[str] = "StreamingFIFO_rtl"
    CAPTION: ClassVar[Caption] = Caption("FIFO", "plumbing", small=True)

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

    def finn_attributes(self) -> Mapping[str, Attribute]:
        shape, m = self.stream.shape, self.stream.m
        pixels = shape[:-1] if m == 1 else (*shape[:-2], shape[-2] // m)
        folded = (1, *pixels, m * self.stream.channels // self.stream.lanes, self.stream.lanes)
        return {
            "depth": self.depth,
            "folded_shape": folded,
            "normal_shape": (1, *shape),
            "dataType": stream_type(self.stream.dtype).name,
            "impl_style": "vivado" if self.vivado else "rtl",
            "ram_style": self.ram_style,
        }

    @property
    def rtl_ram_style(self) -> str:
        """What our RTL builds: the style, with ``auto`` decided by size."""
        if self.ram_style != "auto":
            return self.ram_style
        return small_memory_style(self.stream.width, self.depth)

    def rtl(self) -> RtlInstance:
        # two registers are the least that keeps beats moving every cycle
        depth = max(2, self.depth)
        parameters: dict[str, int | str] = {
            "WIDTH": self.stream.width,
            "DEPTH": depth,
            "RAM_STYLE": self.rtl_ram_style,
        }
        if self.reads_ahead:
            parameters |= {"AHEAD": 1, "ROWS": part_rows(depth - 1, self.rtl_ram_style)}
        return RtlInstance("fifo", parameters)

    @property
    def reads_ahead(self) -> bool:
        """Whether its memory is read ahead of time."""
        return self.register and self.depth > 2 and is_slow(self.depth - 1, self.rtl_ram_style)

    @property
    def registers(self) -> int:
        if not self.reads_ahead:
            return 0
        words, width = self.depth - 1, self.stream.width
        # what is behind the pointers, the word that came late, and one that says that it did
        return 2 * bits_of(words) + width + 1 + read_registers(width, words, self.rtl_ram_style)

    def execute(self, *frames: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        return frames

    def machines(self) -> tuple[Machine, ...]:
        return every_beat()

    @property
    def memory(self) -> LargeMemory | None:
        if self.depth <= 2:
            return None
        return LargeMemory(self.stream.width, self.depth - 1, self.rtl_ram_style, written=True)

    def lut_amounts(self, fabric: Fabric) -> Amounts:
        if self.depth <= 2:
            return {"pair": 1, "choice": self.stream.width}
        words = self.depth - 1
        kept = buffer_amounts(self.stream.width, words, self.rtl_ram_style, "words", fabric)
        compared = 2 * comparator(bits_of(words))  # each pointer with the word behind the other
        return {"one": 1, "pointers": 2 * counter(words), "compared": compared, **kept}

    def ff_amounts(self, fabric: Fabric) -> Amounts:
        width = self.stream.width
        if self.depth <= 2:
            return {"pair": 1, "words": 2 * width}
        output = width if self.rtl_ram_style == "distributed" else 0
        # one says that a beat waits, one that no word is free, one that one is taken
        return {"one": 3, "pointers": 2 * bits_of(self.depth - 1), "output": output}

    @classmethod
    def samplers(cls) -> tuple[Sampler, ...]:
        return (Sampler(_fifo, 5),)

    @classmethod
    def from_spec(cls, spec: Spec, rng: np.random.Generator) -> Self:
        stream = Stream((spec["depth"] * 2,), DataType.unsigned(spec["width"]), 1)
        return cls(**common(spec), stream=stream, depth=spec["depth"])


def _fifo(draw: random.Random) -> Spec:
    width = draw.choice((1, 2, 4, 8, 12, 16, 24, 32, 48, 64))
    return {
        "kind": "Fifo",
        "width": width,
        "depth": draw.choice((2, 2, 8, 17, 32, 64, 100, 128, 256, 512, 1024, 1500, 4096)),
    }
