"""One constant a channel, added or multiplied; FINN's ChannelwiseOp_hls.

FINN's formula: ``LUT = bits PE`` for the operators plus, where a PE serves several channels,
``bits PE ceil(C/PE / 64)`` for the parameters in LUTRAM; ``bits`` are the input's.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.block import Block, FinnNode, Fold, RtlInstance, RtlMemory
from etb_hw.dataflow.divisors import divisors
from etb_hw.dataflow.resources import Resources
from etb_hw.dataflow.stream import Stream
from etb_hw.dataflow.vocabulary import domain_of, stream_type, vectors
from etb_hw.dataflow.words import encode, pack_words
from etb_hw.integer.datatype import BIPOLAR, DataType


@dataclass(frozen=True, eq=False, kw_only=True)
class Channelwise(Block):
    """``y = x + parameters[c]`` or ``y = x * parameters[c]`` for every value of (H, W, C) or (C,)."""

    OP: ClassVar[str] = "ChannelwiseOp_hls"

    func: Literal["add", "mul"]
    parameters: NDArray[np.int64]
    input_dtype: DataType
    output_dtype: DataType
    pixels: tuple[int, ...]
    pe: int = 1

    @property
    def channels(self) -> int:
        return int(self.parameters.shape[0])

    @property
    def parameter_dtype(self) -> DataType:
        return DataType.smallest(int(self.parameters.min()), int(self.parameters.max()))

    @property
    def inputs(self) -> tuple[Stream, ...]:
        return (Stream((*self.pixels, self.channels), self.input_dtype, self.pe),)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        return (Stream((*self.pixels, self.channels), self.output_dtype, self.pe),)

    @property
    def cycles(self) -> int:
        return self.inputs[0].beats

    @property
    def folds(self) -> tuple[Fold, ...]:
        return tuple({"PE": pe} for pe in divisors(self.channels))

    def resources(self) -> Resources:
        bits, fold = self.input_dtype.bits, self.channels // self.pe
        return Resources(lut=bits * self.pe * (1 + (ceil(fold / 64) if fold > 1 else 0)))

    def finn_node(self) -> FinnNode:
        return FinnNode(
            self.op,
            domain_of(self.op),
            {
                "backend": "fpgadataflow",
                "Func": self.func,
                "NumChannels": self.channels,
                "PE": self.pe,
                "ram_style": "distributed",
                "inputDataType": stream_type(self.input_dtype).name,
                "paramDataType": self.parameter_dtype.name,
                "outputDataType": self.output_dtype.name,
                "numInputVectors": vectors(self.inputs[0].shape),
            },
            (("parameters", self.parameters.astype(np.float32)[:, None], self.parameter_dtype),),
        )

    def parameter_fields(self) -> tuple[NDArray[np.int64], int]:
        """The parameter memory: bit patterns (channels / PE, PE), and their bits."""
        kind = self.parameter_dtype
        return encode(self.parameters.reshape(self.channels // self.pe, self.pe), kind), kind.bits

    def rtl(self) -> RtlInstance:
        kind = self.parameter_dtype
        fields, _ = self.parameter_fields()
        return RtlInstance(
            "channelwise",
            {
                "C": self.channels,
                "PE": self.pe,
                "MULTIPLY": int(self.func == "mul"),
                "IN_BITS": self.input_dtype.bits,
                "IN_SIGNED": int(self.input_dtype.signed and self.input_dtype != BIPOLAR),
                "IN_BIPOLAR": int(self.input_dtype == BIPOLAR),
                "P_BITS": kind.bits,
                "P_SIGNED": int(kind.signed),
                "OUT_BITS": self.output_dtype.bits,
            },
            (RtlMemory("PARAMETERS", self.pe * kind.bits, pack_words(fields, kind.bits)),),
        )

    def execute(self, *frames: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        (x,) = frames
        return (x * self.parameters if self.func == "mul" else x + self.parameters,)
