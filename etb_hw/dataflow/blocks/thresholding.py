"""Thresholding: a stand-alone multi-threshold; FINN's Thresholding_rtl.

FINN's formula counts only the threshold memory: a binary search keeps ``2**s`` thresholds a channel in stage
s, a LUT holding 64 bits, for each PE and output bit. (FINN picks, by least waste, among LUTRAM, BRAM and
URAM shapes; LUTRAM wins wherever a memory is not nearly full.)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.block import Block, FinnNode, Fold, RtlInstance, RtlMemory
from etb_hw.dataflow.blocks.mvau import multi_threshold
from etb_hw.dataflow.divisors import divisors
from etb_hw.dataflow.resources import Resources
from etb_hw.dataflow.stream import Stream
from etb_hw.dataflow.vocabulary import domain_of, stream_type, vectors
from etb_hw.dataflow.words import encode, pack_words
from etb_hw.integer.datatype import BIPOLAR, DataType


@dataclass(frozen=True, eq=False, kw_only=True)
class Thresholding(Block):
    """``y = dtype.min + dtype.step * #{t : x >= thresholds[c, t]}`` for every value of (H, W, C) or (C,)."""

    OP: ClassVar[str] = "Thresholding_rtl"

    thresholds: NDArray[np.int64]
    input_dtype: DataType
    output_dtype: DataType
    pixels: tuple[int, ...]
    pe: int = 1

    @property
    def channels(self) -> int:
        return int(self.thresholds.shape[0])

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

    @cached_property
    def threshold_dtype(self) -> DataType:
        """The input's type with one value more at the top, for thresholds that are never reached."""
        return DataType.smallest(self.input_dtype.min, self.input_dtype.max + 1)

    @cached_property
    def clipped_thresholds(self) -> NDArray[np.int64]:
        return np.clip(self.thresholds, self.input_dtype.min, self.input_dtype.max + 1)

    @cached_property
    def _finn_thresholds(self) -> tuple[NDArray[np.int64], DataType]:
        """Thresholds as FINN holds them, and the narrowest type that does."""
        values = self.clipped_thresholds
        if self.input_dtype == BIPOLAR:
            values = -(-(values + 1) // 2)  # -1, +1 travel as 0, 1
        return values, DataType.smallest(min(0, int(values.min())), int(values.max()))

    def resources(self) -> Resources:
        fold, bits = self.channels // self.pe, self._finn_thresholds[1].bits
        stages = range(self.output_dtype.bits)
        return Resources(lut=sum(self.pe * bits * ceil(fold * 2**stage / 64) for stage in stages))

    def finn_node(self) -> FinnNode:
        values, kind = self._finn_thresholds
        return FinnNode(
            self.op,
            domain_of(self.op),
            {
                "backend": "fpgadataflow",
                "NumChannels": self.channels,
                "PE": self.pe,
                "numSteps": int(self.thresholds.shape[1]),
                "inputDataType": stream_type(self.input_dtype).name,
                "weightDataType": kind.name,
                "outputDataType": stream_type(self.output_dtype).name,
                "ActVal": 0 if self.output_dtype == BIPOLAR else self.output_dtype.min,
                "numInputVectors": vectors(self.inputs[0].shape),
                "runtime_writeable_weights": 0,
            },
            (("thresholds", values.astype(np.float32), kind),),
        )

    def threshold_fields(self) -> tuple[NDArray[np.int64], int]:
        """The threshold memory: bit patterns (channels / PE, PE x T), T fastest, and their bits."""
        folded = self.clipped_thresholds.reshape(self.channels // self.pe, -1)
        return encode(folded, self.threshold_dtype), self.threshold_dtype.bits

    def rtl(self) -> RtlInstance:
        steps = int(self.thresholds.shape[1])
        fields, bits = self.threshold_fields()
        return RtlInstance(
            "thresholding",
            {
                "C": self.channels,
                "PE": self.pe,
                "IN_BITS": self.input_dtype.bits,
                "IN_SIGNED": int(self.input_dtype.signed),
                "IN_BIPOLAR": int(self.input_dtype == BIPOLAR),
                "T_BITS": bits,
                "T_SIGNED": int(self.threshold_dtype.signed),
                "STEPS": steps,
                "OUT_BITS": self.output_dtype.bits,
                "OUT_BIAS": 0 if self.output_dtype == BIPOLAR else self.output_dtype.min,
            },
            (RtlMemory("THRESHOLDS", self.pe * steps * bits, pack_words(fields, bits)),),
        )

    def execute(self, *frames: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        return (multi_threshold(frames[0], self.thresholds, self.output_dtype),)
