"""Data-width converter between streams of different lanes; FINN's StreamingDataWidthConverter.

The narrow side sets the pace. Where neither width divides the other, beats pass through the least common
multiple. FINN's formula: ``LUT`` = sum over the up and the down conversion of its counter's bits plus the
width of its target register.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, lcm, log2
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.block import Block, FinnNode, RtlInstance
from etb_hw.dataflow.resources import Resources
from etb_hw.dataflow.stream import Stream
from etb_hw.dataflow.vocabulary import domain_of, stream_type
from etb_hw.integer.datatype import DataType


@dataclass(frozen=True, eq=False, kw_only=True)
class WidthConverter(Block):
    """A stream of ``shape`` from ``lanes_in`` to ``lanes_out`` values a beat."""

    OP: ClassVar[str] = "StreamingDataWidthConverter"

    shape: tuple[int, ...]
    dtype: DataType
    lanes_in: int
    lanes_out: int

    @property
    def op(self) -> str:
        low, high = sorted((self.lanes_in, self.lanes_out))
        return f"{self.OP}_{'hls' if high % low else 'rtl'}"

    @property
    def inputs(self) -> tuple[Stream, ...]:
        return (Stream(self.shape, self.dtype, self.lanes_in),)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        return (Stream(self.shape, self.dtype, self.lanes_out),)

    @property
    def cycles(self) -> int:
        return max(self.inputs[0].beats, self.outputs[0].beats)

    def resources(self) -> Resources:
        return Resources(lut=converter_luts(self.inputs[0].width, self.outputs[0].width))

    def finn_node(self) -> FinnNode:
        return FinnNode(
            self.op,
            domain_of(self.op),
            {
                "backend": "fpgadataflow",
                "shape": (1, *self.shape),
                "inWidth": self.inputs[0].width,
                "outWidth": self.outputs[0].width,
                "dataType": stream_type(self.dtype).name,
            },
        )

    def rtl(self) -> RtlInstance:
        return RtlInstance(
            "width_converter", {"IN_WIDTH": self.inputs[0].width, "OUT_WIDTH": self.outputs[0].width}
        )

    def execute(self, *frames: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        return frames


def converter_luts(width_in: int, width_out: int) -> int:
    """FINN's LUT formula of a converter between two widths in bits (0 where they are equal)."""
    between = lcm(width_in, width_out)
    luts = 0
    if width_in != between:
        luts += floor(log2(between / width_in)) + between
    if between != width_out:
        luts += ceil(log2(between / width_out)) + width_out
    return luts
