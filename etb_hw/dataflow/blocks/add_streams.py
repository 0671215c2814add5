"""Sum of two streams, value by value; FINN's AddStreams_hls. FINN's formulas give it no resources."""

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
from etb_hw.integer.datatype import BIPOLAR, DataType


@dataclass(frozen=True, eq=False, kw_only=True)
class AddStreams(Block):
    """Two streams of one shape (H, W, C) or (C,), each with its own type, to their sum."""

    OP: ClassVar[str] = "AddStreams_hls"

    shape: tuple[int, ...]
    dtypes: tuple[DataType, DataType]
    output_dtype: DataType
    pe: int = 1

    @property
    def inputs(self) -> tuple[Stream, ...]:
        return tuple(Stream(self.shape, dtype, self.pe) for dtype in self.dtypes)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        return (Stream(self.shape, self.output_dtype, self.pe),)

    @property
    def cycles(self) -> int:
        return self.outputs[0].beats

    @property
    def folds(self) -> tuple[Fold, ...]:
        return tuple({"PE": pe} for pe in divisors(self.shape[-1]))

    def resources(self) -> Resources:
        return Resources()

    def finn_node(self) -> FinnNode:
        # FINN knows one input type: the smallest that holds both
        low, high = min(d.min for d in self.dtypes), max(d.max for d in self.dtypes)
        both = self.dtypes[0] if self.dtypes[0] == self.dtypes[1] else DataType.smallest(low, high)
        return FinnNode(
            self.op,
            domain_of(self.op),
            {
                "backend": "fpgadataflow",
                "NumChannels": self.shape[-1],
                "PE": self.pe,
                "inputDataType": stream_type(both).name,
                "numInputVectors": vectors(self.shape),
                "inFIFODepths": (2, 2),
            },
        )

    def rtl(self) -> RtlInstance:
        a, b = self.dtypes
        return RtlInstance(
            "add_streams",
            {
                "PE": self.pe,
                "A_BITS": a.bits,
                "A_SIGNED": int(a.signed and a != BIPOLAR),
                "A_BIPOLAR": int(a == BIPOLAR),
                "B_BITS": b.bits,
                "B_SIGNED": int(b.signed and b != BIPOLAR),
                "B_BIPOLAR": int(b == BIPOLAR),
                "OUT_BITS": self.output_dtype.bits,
            },
        )

    def execute(self, *frames: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        return (frames[0] + frames[1],)
