"""Some channels of every pixel, or all in another order: slices, and the shuffle of ShuffleNet.

All channels of a pixel come at once, or of M pixels (``pixel_block``): the block is nothing but wires, and
width converters in front and behind fit it to its neighbours. FINN's StreamingSplit_hls deals the beats of
a pixel to several streams; its channels keep their order, and all of them go somewhere.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.block import Amounts, Attribute, Caption, RtlInstance
from etb_hw.dataflow.fabric.family import Fabric
from etb_hw.dataflow.finn_fields import FinnFields
from etb_hw.dataflow.machine import DUPLICATE, Machine
from etb_hw.dataflow.pixel_block import PixelBlock, counts_in
from etb_hw.dataflow.sampling import COUNTS, Sampler, Spec, common
from etb_hw.dataflow.stream import Stream
from etb_hw.dataflow.vocabulary import stream_type, vectors
from etb_hw.integer.datatype import DataType


@dataclass(frozen=True, eq=False, kw_only=True)
class SelectChannels(PixelBlock):
    """(H, W, C) or (C,) to (..., K): channel ``chosen[i]`` becomes the i-th."""

    OP: ClassVar[str] = "SelectChannels_rtl"
    OURS: ClassVar[bool] = True
    MAKES_CHANNELS: ClassVar[bool] = True
    CAPTION: ClassVar[Caption] = Caption("Select channels", "join", small=True)

    shape: tuple[int, ...]
    chosen: tuple[int, ...]
    dtype: DataType

    @property
    def inputs(self) -> tuple[Stream, ...]:
        return (Stream(self.shape, self.dtype, self.m * self.shape[-1], self.m),)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        return (Stream((*self.shape[:-1], len(self.chosen)), self.dtype, self.m * len(self.chosen), self.m),)

    @property
    def pixel_counts(self) -> tuple[int, ...]:
        return counts_in(self.shape[:-1])

    @property
    def cycles(self) -> int:
        return self.inputs[0].beats

    def finn_attributes(self) -> Mapping[str, Attribute]:
        return {
            "NumChannels": self.shape[-1],
            "Channels": self.chosen,
            "inputDataType": stream_type(self.dtype).name,
            "numInputVectors": vectors(self.shape),
        }

    @classmethod
    def from_finn(cls, f: FinnFields) -> Self:
        channels = int(f["NumChannels"])
        chosen = tuple(int(place) for place in f["Channels"])
        if not chosen or not 0 <= min(chosen) <= max(chosen) < channels:
            raise ValueError(f"Channels names others than the {channels} that it reads")
        return cls(
            **f.names,
            shape=(*f.pixels, channels),
            chosen=chosen,
            dtype=f.dtype("inputDataType"),
            m=f.get("M", 1),
        )

    def rtl(self) -> RtlInstance:
        return RtlInstance(
            "select_channels",
            {
                "M": self.m,
                "C": self.shape[-1],
                "K": len(self.chosen),
                "BITS": self.dtype.bits,
                "CHOSEN": self.chosen,
            },
        )

    def execute(self, *frames: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        return (frames[0][..., list(self.chosen)],)

    def machines(self) -> tuple[Machine, ...]:
        return (Machine(DUPLICATE),)  # of one copy

    def lut_amounts(self, fabric: Fabric) -> Amounts:
        return {}

    def ff_amounts(self, fabric: Fabric) -> Amounts:
        return {}

    @classmethod
    def samplers(cls) -> tuple[Sampler, ...]:
        return (Sampler(_draw, 0),)

    @classmethod
    def from_spec(cls, spec: Spec, rng: np.random.Generator) -> Self:
        chosen = rng.integers(0, spec["c"], size=(spec["k"],)).tolist()
        return cls(
            **common(spec),
            shape=(4, 4, spec["c"]),
            chosen=tuple(chosen),
            dtype=DataType.parse(spec["x"]),
            m=spec["m"],
        )


def _draw(draw: random.Random) -> Spec:
    c, k = (draw.choice(COUNTS) for _ in range(2))
    return {"kind": "SelectChannels", "c": c, "k": k, "x": draw.choice(("BIPOLAR", "UINT2", "INT9")),
            "m": draw.choice((1, 1, 2, 4))}  # fmt: skip
