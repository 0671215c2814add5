"""Sum over all pixels of an image; FINN's GlobalAccPool_hls.

Our RTL takes a beat a cycle; FINN accumulates, then writes: ``(H W + 1) C/PE`` cycles. FINN's formulas give
the block no resources.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.block import Amounts, Attribute, Caption, RtlInstance
from etb_hw.dataflow.fabric.family import Fabric
from etb_hw.dataflow.fabric.memories import (
    bits_of,
    lutram_amounts,
)
from etb_hw.dataflow.fabric.parts import counter
from etb_hw.dataflow.finn_fields import FinnFields
from etb_hw.dataflow.lane_block import LaneBlock
from etb_hw.dataflow.machine import PATTERN, SEND, TAKE, Machine
from etb_hw.dataflow.sampling import COUNTS, Sampler, Spec, common, draw_lanes
from etb_hw.dataflow.stream import Stream
from etb_hw.dataflow.vocabulary import stream_type, vectors
from etb_hw.dataflow.words import operand
from etb_hw.integer.datatype import DataType


@dataclass(frozen=True, eq=False, kw_only=True)
class SumPool(LaneBlock):
    """(H, W, C) to (1, 1, C)."""

    OP: ClassVar[str] = "GlobalAccPool_hls"
    CAPTION: ClassVar[Caption] = Caption("Sum over pixels", "pool")

    size: tuple[int, int]
    channels: int
    dtype: DataType
    output_dtype: DataType
    pe: int = 1

    @property
    def inputs(self) -> tuple[Stream, ...]:
        return (Stream((*self.size, self.channels), self.dtype, self.pe),)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        return (Stream((1, 1, self.channels), self.output_dtype, self.pe),)

    @property
    def finn_cycles(self) -> int:
        return self.inputs[0].beats + self.outputs[0].beats

    def finn_attributes(self) -> Mapping[str, Attribute]:
        return {
            "NumChannels": self.channels,
            "PE": self.pe,
            "inputDataType": stream_type(self.dtype).name,
            "numInputVectors": vectors(self.inputs[0].shape),
        }

    def rtl(self) -> RtlInstance:
        return RtlInstance(
            "sum_pool",
            {
                "PIXELS": prod(self.size),
                "C": self.channels,
                "PE": self.pe,
                **operand("IN", self.dtype),
                "OUT_BITS": self.output_dtype.bits,
            },
        )

    def execute(self, *frames: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        return (frames[0].sum(axis=(1, 2), keepdims=True),)

    def machines(self) -> tuple[Machine, ...]:
        steps = np.full((prod(self.size), self.channels // self.pe), TAKE, dtype=np.uint8)
        steps[-1] |= SEND
        return (Machine(PATTERN, steps.reshape(-1)),)

    @classmethod
    def from_finn(cls, f: FinnFields) -> Self:
        height, width = f.pixels
        return cls(
            **f.names,
            size=(height, width),
            channels=f["NumChannels"],
            dtype=f.dtype("inputDataType"),
            output_dtype=DataType.parse(f["etb_outputs"][0].decode()),
            pe=f["PE"],
        )

    def lut_amounts(self, fabric: Fabric) -> Amounts:
        width, fold = self.pe * self.output_dtype.bits, self.channels // self.pe
        return {
            "one": 1,
            "counters": counter(fold) + counter(prod(self.size)),
            "sums": 2 * width,  # the adder takes the masked partial sum where it fits no LUT with it
            **lutram_amounts(width, fold, "partial", fabric),
        }

    def ff_amounts(self, fabric: Fabric) -> Amounts:
        width, fold = self.pe * self.output_dtype.bits, self.channels // self.pe
        return {"one": 1, "counters": bits_of(fold) + bits_of(prod(self.size)), "sums": width}

    @classmethod
    def samplers(cls) -> tuple[Sampler, ...]:
        return (Sampler(_sum_pool, 3),)

    @classmethod
    def from_spec(cls, spec: Spec, rng: np.random.Generator) -> Self:
        x, pixels = DataType.parse(spec["x"]), spec["h"] * spec["w"]
        out = DataType.smallest(pixels * x.min, pixels * x.max)
        size = (spec["h"], spec["w"])
        return cls(**common(spec), size=size, channels=spec["c"], dtype=x, output_dtype=out, pe=spec["pe"])


def _sum_pool(draw: random.Random) -> Spec:
    c, size = draw.choice(COUNTS), draw.choice((4, 7, 8))
    return {"kind": "SumPool", "h": size, "w": size, "c": c, "pe": draw_lanes(draw, c, 32),
            "x": draw.choice(("BIPOLAR", "INT4", "INT8"))}  # fmt: skip
