"""Thresholding: a stand-alone multi-threshold; FINN's Thresholding_rtl.

FINN's formula counts only the threshold memory: a binary search keeps ``2**s`` thresholds a channel in stage
s, a LUT holding 64 bits, for each PE and output bit. (FINN picks, by least waste, among LUTRAM, BRAM and
URAM shapes; LUTRAM wins wherever a memory is not nearly full.) M pixels a beat (``pixel_block``) are a pixel
of M times the channels, whose thresholds repeat.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.block import (
    Amounts,
    Attribute,
    Caption,
    FinnParameter,
    RtlInstance,
    RtlMemory,
)
from etb_hw.dataflow.fabric.family import Fabric
from etb_hw.dataflow.fabric.links import Link
from etb_hw.dataflow.fabric.memories import (
    bits_of,
    rom_columns,
    rom_luts,
)
from etb_hw.dataflow.fabric.parts import comparator, counter
from etb_hw.dataflow.finn_fields import FinnFields
from etb_hw.dataflow.machine import Machine, every_beat
from etb_hw.dataflow.multi_threshold import multi_threshold
from etb_hw.dataflow.pixel_block import PixelLaneBlock, counts_in
from etb_hw.dataflow.resources import Resources
from etb_hw.dataflow.sampling import COUNTS, Sampler, Spec, common, constants, draw_lanes, levels, of_pixels
from etb_hw.dataflow.stream import Stream
from etb_hw.dataflow.vocabulary import stream_type, vectors
from etb_hw.dataflow.words import encode, lowest_value, pack_words
from etb_hw.integer.datatype import BIPOLAR, DataType


@dataclass(frozen=True, eq=False, kw_only=True)
class Thresholding(PixelLaneBlock):
    """``y = dtype.min + dtype.step * #{t : x >= thresholds[c, t]}`` for every value of (H, W, C) or (C,)."""

    OP: ClassVar[str] = "Thresholding_rtl"
    CAPTION: ClassVar[Caption] = Caption("Thresholds", "threshold")

    thresholds: NDArray[np.int64]
    input_dtype: DataType
    output_dtype: DataType
    pixels: tuple[int, ...]
    pe: int = 1
    writable: bool = False  # at run time, in our RTL

    @property
    def channels(self) -> int:
        return int(self.thresholds.shape[0])

    @property
    def inputs(self) -> tuple[Stream, ...]:
        return (self.stream((*self.pixels, self.channels), self.input_dtype),)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        return (self.stream((*self.pixels, self.channels), self.output_dtype),)

    @property
    def pixel_counts(self) -> tuple[int, ...]:
        return counts_in(self.pixels)

    @cached_property
    def threshold_dtype(self) -> DataType:
        """The input's type with one value more at the top, for thresholds that are never reached."""
        return DataType.smallest(self.input_dtype.min, self.input_dtype.max + 1)

    @cached_property
    def clipped_thresholds(self) -> NDArray[np.int64]:
        return np.clip(self.thresholds, self.input_dtype.min, self.input_dtype.max + 1)

    @cached_property
    def _finn_thresholds(self) -> tuple[NDArray[np.int64], DataType]:
        """Thresholds as FINN holds them, and the narrowest type that does."""
        values = self.clipped_thresholds
        if self.input_dtype == BIPOLAR:
            values = -(-(values + 1) // 2)  # -1, +1 travel as 0, 1
        return values, DataType.smallest(min(0, int(values.min())), int(values.max()))

    def resources(self) -> Resources:
        fold, bits = self.channels // self.pe, self._finn_thresholds[1].bits
        stages = range(self.output_dtype.bits)
        return Resources(lut=sum(self.lanes * bits * ceil(fold * 2**stage / 64) for stage in stages))

    def finn_attributes(self) -> Mapping[str, Attribute]:
        return {
            "NumChannels": self.channels,
            "PE": self.pe,
            "numSteps": int(self.thresholds.shape[1]),
            "inputDataType": stream_type(self.input_dtype).name,
            "weightDataType": self._finn_thresholds[1].name,
            "outputDataType": stream_type(self.output_dtype).name,
            "ActVal": lowest_value(self.output_dtype),
            "numInputVectors": vectors(self.inputs[0].shape),
            "runtime_writeable_weights": 0,
        }

    def finn_parameters(self) -> tuple[FinnParameter, ...]:
        values, kind = self._finn_thresholds
        return (("thresholds", values.astype(np.float32), kind),)

    def threshold_fields(self) -> tuple[NDArray[np.int64], int]:
        """The threshold memory: bit patterns (channels / PE, M x PE x T), T fastest, and their bits."""
        folded = np.tile(self.clipped_thresholds.reshape(self.channels // self.pe, -1), self.m)
        return encode(folded, self.threshold_dtype), self.threshold_dtype.bits

    def rtl(self) -> RtlInstance:
        steps = int(self.thresholds.shape[1])
        fields, bits = self.threshold_fields()
        width = self.lanes * steps * bits
        return RtlInstance(
            "thresholding",
            {
                "C": self.m * self.channels,
                "PE": self.lanes,
                "IN_BITS": self.input_dtype.bits,
                "IN_SIGNED": int(self.input_dtype.signed),
                "IN_BIPOLAR": int(self.input_dtype == BIPOLAR),
                "T_BITS": bits,
                "T_SIGNED": int(self.threshold_dtype.signed),
                "STEPS": steps,
                "OUT_BITS": self.output_dtype.bits,
                "OUT_BIAS": lowest_value(self.output_dtype),
                "WRITABLE": int(self.writable),
            },
            (RtlMemory("THRESHOLDS", width, pack_words(fields, bits), self.writable),),
        )

    def loadable(self) -> Self:
        return replace(self, writable=True)

    def redrawn(self, rng: np.random.Generator) -> Self:
        return replace(self, thresholds=rng.permutation(self.thresholds)) if self.writable else self

    @property
    def finn_notes(self) -> Mapping[str, Attribute]:
        return {"etb_writable": 1} if self.writable else {}

    def execute(self, *frames: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        return (multi_threshold(frames[0], self.thresholds, self.output_dtype),)

    def machines(self) -> tuple[Machine, ...]:
        return every_beat(2)

    @classmethod
    def from_finn(cls, f: FinnFields) -> Self:
        dtype, values = f.dtype("inputDataType"), f.ints(0)
        return cls(
            **f.names,
            thresholds=2 * values - 1 if dtype == BIPOLAR else values,
            input_dtype=dtype,
            output_dtype=f.dtype("outputDataType", "etb_outputs"),
            pixels=f.pixels,
            pe=f["PE"],
            writable=f.flag("etb_writable"),
            m=f.get("M", 1),
        )

    def lut_amounts(self, fabric: Fabric) -> Amounts:
        fold, bits = self.channels // self.pe, self.threshold_dtype.bits
        steps, lanes = int(self.thresholds.shape[1]), self.lanes
        constant = fold == 1 and not self.writable
        return {
            "one": 1,
            "counters": counter(fold),
            "constant comparators" if constant else "comparators": lanes * steps * comparator(bits),
            "ROM": 0 if self.writable else rom_luts(rom_columns(*self.threshold_fields()), fold, fabric),
            "step counts": lanes * steps if steps > 1 else 0,
        }

    def ff_amounts(self, fabric: Fabric) -> Amounts:
        return {
            "one": 1,
            "counters": bits_of(self.channels // self.pe),
            "input": self.inputs[0].width,
            "output": self.outputs[0].width,
            "ROM": 0 if self.writable else rom_columns(*self.threshold_fields()),
        }

    @property
    def links(self) -> tuple[Link, ...]:
        width = self.pe * int(self.thresholds.shape[1]) * self.threshold_dtype.bits
        return (Link(width, self.channels // self.pe),) if self.writable else ()

    @classmethod
    def samplers(cls) -> tuple[Sampler, ...]:
        return Sampler(_thresholding, 3), Sampler(of_pixels(_thresholding), 0, later=8)

    @classmethod
    def from_spec(cls, spec: Spec, rng: np.random.Generator) -> Self:
        x = DataType.parse(spec["x"])
        return cls(
            **common(spec),
            thresholds=constants(rng, spec["c"], spec["steps"], x.max),
            input_dtype=x,
            output_dtype=levels(spec["steps"]),
            pixels=(4, 4),
            pe=spec["pe"],
            m=spec.get("m", 1),
        )


def _thresholding(draw: random.Random) -> Spec:
    c = draw.choice(COUNTS)
    return {"kind": "Thresholding", "c": c, "pe": draw_lanes(draw, c, 32), "steps": draw.choice((1, 1, 3, 7)),
            "x": draw.choice(("INT6", "INT9", "INT12"))}  # fmt: skip
