"""Max-pool over windows that overlap or leave a border: a depthwise sliding window's reader; FINN's Pool_hls.

A beat of PE channels comes for every tap of a window, channel fold by channel fold; the largest of the taps
leaves. In RTL that is the tiling max-pool on rows of taps. FINN's formulas give the block no resources; its
cycles are the beats of its input.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.block import Amounts, Attribute, Caption, RtlInstance
from etb_hw.dataflow.fabric.family import Fabric
from etb_hw.dataflow.fabric.memories import (
    bits_of,
)
from etb_hw.dataflow.fabric.parts import counter, pool_amounts
from etb_hw.dataflow.finn_fields import FinnFields
from etb_hw.dataflow.lane_block import LaneBlock
from etb_hw.dataflow.machine import Machine, at_the_last
from etb_hw.dataflow.stream import Stream
from etb_hw.dataflow.vocabulary import stream_type
from etb_hw.integer.datatype import DataType


@dataclass(frozen=True, eq=False, kw_only=True)
class WindowPool(LaneBlock):
    """Depthwise windows (OH, OW, taps*C) to (OH, OW, C); PE is the SIMD of the sliding window before it."""

    OP: ClassVar[str] = "Pool_hls"
    CAPTION: ClassVar[Caption] = Caption("Pool", "pool")

    size: tuple[int, int]
    channels: int
    kernel: tuple[int, int]
    dtype: DataType
    pe: int = 1

    @property
    def taps(self) -> int:
        return self.kernel[0] * self.kernel[1]

    @property
    def inputs(self) -> tuple[Stream, ...]:
        return (Stream((*self.size, self.taps * self.channels), self.dtype, self.pe),)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        return (Stream((*self.size, self.channels), self.dtype, self.pe),)

    def finn_attributes(self) -> Mapping[str, Attribute]:
        return {
            "Channels": self.channels,
            "PE": self.pe,
            "KernelSize": self.kernel,
            "Function": "MaxPool",
            "OutImgDims": self.size,
            "InputDataType": stream_type(self.dtype).name,
            "OutputDataType": stream_type(self.dtype).name,
            "AccumBits": 0,
            "Size": 1,
            "BatchSize": 1,
        }

    def rtl(self) -> RtlInstance:
        folds = self.channels // self.pe
        return RtlInstance(
            "max_pool",
            {
                "H": self.size[0] * self.size[1] * folds,
                "W": self.taps,
                "C": self.pe,
                "PE": self.pe,
                "BITS": self.dtype.bits,
                "SIGNED": int(self.dtype.twos_complement),
                "KH": 1,
                "KW": self.taps,
            },
        )

    def execute(self, *frames: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        folded = frames[0].reshape(-1, *self.size, self.channels // self.pe, self.taps, self.pe)
        return (folded.max(axis=4).reshape(-1, *self.size, self.channels),)

    def machines(self) -> tuple[Machine, ...]:
        return at_the_last(self.taps)

    @classmethod
    def from_finn(cls, f: FinnFields) -> Self:
        return cls(
            **f.names,
            size=f.pair("OutImgDims"),
            channels=f["Channels"],
            kernel=f.pair("KernelSize"),
            dtype=f.dtype("InputDataType"),
            pe=f["PE"],
        )

    @property
    def kind(self) -> str:
        return "MaxPool"  # the same circuit

    def lut_amounts(self, fabric: Fabric) -> Amounts:
        return pool_amounts(self.pe, self.dtype.bits, 1, counter(self.taps), fabric)

    def ff_amounts(self, fabric: Fabric) -> Amounts:
        return {"one": 1, "counters": bits_of(self.taps), "output": 2 * self.pe * self.dtype.bits}
