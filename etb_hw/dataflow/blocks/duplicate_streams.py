"""One stream to several equal ones; FINN's DuplicateStreams_hls. FINN's formulas give it no resources.

A beat may be of M pixels (``pixel_block``).
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
from etb_hw.dataflow.machine import DUPLICATE, Machine
from etb_hw.dataflow.pixel_block import PixelLaneBlock, counts_in
from etb_hw.dataflow.sampling import COUNTS, Sampler, Spec, common, draw_lanes, of_pixels
from etb_hw.dataflow.stream import Stream
from etb_hw.dataflow.vocabulary import stream_type, vectors
from etb_hw.integer.datatype import DataType


@dataclass(frozen=True, eq=False, kw_only=True)
class DuplicateStreams(PixelLaneBlock):
    """(H, W, C) or (C,) to ``copies`` streams of the same."""

    OP: ClassVar[str] = "DuplicateStreams_hls"
    CAPTION: ClassVar[Caption] = Caption("Duplicate", "join", small=True)

    shape: tuple[int, ...]
    dtype: DataType
    copies: int
    pe: int = 1

    @property
    def inputs(self) -> tuple[Stream, ...]:
        return (self.stream(self.shape, self.dtype),)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        return self.inputs * self.copies

    @property
    def pixel_counts(self) -> tuple[int, ...]:
        return counts_in(self.shape[:-1])

    def finn_attributes(self) -> Mapping[str, Attribute]:
        return {
            "NumChannels": self.shape[-1],
            "PE": self.pe,
            "NumOutputStreams": self.copies,
            "inputDataType": stream_type(self.dtype).name,
            "numInputVectors": vectors(self.shape),
            "outFIFODepths": (2,) * self.copies,
        }

    def rtl(self) -> RtlInstance:
        return RtlInstance("duplicate_streams", {"WIDTH": self.inputs[0].width, "COPIES": self.copies})

    def execute(self, *frames: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        return frames * self.copies

    def machines(self) -> tuple[Machine, ...]:
        return (Machine(DUPLICATE),)

    @classmethod
    def from_finn(cls, f: FinnFields) -> Self:
        return cls(
            **f.names,
            shape=(*f.pixels, f["NumChannels"]),
            dtype=f.dtype("inputDataType"),
            copies=f["NumOutputStreams"],
            pe=f["PE"],
            m=f.get("M", 1),
        )

    def lut_amounts(self, fabric: Fabric) -> Amounts:
        return {"one": 1, "copies": self.copies}

    def ff_amounts(self, fabric: Fabric) -> Amounts:
        return {"copies": self.copies}

    @classmethod
    def samplers(cls) -> tuple[Sampler, ...]:
        return Sampler(_duplicate, 1), Sampler(of_pixels(_duplicate), 0, later=4)

    @classmethod
    def from_spec(cls, spec: Spec, rng: np.random.Generator) -> Self:
        x = DataType.parse(spec["x"])
        shape = (4, 4, spec["c"])
        return cls(**common(spec), shape=shape, dtype=x, copies=2, pe=spec["pe"], m=spec.get("m", 1))


def _duplicate(draw: random.Random) -> Spec:
    c = draw.choice(COUNTS)
    return {
        "kind": "DuplicateStreams",
        "c": c,
        "pe": draw_lanes(draw, c),
        "x": draw.choice(("INT9", "BIPOLAR")),
    }
