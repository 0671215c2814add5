"""Data-width converter between streams of different lanes; FINN's StreamingDataWidthConverter.

The narrow side sets the pace. Where neither width divides the other, beats pass through the least common
multiple. FINN's formula: ``LUT`` = sum over the up and the down conversion of its counter's bits plus the
width of its target register.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, floor, lcm, log2
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.block import Amounts, Attribute, Block, Caption, RtlInstance
from etb_hw.dataflow.divisors import divisors
from etb_hw.dataflow.fabric.family import Fabric
from etb_hw.dataflow.fabric.memories import bits_of
from etb_hw.dataflow.fabric.parts import counter
from etb_hw.dataflow.machine import PATTERN, SEND, TAKE, Machine
from etb_hw.dataflow.resources import Resources
from etb_hw.dataflow.sampling import COUNTS, Sampler, Spec, common
from etb_hw.dataflow.stream import Stream
from etb_hw.dataflow.vocabulary import stream_type
from etb_hw.integer.datatype import DataType


@dataclass(frozen=True, eq=False, kw_only=True)
class WidthConverter(Block):
    """A stream of ``shape`` from ``lanes_in`` to ``lanes_out`` values a beat."""

    PLUMBING: ClassVar[bool] = True
    OP: ClassVar[str] = "StreamingDataWidthConverter"
    CAPTION: ClassVar[Caption] = Caption("Width converter", "plumbing", small=True)

    shape: tuple[int, ...]
    dtype: DataType
    lanes_in: int
    lanes_out: int

    @property
    def op(self) -> str:
        low, high = sorted((self.lanes_in, self.lanes_out))
        return f"{self.OP}_{'hls' if high % low else 'rtl'}"

    @property
    def inputs(self) -> tuple[Stream, ...]:
        return (self._stream(self.lanes_in),)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        return (self._stream(self.lanes_out),)

    def _stream(self, lanes: int) -> Stream:
        """More lanes than channels are several pixels."""
        return Stream(self.shape, self.dtype, lanes, max(1, lanes // self.shape[-1]))

    @property
    def cycles(self) -> int:
        return max(self.inputs[0].beats, self.outputs[0].beats)

    def resources(self) -> Resources:
        return Resources(lut=converter_luts(self.inputs[0].width, self.outputs[0].width))

    def finn_attributes(self) -> Mapping[str, Attribute]:
        return {
            "shape": (1, *self.shape),
            "inWidth": self.inputs[0].width,
            "outWidth": self.outputs[0].width,
            "dataType": stream_type(self.dtype).name,
        }

    def rtl(self) -> RtlInstance:
        return RtlInstance(
            "width_converter", {"IN_WIDTH": self.inputs[0].width, "OUT_WIDTH": self.outputs[0].width}
        )

    def execute(self, *frames: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        return frames

    def machines(self) -> tuple[Machine, ...]:
        between = lcm(self.lanes_in, self.lanes_out)
        parts = []
        if between > self.lanes_in:
            join = np.full(between // self.lanes_in, TAKE, dtype=np.uint8)
            join[-1] |= SEND
            parts.append(Machine(PATTERN, join))
        if between > self.lanes_out:
            split = np.full(between // self.lanes_out, SEND, dtype=np.uint8)
            split[0] |= TAKE
            parts.append(Machine(PATTERN, split))
        return tuple(parts)

    def lut_amounts(self, fabric: Fabric) -> Amounts:
        width_in, width_out, between = self._widths
        amounts: dict[str, float] = {
            "one": (width_in < between) + (width_out < between),
            # a join by two counts in one bit, beside which the valid bit takes a LUT
            "counters": max(counter(between // width_in), 2 * (width_in < between))
            + counter(between // width_out),
            "split": between - width_out,  # the highest beat is only loaded
        }
        if max(width_in, width_out) < between:
            amounts |= {"pair": 1, "kept": between}  # joins, keeps two words, splits
        return amounts

    def ff_amounts(self, fabric: Fabric) -> Amounts:
        width_in, width_out, between = self._widths
        words = 4 if max(width_in, width_out) < between else 1
        counters = bits_of(between // width_in) + bits_of(between // width_out)
        return {"one": 1, "counters": counters, "words": words * between}

    @property
    def _widths(self) -> tuple[int, int, int]:
        """Widths in bits: in, out, and their least common multiple."""
        widths = self.inputs[0].width, self.outputs[0].width
        return (*widths, lcm(*widths))

    @classmethod
    def samplers(cls) -> tuple[Sampler, ...]:
        return (Sampler(_converter, 5),)

    @classmethod
    def from_spec(cls, spec: Spec, rng: np.random.Generator) -> Self:
        lanes = spec["a"], spec["b"]
        x = DataType.parse(spec["x"])
        return cls(**common(spec), shape=(4, 4, spec["c"]), dtype=x, lanes_in=lanes[0], lanes_out=lanes[1])


def converter_luts(width_in: int, width_out: int) -> int:
    """FINN's LUT formula of a converter between two widths in bits (0 where they are equal)."""
    between = lcm(width_in, width_out)
    luts = 0
    if width_in != between:
        luts += floor(log2(between / width_in)) + between
    if between != width_out:
        luts += ceil(log2(between / width_out)) + width_out
    return luts


def _converter(draw: random.Random) -> Spec:
    c = draw.choice(COUNTS[1:])
    a, b = draw.sample([n for n in divisors(c) if n <= 128], 2)
    return {
        "kind": "WidthConverter",
        "c": c,
        "a": a,
        "b": b,
        "x": draw.choice(("BIPOLAR", "BIPOLAR", "UINT8")),
    }
