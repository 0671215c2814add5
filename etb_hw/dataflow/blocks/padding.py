"""Padding: a constant border around an image; FINN's FMPadding_rtl.

FINN pads with zero only, which on a BINARY stream is the bipolar -1 that we train with; other constants are
ours. Cycles as FINN counts them, a beat an output pixel fold; FINN's formulas give the block no resources.
M pixels a beat (``pixel_block``) have to divide the image's rows and those with their border.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from math import gcd
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.block import Amounts, Attribute, Caption, RtlInstance
from etb_hw.dataflow.divisors import divisors
from etb_hw.dataflow.fabric.family import Fabric
from etb_hw.dataflow.fabric.memories import bits_of
from etb_hw.dataflow.fabric.parts import comparator
from etb_hw.dataflow.finn_fields import FinnFields
from etb_hw.dataflow.kept_channels import KeepsChannels
from etb_hw.dataflow.machine import PATTERN, SEND, TAKE, Machine
from etb_hw.dataflow.pixel_block import PixelLaneBlock
from etb_hw.dataflow.sampling import COUNTS, Sampler, Spec, common, draw_lanes
from etb_hw.dataflow.stream import Stream
from etb_hw.dataflow.vocabulary import stream_type
from etb_hw.dataflow.words import encode
from etb_hw.integer.datatype import BIPOLAR, DataType


@dataclass(frozen=True, eq=False, kw_only=True)
class Padding(PixelLaneBlock, KeepsChannels):
    """(H, W, C) to (H + top + bottom, W + left + right, C), the border filled with ``value``."""

    OP: ClassVar[str] = "FMPadding_rtl"
    RUNS_AHEAD: ClassVar[bool] = True
    LANES: ClassVar[str] = "SIMD"
    CAPTION: ClassVar[Caption] = Caption("Padding", "window", small=True)

    size: tuple[int, int]
    pads: tuple[int, int, int, int]  # top, left, bottom, right
    value: int
    dtype: DataType
    simd: int = 1

    @property
    def inputs(self) -> tuple[Stream, ...]:
        return (self.stream((*self.size, self.channels), self.dtype),)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        top, left, bottom, right = self.pads
        shape = (self.size[0] + top + bottom, self.size[1] + left + right, self.channels)
        return (self.stream(shape, self.dtype),)

    @property
    def pixel_counts(self) -> tuple[int, ...]:
        return divisors(gcd(self.size[1], self.pads[1] + self.pads[3]))[1:]

    @property
    def cycles(self) -> int:
        return self.outputs[0].beats

    def finn_attributes(self) -> Mapping[str, Attribute]:
        return {
            "ImgDim": self.size,
            "Padding": self.pads,
            "NumChannels": self.channels,
            "SIMD": self.simd,
            "inputDataType": stream_type(self.dtype).name,
            "numInputVectors": 1,
        }

    def rtl(self) -> RtlInstance:
        top, left, bottom, right = self.pads
        return RtlInstance(
            "padding",
            {
                **self.pixel_parameters,
                "H": self.size[0],
                "W": self.size[1],
                "C": self.channels,
                "SIMD": self.simd,
                "BITS": self.dtype.bits,
                "TOP": top,
                "LEFT": left,
                "BOTTOM": bottom,
                "RIGHT": right,
                "VALUE": int(encode(np.array(self.value), self.dtype)),
            },
        )

    def execute(self, *frames: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        top, left, bottom, right = self.pads
        border = ((0, 0), (top, bottom), (left, right), (0, 0))
        return (np.pad(frames[0], border, constant_values=self.value),)

    def machines(self) -> tuple[Machine, ...]:
        top, left, bottom, right = self.pads
        image = np.full((self.size[0], self.size[1] // self.m), TAKE, dtype=np.uint8)
        # a beat is taken for the beat that its first pixels leave in
        border = left // self.m, (left + right) // self.m - left // self.m
        pixels = np.pad(image, ((top, bottom), border), constant_values=0) | SEND
        return (Machine(PATTERN, np.repeat(pixels.reshape(-1), self.channels // self.simd)),)

    @classmethod
    def from_finn(cls, f: FinnFields) -> Self:
        dtype = f.dtype("inputDataType")
        top, left, bottom, right = f["Padding"]
        value = f.get("etb_value", -1 if dtype == BIPOLAR else 0)
        if type(value) is not int or min(top, left, bottom, right) < 0 or not dtype.min <= value <= dtype.max:
            raise ValueError(f"a border of {value!r}, {f['Padding']}")
        return cls(
            **f.names,
            size=f.pair("ImgDim"),
            channels=f["NumChannels"],
            pads=(top, left, bottom, right),
            value=value,
            dtype=dtype,
            simd=f["SIMD"],
            m=f.get("M", 1),
        )

    @property
    def finn_notes(self) -> Mapping[str, Attribute]:
        return {"etb_value": self.value}

    def may_have_dead(self, low: int, channels: int) -> bool:
        return self.value == low

    def lut_amounts(self, fabric: Fabric) -> Amounts:
        # each coordinate is compared with its end, and with where the image begins and ends
        compared = 3 * sum(comparator(bits, constant=True) for bits in self._coordinate_bits)
        # a border of zero bits is a synchronous reset of the output register
        zeros = self.value == (-1 if self.dtype == BIPOLAR else 0)
        return {
            "one": 1,
            "coordinates": sum(self._coordinate_bits),
            "compared": compared,
            "beats": self._beat_bits,
            "lanes": 0 if zeros else self.outputs[0].width,
        }

    def ff_amounts(self, fabric: Fabric) -> Amounts:
        kept = self.pads[1] % self.m * self.simd * self.dtype.bits
        counters = sum(self._coordinate_bits) + self._beat_bits
        # one says that a beat waits, one of each coordinate whether it is of the image
        return {"one": 3, "counters": counters, "output": self.outputs[0].width + kept}

    @property
    def _coordinate_bits(self) -> tuple[int, int]:
        height, across, _ = self.outputs[0].shape
        return bits_of(height), bits_of(across // self.m)

    @property
    def _beat_bits(self) -> int:
        """Registers that count a pixel's beats; more than two have their end in one of its own."""
        beats = self.channels // self.simd
        return bits_of(beats) + (beats > 2)

    @classmethod
    def samplers(cls) -> tuple[Sampler, ...]:
        return Sampler(_padding, 2), Sampler(_pixels, 0, later=8)

    @classmethod
    def from_spec(cls, spec: Spec, rng: np.random.Generator) -> Self:
        x = DataType.parse(spec["x"])
        return cls(
            **common(spec),
            size=(spec["h"], spec["w"]),
            channels=spec["c"],
            pads=(1, 1, 1, 1),
            value=-1 if x == BIPOLAR else 0,
            dtype=x,
            simd=spec["simd"],
            m=spec.get("m", 1),
        )


def _padding(draw: random.Random) -> Spec:
    c, size = draw.choice(COUNTS), draw.choice((4, 8, 16, 32))
    x = draw.choice(("BIPOLAR", "UINT8"))
    return {"kind": "Padding", "h": size, "w": size, "c": c, "simd": draw_lanes(draw, c), "x": x}


def _pixels(draw: random.Random) -> Spec:
    spec = _padding(draw)
    return {**spec, "simd": spec["c"], "m": 2}
