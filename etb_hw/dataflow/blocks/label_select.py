"""Label select: the index of the largest logit; FINN's LabelSelect_hls with K = 1.

The first of equal logits wins, as numpy's argmax has it. FINN's formulas give the block no resources.
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
from etb_hw.integer.datatype import BIPOLAR, DataType


@dataclass(frozen=True, eq=False, kw_only=True)
class LabelSelect(Block):
    """(C,) logits to (1,) label."""

    OP: ClassVar[str] = "LabelSelect_hls"

    labels: int
    dtype: DataType
    pe: int = 1

    @property
    def inputs(self) -> tuple[Stream, ...]:
        return (Stream((self.labels,), self.dtype, self.pe),)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        # whole bytes, as FINN has it for the last block
        bits = -(-DataType.smallest(0, self.labels - 1).bits // 8) * 8
        return (Stream((1,), DataType.unsigned(bits), 1),)

    @property
    def cycles(self) -> int:
        return self.inputs[0].beats

    @property
    def folds(self) -> tuple[Fold, ...]:
        return tuple({"PE": pe} for pe in divisors(self.labels))

    def resources(self) -> Resources:
        return Resources()

    def finn_node(self) -> FinnNode:
        return FinnNode(
            self.op,
            domain_of(self.op),
            {
                "backend": "fpgadataflow",
                "Labels": self.labels,
                "PE": self.pe,
                "K": 1,
                "inputDataType": stream_type(self.dtype).name,
                "outputDataType": self.outputs[0].dtype.name,
                "numInputVectors": (1,),
            },
        )

    def rtl(self) -> RtlInstance:
        return RtlInstance(
            "label_select",
            {
                "LABELS": self.labels,
                "PE": self.pe,
                "BITS": self.dtype.bits,
                "SIGNED": int(self.dtype.signed and self.dtype != BIPOLAR),
                "OUT_BITS": self.outputs[0].dtype.bits,
            },
        )

    def execute(self, *frames: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        return (frames[0].argmax(axis=-1)[:, None],)
