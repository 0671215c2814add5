"""Two streams to one with the channels of both, pixel by pixel; FINN's StreamingConcat_hls.

FINN's formulas give it no resources. More than two tensors take one such block after another.

Lanes that divide the channels of both take their beats by turns, more than one for every pixel. In a form of
ours, ``SIMD`` = all channels of the output, both pixels come at once, also M of each (``pixel_block``).
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from math import gcd
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.block import Amounts, Attribute, Caption, Fold, RtlInstance
from etb_hw.dataflow.fabric.family import Fabric
from etb_hw.dataflow.fabric.parts import counter
from etb_hw.dataflow.finn_fields import FinnFields
from etb_hw.dataflow.machine import PATTERN, SEND, TAKE, TAKE_SECOND, Machine
from etb_hw.dataflow.pixel_block import PixelLaneBlock, counts_in
from etb_hw.dataflow.sampling import COUNTS, Sampler, Spec, common, draw_lanes
from etb_hw.dataflow.stream import Stream
from etb_hw.dataflow.vocabulary import stream_type, vectors
from etb_hw.integer.datatype import DataType


@dataclass(frozen=True, eq=False, kw_only=True)
class Concat(PixelLaneBlock):
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
            Stream((*self.pixels, count), dtype, self.m * count if self.whole else self.simd, self.m)
            for count, dtype in zip(self.channels, self.dtypes, strict=True)
        )

    @property
    def outputs(self) -> tuple[Stream, ...]:
        return (self.stream((*self.pixels, sum(self.channels)), self.output_dtype),)

    @property
    def whole(self) -> bool:
        """Whether both pixels come at once."""
        return self.simd == sum(self.channels)

    @property
    def unrolled(self) -> Fold:
        return {"SIMD": sum(self.channels)}

    @property
    def pixel_counts(self) -> tuple[int, ...]:
        return counts_in(self.pixels)

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
        (first, second), (a, b) = self.channels, self.dtypes
        folded: dict[str, int | str] = {
            "SIMD": self.simd,
            "A_BEATS": first // self.simd,
            "B_BEATS": second // self.simd,
        }
        return RtlInstance(
            "concat_pixels" if self.whole else "concat",
            {
                **({"M": self.m, "A": first, "B": second} if self.whole else folded),
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
        if self.whole:
            return (Machine(PATTERN, np.array([TAKE | TAKE_SECOND | SEND], dtype=np.uint8)),)
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
            m=f.get("M", 1),
        )

    def lut_amounts(self, fabric: Fabric) -> Amounts:
        if self.whole:
            return {"one": 1}
        # a choice of two a bit of the output; where one side is always 0, flip-flops have a reset for it
        bits = min([self.output_dtype.bits, *(d.bits for d in self.dtypes if not d.signed)])
        return {"one": 1, "bits": self.simd * bits, "counter": counter(sum(self.channels) // self.simd)}

    def ff_amounts(self, fabric: Fabric) -> Amounts:
        if self.whole:
            # what a value is widened by is 0, or its sign once more
            bits = sum(count * dtype.bits for count, dtype in zip(self.channels, self.dtypes, strict=True))
            return {"one": 1, "bits": self.m * bits}
        beats = sum(self.channels) // self.simd
        return {"one": 1, "bits": self.simd * self.output_dtype.bits, "counter": (beats - 1).bit_length()}

    @classmethod
    def samplers(cls) -> tuple[Sampler, ...]:
        return Sampler(_concat, 0, later=24), Sampler(_pixels, 0, later=8)

    @classmethod
    def from_spec(cls, spec: Spec, rng: np.random.Generator) -> Self:
        a, b = DataType.parse(spec["a"]), DataType.parse(spec["b"])
        out = a if a == b else DataType.smallest(min(a.min, b.min), max(a.max, b.max))
        return cls(
            **common(spec),
            channels=(spec["ca"], spec["cb"]),
            dtypes=(a, b),
            output_dtype=out,
            pixels=(4,),
            simd=spec["simd"],
            m=spec.get("m", 1),
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


def _pixels(draw: random.Random) -> Spec:
    spec = _concat(draw)
    return {**spec, "simd": spec["ca"] + spec["cb"], "m": draw.choice((1, 2, 4))}
