"""Padding: a constant border around an image; FINN's FMPadding_rtl.

FINN pads with zero only, which on a BINARY stream is the bipolar -1 that we train with; other constants are
ours. Cycles as FINN counts them, a beat an output pixel fold; FINN's formulas give the block no resources.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.block import Block, FinnNode, Fold, RtlInstance
from etb_hw.dataflow.divisors import divisors
from etb_hw.dataflow.resources import Resources
from etb_hw.dataflow.stream import Stream
from etb_hw.dataflow.vocabulary import domain_of, stream_type
from etb_hw.dataflow.words import encode
from etb_hw.integer.datatype import DataType


@dataclass(frozen=True, eq=False, kw_only=True)
class Padding(Block):
    """(H, W, C) to (H + top + bottom, W + left + right, C), the border filled with ``value``."""

    OP: ClassVar[str] = "FMPadding_rtl"

    size: tuple[int, int]
    channels: int
    pads: tuple[int, int, int, int]  # top, left, bottom, right
    value: int
    dtype: DataType
    simd: int = 1

    @property
    def inputs(self) -> tuple[Stream, ...]:
        return (Stream((*self.size, self.channels), self.dtype, self.simd),)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        top, left, bottom, right = self.pads
        shape = (self.size[0] + top + bottom, self.size[1] + left + right, self.channels)
        return (Stream(shape, self.dtype, self.simd),)

    @property
    def cycles(self) -> int:
        return self.outputs[0].beats

    @property
    def folds(self) -> tuple[Fold, ...]:
        return tuple({"SIMD": simd} for simd in divisors(self.channels))

    def resources(self) -> Resources:
        return Resources()

    def finn_node(self) -> FinnNode:
        return FinnNode(
            self.op,
            domain_of(self.op),
            {
                "backend": "fpgadataflow",
                "ImgDim": self.size,
                "Padding": self.pads,
                "NumChannels": self.channels,
                "SIMD": self.simd,
                "inputDataType": stream_type(self.dtype).name,
                "numInputVectors": 1,
            },
        )

    def rtl(self) -> RtlInstance:
        top, left, bottom, right = self.pads
        return RtlInstance(
            "padding",
            {
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
