"""Two streams to one with the channels of both, pixel by pixel; FINN's StreamingConcat_hls.

FINN's formulas give it no resources. More than two tensors take one such block after another.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from math import gcd
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.block import Amounts, Attribute, Caption, RtlInstance
from etb_hw.dataflow.fabric.family import Fabric
from etb_hw.dataflow.fabric.parts import counter
from etb_hw.dataflow.finn_fields import FinnFields
from etb_hw.dataflow.lane_block import LaneBlock
from etb_hw.dataflow.machine import PATTERN, SEND, TAKE, TAKE_SECOND, Machine
from etb_hw.dataflow.sampling import COUNTS, Sampler, Spec, common, draw_lanes
from etb_hw.dataflow.stream import Stream
from etb_hw.dataflow.vocabulary import stream_type, vectors
from etb_hw.integer.datatype import DataType


@dataclass(frozen=True, eq=False, kw_only=True)
class Concat(LaneBlock):
    """(H, W, A) and (H, W, B), or (A,) and (B,), to (..., A + B); values are widened to one type.

    Bipolar streams meet bipolar ones only, as FINN reads their bits as 0 and 1 beside other types.
    """

    OP: ClassVar[str] = "StreamingConcat_hls"
    CAPTION: ClassVar[Caption] = Caption("Join channels", "join")
    LANES: ClassVar[str] = "SIMD"
    MAKES_CHANNELS: ClassVar[bool] = True
    SAME_CHANNELS: ClassVar[bool] = False

    channels: tuple[int, int]
    dtypes: tuple[DataType, DataType]
    output_dtype: DataType
    pixels: tuple[int, ...]
    simd: int = 1

    @property
    def inputs(self) -> tuple[Stream, ...]:
        return tuple(
            Stream((*self.pixels, count), dtype, self.simd)
            for count, dtype in zip(self.channels, self.dtypes, strict=True)
        )

    @property
    def outputs(self) -> tuple[Stream, ...]:
        return (Stream((*self.pixels, sum(self.channels)), self.output_dtype, self.simd),)

    @property
    def folded_channels(self) -> int:
        return gcd(*self.channels)

    @property
    def cycles(self) -> int:
        return self.outputs[0].beats

    def finn_attributes(self) -> Mapping[str, Attribute]:
        return {
            "SIMD": self.simd,
            "ChannelsPerStream": self.channels,
            "inputDataTypes": tuple(stream_type(dtype).name for dtype in self.dtypes),
            "numInputVectors": vectors(self.outputs[0].shape),
            "inFIFODepths": (2, 2),
        }

    def rtl(self) -> RtlInstance:
        a, b = self.dtypes
        return RtlInstance(
            "concat",
            {
                "SIMD": self.simd,
                "A_BEATS": self.channels[0] // self.simd,
                "B_BEATS": self.channels[1] // self.simd,
                "A_BITS": a.bits,
                "A_SIGNED": int(a.twos_complement),
                "B_BITS": b.bits,
                "B_SIGNED": int(b.twos_complement),
                "OUT_BITS": self.output_dtype.bits,
            },
        )

    def execute(self, *frames: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        return (np.concatenate(frames, axis=-1),)

    def machines(self) -> tuple[Machine, ...]:
        first, second = (count // self.simd for count in self.channels)
        steps = np.array([TAKE | SEND] * first + [TAKE_SECOND | SEND] * second, dtype=np.uint8)
        return (Machine(PATTERN, steps),)

    @classmethod
    def from_finn(cls, f: FinnFields) -> Self:
        a, b = f["ChannelsPerStream"]
        return cls(
            **f.names,
            channels=(a, b),
            dtypes=(f.dtype("inputDataTypes"), f.dtype("inputDataTypes", port=1)),
            output_dtype=DataType.parse(f["etb_outputs"][0].decode()),
            pixels=f.pixels,
            simd=f["SIMD"],
        )

    def lut_amounts(self, fabric: Fabric) -> Amounts:
        # a choice of two a bit of the output; where one side is always 0, flip-flops have a reset for it
        bits = min([self.output_dtype.bits, *(d.bits for d in self.dtypes if not d.signed)])
        return {"one": 1, "bits": self.simd * bits, "counter": counter(sum(self.channels) // self.simd)}

    def ff_amounts(self, fabric: Fabric) -> Amounts:
        beats = sum(self.channels) // self.simd
        return {"one": 1, "bits": self.simd * self.output_dtype.bits, "counter": (beats - 1).bit_length()}

    @classmethod
    def samplers(cls) -> tuple[Sampler, ...]:
        return (Sampler(_concat, 0, later=24),)

    @classmethod
    def from_spec(cls, spec: Spec, rng: np.random.Generator) -> Self:
        a, b = DataType.parse(spec["a"]), DataType.parse(spec["b"])
        out = a if a == b else DataType.smallest(min(a.min, b.min), max(a.max, b.max))
        return cls(
            **common(spec),
            channels=(spec["ca"], spec["cb"]),
            dtypes=(a, b),
            output_dtype=out,
            pixels=(2,),
            simd=spec["simd"],
        )


def _concat(draw: random.Random) -> Spec:
    a, b = (draw.choice(COUNTS) for _ in range(2))
    first = draw.choice(("BIPOLAR", "BIPOLAR", "UINT2", "UINT4", "INT4", "INT9"))
    second = first if first == "BIPOLAR" else draw.choice((first, "UINT2", "INT4", "INT9"))
    return {
        "kind": "Concat",
        "ca": a,
        "cb": b,
        "simd": draw_lanes(draw, gcd(a, b)),
        "a": first,
        "b": second,
    }
