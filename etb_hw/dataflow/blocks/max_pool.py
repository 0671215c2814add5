"""Max-pool over windows that do not overlap; FINN's StreamingMaxPool_hls.

A row of partial maxima is kept; on bipolar streams the maximum is an OR. Our RTL takes a beat a cycle. FINN's
formula reads the image and then writes the result, ``(H W + OH OW) C/PE`` cycles, and gives no resources.
FINN folds this block only at full width (PE = C); ours takes any PE that divides the channels.
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
class MaxPool(Block):
    """(H, W, C) to (H / kernel, W / kernel, C); the kernel divides the image and is its own stride."""

    OP: ClassVar[str] = "StreamingMaxPool_hls"

    size: tuple[int, int]
    channels: int
    kernel: tuple[int, int]
    dtype: DataType
    pe: int = 1

    @property
    def inputs(self) -> tuple[Stream, ...]:
        return (Stream((*self.size, self.channels), self.dtype, self.pe),)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        height, width = (size // kernel for size, kernel in zip(self.size, self.kernel, strict=True))
        return (Stream((height, width, self.channels), self.dtype, self.pe),)

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
                "ImgDim": self.size,
                "PoolDim": self.kernel,
                "NumChannels": self.channels,
                "PE": self.pe,
                "CeilMode": 0,
                "dataType": stream_type(self.dtype).name,
            },
        )

    def rtl(self) -> RtlInstance:
        return RtlInstance(
            "max_pool",
            {
                "H": self.size[0],
                "W": self.size[1],
                "C": self.channels,
                "PE": self.pe,
                "BITS": self.dtype.bits,
                "SIGNED": int(self.dtype.signed and self.dtype != BIPOLAR),
                "KH": self.kernel[0],
                "KW": self.kernel[1],
            },
        )

    def execute(self, *frames: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        height, width, channels = self.outputs[0].shape
        blocked = frames[0].reshape(-1, height, self.kernel[0], width, self.kernel[1], channels)
        return (blocked.max(axis=(2, 4)),)
