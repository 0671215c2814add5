"""Depth to space: a pixel's channels become a block of pixels (the way back from nn.PixelShuffle's depth).

Beats of a row of pixels come as (pixel, y, x, channel) and leave as (y, pixel, x, channel). Seen as an image
whose rows are the pixels and whose columns are y, this is a sliding window of all rows and one column: our
RTL, its cycles and its cost are those of a window generator. FINN has no such node.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.block import Amounts, Attribute, Caption, LargeMemory, RtlInstance
from etb_hw.dataflow.blocks.sliding_window import SlidingWindow
from etb_hw.dataflow.fabric.family import Fabric
from etb_hw.dataflow.finn_fields import FinnFields
from etb_hw.dataflow.lane_block import LaneBlock
from etb_hw.dataflow.machine import Machine
from etb_hw.dataflow.registered_block import RegisteredBlock
from etb_hw.dataflow.resources import RAM_STYLES, Resources
from etb_hw.dataflow.sampling import COUNTS, Sampler, Spec, common, draw_lanes
from etb_hw.dataflow.stream import Stream
from etb_hw.dataflow.vocabulary import stream_type
from etb_hw.integer.datatype import DataType
from etb_hw.integer.depth_to_space import to_space_last


@dataclass(frozen=True, eq=False, kw_only=True)
class DepthToSpace(LaneBlock, RegisteredBlock):
    """(H, W, block * block * C), of channels (y, x, channel), to (H * block, W * block, C)."""

    OP: ClassVar[str] = "DepthToSpace_rtl"
    OURS: ClassVar[bool] = True
    LANES: ClassVar[str] = "SIMD"
    MAKES_CHANNELS: ClassVar[bool] = True
    CAPTION: ClassVar[Caption] = Caption("Depth to space", "window", small=True)

    size: tuple[int, int]
    channels: int
    block: int
    dtype: DataType
    simd: int = 1
    ram_style: str = "distributed"

    @cached_property
    def rows(self) -> SlidingWindow:
        """The window generator that does it."""
        height, width = self.size
        return SlidingWindow(
            name=self.name,
            layer=self.layer,
            size=(height * width, self.block),
            channels=self.block * self.channels,
            kernel=(width, 1),
            stride=(width, 1),
            dtype=self.dtype,
            simd=self.simd,
            ram_style=self.ram_style,
            register=self.register,
        )

    @property
    def inputs(self) -> tuple[Stream, ...]:
        return (Stream((*self.size, self.block**2 * self.channels), self.dtype, self.simd),)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        height, width = (size * self.block for size in self.size)
        return (Stream((height, width, self.channels), self.dtype, self.simd),)

    @property
    def cycles(self) -> int:
        return self.rows.cycles

    def resources(self) -> Resources:
        return self.rows.resources()

    @property
    def ram_styles(self) -> tuple[str, ...]:
        return self.rows.ram_styles

    @property
    def memory(self) -> LargeMemory | None:
        return self.rows.memory

    @property
    def registers(self) -> int:
        return self.rows.registers

    def machines(self) -> tuple[Machine, ...]:
        return self.rows.machines()

    def rtl(self) -> RtlInstance:
        return self.rows.rtl()

    def execute(self, *frames: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        return (to_space_last(frames[0], self.block, interleaved=False),)

    @property
    def kind(self) -> str:
        return self.rows.kind

    def lut_amounts(self, fabric: Fabric) -> Amounts:
        return self.rows.lut_amounts(fabric)

    def ff_amounts(self, fabric: Fabric) -> Amounts:
        return self.rows.ff_amounts(fabric)

    def finn_attributes(self) -> Mapping[str, Attribute]:
        return {
            "IFMDim": self.size,
            "NumChannels": self.channels,
            "Block": self.block,
            "SIMD": self.simd,
            "inputDataType": stream_type(self.dtype).name,
            "ram_style": self.ram_style,
        }

    @classmethod
    def from_finn(cls, f: FinnFields) -> Self:
        return cls(
            **f.names,
            size=f.pair("IFMDim"),
            channels=f["NumChannels"],
            block=f["Block"],
            dtype=f.dtype("inputDataType"),
            simd=f["SIMD"],
            ram_style=f.choice("ram_style", RAM_STYLES),
            register=f.flag("etb_register"),
        )

    @classmethod
    def samplers(cls) -> tuple[Sampler, ...]:
        return (Sampler(_draw, 0, later=4),)

    @classmethod
    def from_spec(cls, spec: Spec, rng: np.random.Generator) -> Self:
        return cls(
            **common(spec),
            size=(spec["h"], spec["w"]),
            channels=spec["c"],
            block=spec["block"],
            dtype=DataType.parse(spec["x"]),
            simd=spec["simd"],
        )


def _draw(draw: random.Random) -> Spec:
    c, size, block = draw.choice(COUNTS), draw.choice((4, 7, 8, 14, 16)), draw.choice((2, 2, 2, 3, 4))
    x = draw.choice(("BIPOLAR", "BIPOLAR", "BIPOLAR", "UINT2", "UINT4"))
    return {"kind": "DepthToSpace", "h": size, "w": size, "c": c, "block": block,
            "simd": draw_lanes(draw, c), "x": x}  # fmt: skip
