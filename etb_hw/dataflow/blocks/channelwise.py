"""One constant a channel, added or multiplied; FINN's ChannelwiseOp_hls.

FINN's formula: ``LUT = bits PE`` for the operators plus, where a PE serves several channels,
``bits PE ceil(C/PE / 64)`` for the parameters in LUTRAM; ``bits`` are the input's.
M pixels a beat (``pixel_block``) are a pixel of M times the channels, whose constants repeat.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil
from typing import ClassVar, Literal, Self

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
from etb_hw.dataflow.fabric.parts import counter
from etb_hw.dataflow.finn_fields import FinnFields
from etb_hw.dataflow.machine import Machine, every_beat
from etb_hw.dataflow.pixel_block import PixelLaneBlock, counts_in
from etb_hw.dataflow.resources import Resources
from etb_hw.dataflow.sampling import COUNTS, Sampler, Spec, common, constants, draw_lanes, of_pixels
from etb_hw.dataflow.stream import Stream
from etb_hw.dataflow.vocabulary import stream_type, vectors
from etb_hw.dataflow.words import encode, operand, pack_words
from etb_hw.errors import BadInput
from etb_hw.integer.datatype import BIPOLAR, DataType


@dataclass(frozen=True, eq=False, kw_only=True)
class Channelwise(PixelLaneBlock):
    """``y = x + parameters[c]`` or ``y = x * parameters[c]`` for every value of (H, W, C) or (C,)."""

    OP: ClassVar[str] = "ChannelwiseOp_hls"
    CAPTION: ClassVar[Caption] = Caption("Affine a channel", "threshold")

    func: Literal["add", "mul"]
    parameters: NDArray[np.int64]
    input_dtype: DataType
    output_dtype: DataType
    pixels: tuple[int, ...]
    pe: int = 1
    writable: bool = False  # what is added, at run time, in our RTL

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.writable:
            return
        if self.func == "mul":
            raise BadInput(self.layer, "has writable factors, which there are none of", "fix them")
        kind = self.input_dtype.addend
        beyond = self.parameters[(self.parameters < kind.min) | (self.parameters > kind.max)]
        if beyond.size:
            raise BadInput(
                self.layer,
                f"adds {beyond[0]}, and a memory for any network holds {kind.min} to {kind.max} here",
                "build it with fixed weights",
            )

    @property
    def channels(self) -> int:
        return int(self.parameters.shape[0])

    @property
    def parameter_dtype(self) -> DataType:
        if self.writable:
            return self.input_dtype.addend
        return DataType.smallest(int(self.parameters.min()), int(self.parameters.max()))

    @property
    def shift(self) -> int:
        """The power of two that every channel is multiplied by, 0 where there is none: then it is wires."""
        factor = int(self.parameters[0])
        same = self.func == "mul" and bool((self.parameters == factor).all())
        return factor.bit_length() - 1 if same and factor > 1 and factor.bit_count() == 1 else 0

    @property
    def inputs(self) -> tuple[Stream, ...]:
        return (self.stream((*self.pixels, self.channels), self.input_dtype),)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        return (self.stream((*self.pixels, self.channels), self.output_dtype),)

    @property
    def pixel_counts(self) -> tuple[int, ...]:
        return counts_in(self.pixels)

    def resources(self) -> Resources:
        bits, fold = self.input_dtype.bits, self.channels // self.pe
        return Resources(lut=bits * self.lanes * (1 + (ceil(fold / 64) if fold > 1 else 0)))

    def finn_attributes(self) -> Mapping[str, Attribute]:
        return {
            "Func": self.func,
            "NumChannels": self.channels,
            "PE": self.pe,
            "ram_style": "distributed",
            "inputDataType": stream_type(self.input_dtype).name,
            "paramDataType": self.parameter_dtype.name,
            "outputDataType": self.output_dtype.name,
            "numInputVectors": vectors(self.inputs[0].shape),
        }

    def finn_parameters(self) -> tuple[FinnParameter, ...]:
        return (("parameters", self.parameters.astype(np.float32)[:, None], self.parameter_dtype),)

    def parameter_fields(self) -> tuple[NDArray[np.int64], int]:
        """The parameter memory: bit patterns (channels / PE, M x PE), and their bits."""
        kind = self.parameter_dtype
        folded = np.tile(self.parameters.reshape(self.channels // self.pe, self.pe), self.m)
        return encode(folded, kind), kind.bits

    def rtl(self) -> RtlInstance:
        kind = self.parameter_dtype
        fields, _ = self.parameter_fields()
        return RtlInstance(
            "channelwise",
            {
                "C": self.m * self.channels,
                "PE": self.lanes,
                "MULTIPLY": int(self.func == "mul"),
                **operand("IN", self.input_dtype),
                "P_BITS": kind.bits,
                "P_SIGNED": int(kind.signed),
                "OUT_BITS": self.output_dtype.bits,
                "SHIFT": self.shift,
                "WRITABLE": int(self.writable),
            },
            (RtlMemory("PARAMETERS", self.lanes * kind.bits, pack_words(fields, kind.bits), self.writable),),
        )

    def loadable(self) -> Self:
        # products have no width that all factors share
        return replace(self, writable=True) if self.func == "add" else self

    def redrawn(self, rng: np.random.Generator) -> Self:
        return replace(self, parameters=rng.permutation(self.parameters)) if self.writable else self

    @property
    def finn_notes(self) -> Mapping[str, Attribute]:
        return {"etb_writable": 1} if self.writable else {}

    def execute(self, *frames: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        (x,) = frames
        return (x * self.parameters if self.func == "mul" else x + self.parameters,)

    def machines(self) -> tuple[Machine, ...]:
        return every_beat(2)

    @classmethod
    def from_finn(cls, f: FinnFields) -> Self:
        return cls(
            **f.names,
            func=f["Func"],
            parameters=f.ints(0)[:, 0],
            input_dtype=f.dtype("inputDataType"),
            output_dtype=f.dtype("outputDataType", "etb_outputs"),
            pixels=f.pixels,
            pe=f["PE"],
            writable=f.flag("etb_writable"),
            m=f.get("M", 1),
        )

    @property
    def kind(self) -> str:
        return f"Channelwise {self.func}"

    def multipliers(self, fabric: Fabric) -> int:
        wide = self.func == "mul" and self.output_dtype.bits >= fabric.dsp_bits
        return self.lanes if wide and not self.shift else 0

    def lut_amounts(self, fabric: Fabric) -> Amounts:
        fold, lanes = self.channels // self.pe, self.lanes
        if self.shift:
            return {"one": 1}
        amounts: dict[str, float] = {
            "one": 1,
            "counters": counter(fold),
            "ROM": 0 if self.writable else rom_luts(rom_columns(*self.parameter_fields()), fold, fabric),
        }
        if self.func == "add":
            # a bit that is zero in all of a lane's constants passes the adder by
            ones = np.bitwise_or.reduce(self.parameters.reshape(fold, -1), axis=0)
            mask = (1 << self.output_dtype.bits) - 1
            found = sum(int(bits & mask).bit_count() for bits in ones)
            amounts["sums"] = lanes * self.output_dtype.bits if self.writable else self.m * found
        elif not self.multipliers(fabric):
            # a bipolar factor is two bits, 01 or 11
            bits = 1.5 if self.input_dtype == BIPOLAR else self.input_dtype.bits
            amounts["products"] = lanes * bits * self.parameter_dtype.bits
        return amounts

    def ff_amounts(self, fabric: Fabric) -> Amounts:
        if self.shift:
            return {"one": 1, "input": self.inputs[0].width, "output": self.inputs[0].width}
        own = not self.multipliers(fabric)  # DSP blocks have registers of their own
        return {
            "one": 1,
            "counters": bits_of(self.channels // self.pe),
            "input": self.inputs[0].width if own else 0,
            "output": self.outputs[0].width if own else 0,
            "ROM": 0 if self.writable else rom_columns(*self.parameter_fields()),
        }

    @property
    def links(self) -> tuple[Link, ...]:
        width = self.pe * self.parameter_dtype.bits
        return (Link(width, self.channels // self.pe),) if self.writable else ()

    @classmethod
    def samplers(cls) -> tuple[Sampler, ...]:
        return Sampler(_channelwise, 4), Sampler(of_pixels(_channelwise), 0, later=8)

    @classmethod
    def from_spec(cls, spec: Spec, rng: np.random.Generator) -> Self:
        x = DataType.parse(spec["x"])
        values = constants(rng, 1, spec["c"], 2 ** (spec["bits"] - 1) - 1)[0]
        ends = np.stack([values * x.min, values * x.max, values + x.min, values + x.max])
        ends = ends[:2] if spec["func"] == "mul" else ends[2:]
        return cls(
            **common(spec),
            func=spec["func"],
            parameters=rng.permutation(values),
            input_dtype=x,
            output_dtype=DataType.smallest(int(ends.min()), int(ends.max())),
            pixels=(4, 4),
            pe=spec["pe"],
            m=spec.get("m", 1),
        )


def _channelwise(draw: random.Random) -> Spec:
    c = draw.choice(COUNTS)
    func = draw.choice(("add", "add", "mul"))
    return {"kind": "Channelwise", "c": c, "pe": draw_lanes(draw, c, 16), "func": func,
            "x": draw.choice(("INT6", "INT10")), "bits": draw.choice((4, 8))}  # fmt: skip
