"""Sum over all pixels of an image; FINN's GlobalAccPool_hls.

Our RTL takes a beat a cycle; FINN accumulates, then writes: ``(H W + 1) C/PE`` cycles. FINN's formulas give
the block no resources.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.block import Block, FinnNode, Fold, RtlInstance
from etb_hw.dataflow.divisors import divisors
from etb_hw.dataflow.resources import Resources
from etb_hw.dataflow.stream import Stream
from etb_hw.dataflow.vocabulary import domain_of, stream_type, vectors
from etb_hw.integer.datatype import BIPOLAR, DataType


@dataclass(frozen=True, eq=False, kw_only=True)
class SumPool(Block):
    """(H, W, C) to (1, 1, C)."""

    OP: ClassVar[str] = "GlobalAccPool_hls"

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
    def cycles(self) -> int:
        return self.inputs[0].beats

    @property
    def finn_cycles(self) -> int:
        return self.inputs[0].beats + self.outputs[0].beats

    @property
    def folds(self) -> tuple[Fold, ...]:
        return tuple({"PE": pe} for pe in divisors(self.channels))

    def resources(self) -> Resources:
        return Resources()

    def finn_node(self) -> FinnNode:
        return FinnNode(
            self.op,
            domain_of(self.op),
            {
                "backend": "fpgadataflow",
                "NumChannels": self.channels,
                "PE": self.pe,
                "inputDataType": stream_type(self.dtype).name,
                "numInputVectors": vectors(self.inputs[0].shape),
            },
        )

    def rtl(self) -> RtlInstance:
        return RtlInstance(
            "sum_pool",
            {
                "PIXELS": prod(self.size),
                "C": self.channels,
                "PE": self.pe,
                "IN_BITS": self.dtype.bits,
                "IN_SIGNED": int(self.dtype.signed and self.dtype != BIPOLAR),
                "IN_BIPOLAR": int(self.dtype == BIPOLAR),
                "OUT_BITS": self.output_dtype.bits,
            },
        )

    def execute(self, *frames: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        return (frames[0].sum(axis=(1, 2), keepdims=True),)
