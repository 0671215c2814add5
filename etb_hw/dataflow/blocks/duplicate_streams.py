"""One stream to several equal ones; FINN's DuplicateStreams_hls. FINN's formulas give it no resources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.block import Block, FinnNode, Fold, RtlInstance
from etb_hw.dataflow.divisors import divisors
from etb_hw.dataflow.resources import Resources
from etb_hw.dataflow.stream import Stream
from etb_hw.dataflow.vocabulary import domain_of, stream_type, vectors
from etb_hw.integer.datatype import DataType


@dataclass(frozen=True, eq=False, kw_only=True)
class DuplicateStreams(Block):
    """(H, W, C) or (C,) to ``copies`` streams of the same."""

    OP: ClassVar[str] = "DuplicateStreams_hls"

    shape: tuple[int, ...]
    dtype: DataType
    copies: int
    pe: int = 1

    @property
    def inputs(self) -> tuple[Stream, ...]:
        return (Stream(self.shape, self.dtype, self.pe),)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        return self.inputs * self.copies

    @property
    def cycles(self) -> int:
        return self.inputs[0].beats

    @property
    def folds(self) -> tuple[Fold, ...]:
        return tuple({"PE": pe} for pe in divisors(self.shape[-1]))

    def resources(self) -> Resources:
        return Resources()

    def finn_node(self) -> FinnNode:
        return FinnNode(
            self.op,
            domain_of(self.op),
            {
                "backend": "fpgadataflow",
                "NumChannels": self.shape[-1],
                "PE": self.pe,
                "NumOutputStreams": self.copies,
                "inputDataType": stream_type(self.dtype).name,
                "numInputVectors": vectors(self.shape),
                "outFIFODepths": (2,) * self.copies,
            },
        )

    def rtl(self) -> RtlInstance:
        return RtlInstance("duplicate_streams", {"WIDTH": self.inputs[0].width, "COPIES": self.copies})

    def execute(self, *frames: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        return frames * self.copies
