"""Upsampling: every pixel several times, down and across.

A row is kept, and sent again: a beat an output pixel fold. FINN's UpsampleNearestNeighbour_hls repeats whole
pixels of square images (or of columns) by one factor; ours takes any SIMD that divides the channels, and any
factors. So it is a node of our own, and ``builder = "finn"`` makes FINN's, which our RTL knows as well
(finn-plus has other attributes for it; the node has both).
FINN's formulas give it no resources.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.block import Amounts, Attribute, Caption, FinnNode, Fold, RtlInstance
from etb_hw.dataflow.fabric.family import Fabric
from etb_hw.dataflow.fabric.memories import bits_of, lutram_amounts
from etb_hw.dataflow.fabric.parts import counter
from etb_hw.dataflow.finn_fields import FinnFields
from etb_hw.dataflow.kept_channels import KeepsChannels
from etb_hw.dataflow.lane_block import LaneBlock
from etb_hw.dataflow.machine import PATTERN, SEND, TAKE, Machine
from etb_hw.dataflow.sampling import COUNTS, Sampler, Spec, common, draw_lanes
from etb_hw.dataflow.stream import Stream
from etb_hw.dataflow.vocabulary import OWN_DOMAIN, stream_type
from etb_hw.integer.datatype import DataType


@dataclass(frozen=True, eq=False, kw_only=True)
class Upsample(LaneBlock, KeepsChannels):
    """(H, W, C) to (H * factors[0], W * factors[1], C)."""

    OP: ClassVar[str] = "Upsample_rtl"
    OURS: ClassVar[bool] = True
    LANES: ClassVar[str] = "SIMD"
    CAPTION: ClassVar[Caption] = Caption("Upsampling", "pool", small=True)

    size: tuple[int, int]
    factors: tuple[int, int]
    dtype: DataType
    simd: int = 1

    @property
    def inputs(self) -> tuple[Stream, ...]:
        return (Stream((*self.size, self.channels), self.dtype, self.simd),)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        height, width = (size * factor for size, factor in zip(self.size, self.factors, strict=True))
        return (Stream((height, width, self.channels), self.dtype, self.simd),)

    @property
    def cycles(self) -> int:
        return self.outputs[0].beats

    def finn_attributes(self) -> Mapping[str, Attribute]:
        return {
            "IFMDim": self.size,
            "Factors": self.factors,
            "NumChannels": self.channels,
            "SIMD": self.simd,
            "inputDataType": stream_type(self.dtype).name,
            "numInputVectors": 1,
        }

    @classmethod
    def from_finn(cls, f: FinnFields) -> Self:
        return cls(
            **f.names,
            size=f.pair("IFMDim"),
            channels=f["NumChannels"],
            factors=f.pair("Factors"),
            dtype=f.dtype("inputDataType"),
            simd=f["SIMD"],
        )

    def rtl(self) -> RtlInstance:
        return RtlInstance(
            "upsample",
            {
                "W": self.size[1],
                "C": self.channels,
                "SIMD": self.simd,
                "BITS": self.dtype.bits,
                "FY": self.factors[0],
                "FX": self.factors[1],
            },
        )

    def execute(self, *frames: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        return (frames[0].repeat(self.factors[0], axis=1).repeat(self.factors[1], axis=2),)

    def machines(self) -> tuple[Machine, ...]:
        steps = np.full((self.factors[0], self.size[1], self.factors[1], self._fold), SEND, dtype=np.uint8)
        steps[0, :, 0] |= TAKE
        return (Machine(PATTERN, steps.reshape(-1)),)

    @property
    def _fold(self) -> int:
        """Beats of a pixel."""
        return self.channels // self.simd

    @property
    def _words(self) -> int:
        """Beats that are kept: of a row, or of a pixel where no row is sent again."""
        return self._fold * (self.size[1] if self.factors[0] > 1 else 1)

    def may_have_dead(self, low: int, channels: int) -> bool:
        return True

    @property
    def _counts(self) -> tuple[int, ...]:
        return (self._fold, *self.factors, self.size[1], self._words)

    def lut_amounts(self, fabric: Fabric) -> Amounts:
        width = self.simd * self.dtype.bits
        return {
            "one": 1,
            "counters": sum(map(counter, self._counts)),
            "address": bits_of(self._words) if self._fold > 1 else 0,  # it also goes back by a pixel
            "choice": width,
            **lutram_amounts(width, self._words, "row", fabric),
        }

    def ff_amounts(self, fabric: Fabric) -> Amounts:
        return {
            "one": 1,
            # synthesis keeps the word's number twice: for its counter, and as the address that is read
            "counters": sum(map(bits_of, self._counts)) + bits_of(self._words),
            "output": self.simd * self.dtype.bits,
        }

    @classmethod
    def samplers(cls) -> tuple[Sampler, ...]:
        return (Sampler(_upsample, 0, later=24),)

    @classmethod
    def from_spec(cls, spec: Spec, rng: np.random.Generator) -> Self:
        return cls(
            **common(spec),
            size=(spec["h"], spec["w"]),
            channels=spec["c"],
            factors=(spec["fy"], spec["fx"]),
            dtype=DataType.parse(spec["x"]),
            simd=spec["simd"],
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class WholeUpsample(Upsample):
    """As FINN has it: all channels of a pixel in a cycle."""

    OP: ClassVar[str] = "UpsampleNearestNeighbour_hls"
    OURS: ClassVar[bool] = False

    @property
    def folds(self) -> tuple[Fold, ...]:
        return ({},)

    @property
    def _columns(self) -> bool:
        """Whether the image is one of FINN's columns."""
        return self.size[1] == self.factors[1] == 1

    @property
    def in_finn(self) -> bool:
        """Whether FINN's node can say as much."""
        return self._columns or len({*self.size}) == len({*self.factors}) == 1

    def finn_attributes(self) -> Mapping[str, Attribute]:
        return {
            "IFMDim": self.size[0],
            "OFMDim": self.size[0] * self.factors[0],
            "NumChannels": self.channels,
            "inputDataType": stream_type(self.dtype).name,
            "numInputVectors": 1,
            "DimMode": int(self._columns),
        }

    @property
    def finn_notes(self) -> Mapping[str, Attribute]:
        """What finn-plus reads in place of sizes and mode."""
        height, width = self.outputs[0].shape[:2]
        return {"HI": self.size[0], "WI": self.size[1], "HO": height, "WO": width, "SIMD": self.channels}

    def finn_node(self) -> FinnNode:
        node = super().finn_node()
        return node if self.in_finn else replace(node, domain=OWN_DOMAIN)

    @classmethod
    def from_finn(cls, f: FinnFields) -> Self:
        return cls(
            **f.names,
            size=(f["HI"], f["WI"]),
            channels=f["NumChannels"],
            factors=(f["HO"] // f["HI"], f["WO"] // f["WI"]),
            dtype=f.dtype("inputDataType"),
            simd=f["NumChannels"],
        )

    @property
    def kind(self) -> str:
        return Upsample.__name__

    def with_dead(self, channels: int, dead_in: int, dead_out: int) -> Self:
        return replace(super().with_dead(channels, dead_in, dead_out), simd=channels + dead_in)

    @classmethod
    def samplers(cls) -> tuple[Sampler, ...]:
        return (Sampler(_whole, 0, later=4),)


def _upsample(draw: random.Random) -> Spec:
    c, size = draw.choice(COUNTS), draw.choice((4, 7, 8, 14, 16, 32))
    fy, fx = draw.choice(((2, 2),) * 6 + ((3, 3), (4, 4), (1, 2), (2, 1)))
    x = draw.choice(("BIPOLAR", "BIPOLAR", "BIPOLAR", "UINT2", "UINT4"))
    return {"kind": "Upsample", "h": size, "w": size, "c": c, "fy": fy, "fx": fx,
            "simd": draw_lanes(draw, c), "x": x}  # fmt: skip


def _whole(draw: random.Random) -> Spec:
    spec = _upsample(draw)
    return {**spec, "kind": "WholeUpsample", "simd": spec["c"]}
