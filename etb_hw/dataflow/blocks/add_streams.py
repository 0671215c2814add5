"""Sum of two streams, value by value; FINN's AddStreams_hls. FINN's formulas give it no resources.

M pixels a beat (``pixel_block``) are a pixel of M times the channels.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.block import Amounts, Attribute, Caption, RtlInstance
from etb_hw.dataflow.fabric.family import Fabric
from etb_hw.dataflow.finn_fields import FinnFields
from etb_hw.dataflow.machine import PATTERN, SEND, TAKE, TAKE_SECOND, Machine
from etb_hw.dataflow.pixel_block import PixelLaneBlock, counts_in
from etb_hw.dataflow.sampling import COUNTS, Sampler, Spec, common, draw_lanes, of_pixels
from etb_hw.dataflow.stream import Stream
from etb_hw.dataflow.vocabulary import stream_type, vectors
from etb_hw.dataflow.words import operand
from etb_hw.integer.datatype import BIPOLAR, DataType


@dataclass(frozen=True, eq=False, kw_only=True)
class AddStreams(PixelLaneBlock):
    """Two streams of one shape (H, W, C) or (C,), each with its own type, to their sum."""

    OP: ClassVar[str] = "AddStreams_hls"
    CAPTION: ClassVar[Caption] = Caption("Add two streams", "join")

    shape: tuple[int, ...]
    dtypes: tuple[DataType, DataType]
    output_dtype: DataType
    pe: int = 1

    @property
    def inputs(self) -> tuple[Stream, ...]:
        return tuple(self.stream(self.shape, dtype) for dtype in self.dtypes)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        return (self.stream(self.shape, self.output_dtype),)

    @property
    def pixel_counts(self) -> tuple[int, ...]:
        return counts_in(self.shape[:-1])

    def finn_attributes(self) -> Mapping[str, Attribute]:
        # FINN knows one input type: the smallest that holds both
        low, high = min(d.min for d in self.dtypes), max(d.max for d in self.dtypes)
        both = self.dtypes[0] if self.dtypes[0] == self.dtypes[1] else DataType.smallest(low, high)
        return {
            "NumChannels": self.shape[-1],
            "PE": self.pe,
            "inputDataType": stream_type(both).name,
            "numInputVectors": vectors(self.shape),
            "inFIFODepths": (2, 2),
        }

    def rtl(self) -> RtlInstance:
        a, b = self.dtypes
        return RtlInstance(
            "add_streams",
            {
                "PE": self.lanes,
                **operand("A", a),
                **operand("B", b),
                "OUT_BITS": self.output_dtype.bits,
            },
        )

    def execute(self, *frames: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        return (frames[0] + frames[1],)

    def machines(self) -> tuple[Machine, ...]:
        return (Machine(PATTERN, np.array([TAKE | TAKE_SECOND | SEND], dtype=np.uint8)),)

    @classmethod
    def from_finn(cls, f: FinnFields) -> Self:
        return cls(
            **f.names,
            shape=(*f.pixels, f["NumChannels"]),
            dtypes=(f.dtype("inputDataType"), f.dtype("inputDataType", port=1)),
            output_dtype=DataType.parse(f["etb_outputs"][0].decode()),
            pe=f["PE"],
            m=f.get("M", 1),
        )

    def lut_amounts(self, fabric: Fabric) -> Amounts:
        # the highest bit of a sum needs no LUT of its own
        bits = max(2 if dtype == BIPOLAR else dtype.bits for dtype in self.dtypes)
        return {"one": 1, "sums": self.lanes * bits}

    def ff_amounts(self, fabric: Fabric) -> Amounts:
        bits = max(dtype.bits for dtype in self.dtypes) + 1
        return {"one": 1, "sums": self.lanes * bits}

    @classmethod
    def samplers(cls) -> tuple[Sampler, ...]:
        return Sampler(_add, 2), Sampler(of_pixels(_add), 0, later=8)

    @classmethod
    def from_spec(cls, spec: Spec, rng: np.random.Generator) -> Self:
        x = DataType.parse(spec["x"])
        out = DataType.smallest(2 * x.min, 2 * x.max)
        return cls(
            **common(spec),
            shape=(4, 4, spec["c"]),
            dtypes=(x, x),
            output_dtype=out,
            pe=spec["pe"],
            m=spec.get("m", 1),
        )


def _add(draw: random.Random) -> Spec:
    c = draw.choice(COUNTS)
    return {
        "kind": "AddStreams",
        "c": c,
        "pe": draw_lanes(draw, c, 32),
        "x": draw.choice(("INT5", "INT9", "BIPOLAR")),
    }
