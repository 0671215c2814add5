"""Max-pool over windows that overlap or leave a border: a depthwise sliding window's reader; FINN's Pool_hls.

A beat of PE channels comes for every tap of a window, channel fold by channel fold; the largest of the taps
leaves. In RTL that is the tiling max-pool on rows of taps. FINN's formulas give the block no resources; its
cycles are the beats of its input.

In a form of ours, ``PE`` = all values of a window, windows come whole, also M a beat (``pixel_block``): the
tiling max-pool again, of as many taps a beat.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.block import Amounts, Attribute, Caption, Fold, RtlInstance
from etb_hw.dataflow.fabric.family import Fabric
from etb_hw.dataflow.fabric.memories import bits_of
from etb_hw.dataflow.fabric.parts import comparator, counter, pool_amounts
from etb_hw.dataflow.finn_fields import FinnFields
from etb_hw.dataflow.machine import Machine, at_the_last
from etb_hw.dataflow.pixel_block import PixelLaneBlock, counts_in
from etb_hw.dataflow.sampling import COUNTS, Sampler, Spec, common
from etb_hw.dataflow.stream import Stream
from etb_hw.dataflow.vocabulary import stream_type
from etb_hw.integer.datatype import DataType


@dataclass(frozen=True, eq=False, kw_only=True)
class WindowPool(PixelLaneBlock):
    """Depthwise windows (OH, OW, taps*C) to (OH, OW, C).

    PE is the SIMD of the sliding window before it, or taps*C for one that gives whole windows.
    """

    OP: ClassVar[str] = "Pool_hls"
    CAPTION: ClassVar[Caption] = Caption("Pool", "pool")

    size: tuple[int, int]
    channels: int
    kernel: tuple[int, int]
    dtype: DataType
    pe: int = 1

    @property
    def taps(self) -> int:
        return self.kernel[0] * self.kernel[1]

    @property
    def inputs(self) -> tuple[Stream, ...]:
        return (self.stream((*self.size, self.taps * self.channels), self.dtype),)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        return (Stream((*self.size, self.channels), self.dtype, self._maxima, self.m),)

    @property
    def at_once(self) -> int:
        """Taps in a beat: one, or all of M windows."""
        return self.m * self.taps if self.pe == self.taps * self.channels else 1

    @property
    def unrolled(self) -> Fold:
        return {"PE": self.taps * self.channels}

    @property
    def pixel_counts(self) -> tuple[int, ...]:
        return counts_in(self.size)

    @property
    def _maxima(self) -> int:
        """Maxima side by side."""
        return self.m * self.channels if self.at_once > 1 else self.pe

    def finn_attributes(self) -> Mapping[str, Attribute]:
        return {
            "Channels": self.channels,
            "PE": self.pe,
            "KernelSize": self.kernel,
            "Function": "MaxPool",
            "OutImgDims": self.size,
            "InputDataType": stream_type(self.dtype).name,
            "OutputDataType": stream_type(self.dtype).name,
            "AccumBits": 0,
            "Size": 1,
            "BatchSize": 1,
        }

    def rtl(self) -> RtlInstance:
        rows, row = self.size
        folded: dict[str, int | str]
        if self.at_once > 1:
            folded = {"H": rows, "W": row * self.taps, "C": self.channels, "M": self.at_once}
        else:
            rows *= row * (self.channels // self.pe)
            folded = {"H": rows, "W": self.taps, "C": self.pe, "PE": self.pe}
        return RtlInstance(
            "max_pool_pixels" if self.at_once > 1 else "max_pool",
            {
                **folded,
                "BITS": self.dtype.bits,
                "SIGNED": int(self.dtype.twos_complement),
                "KH": 1,
                "KW": self.taps,
            },
        )

    def execute(self, *frames: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        lanes = min(self.pe, self.channels)
        folded = frames[0].reshape(-1, *self.size, self.channels // lanes, self.taps, lanes)
        return (folded.max(axis=4).reshape(-1, *self.size, self.channels),)

    def machines(self) -> tuple[Machine, ...]:
        return at_the_last(1 if self.at_once > 1 else self.taps)

    @classmethod
    def from_finn(cls, f: FinnFields) -> Self:
        return cls(
            **f.names,
            size=f.pair("OutImgDims"),
            channels=f["Channels"],
            kernel=f.pair("KernelSize"),
            dtype=f.dtype("InputDataType"),
            pe=f["PE"],
            m=f.get("M", 1),
        )

    @classmethod
    def samplers(cls) -> tuple[Sampler, ...]:
        return (Sampler(_pixels, 0, later=8),)

    @classmethod
    def from_spec(cls, spec: Spec, rng: np.random.Generator) -> Self:
        return cls(
            **common(spec),
            size=(4, 4),
            channels=spec["c"],
            kernel=(spec["k"], spec["k"]),
            dtype=DataType.parse(spec["x"]),
            pe=spec["pe"],
            m=spec["m"],
        )

    @property
    def kind(self) -> str:
        # circuits that others have, too: the tiling pool, or the comparators that find the largest label
        return "LabelSelect" if self.at_once > 1 else "MaxPool"

    def lut_amounts(self, fabric: Fabric) -> Amounts:
        bits = self.dtype.bits
        if self.at_once == 1:
            return pool_amounts(self.pe, bits, 1, counter(self.taps), fabric)
        if bits == 1:
            # an OR of all taps
            return {"one": 1, "compared": self._maxima * ceil((self.taps - 1) / (fabric.lut_inputs - 1))}
        compared = self._maxima * (self.taps - 1)
        # of two bits, comparison and choice fit a LUT of six inputs with two outputs, or two of four
        chosen = compared * (bits if bits > 2 else fabric.lut_inputs < 6)
        return {"one": 1, "compared": compared * comparator(bits), "chosen": chosen}

    def ff_amounts(self, fabric: Fabric) -> Amounts:
        if self.at_once > 1:
            return {"one": 1, "best": self._maxima * self.dtype.bits}
        return {"one": 1, "counters": bits_of(self.taps), "output": 2 * self.pe * self.dtype.bits}


def _pixels(draw: random.Random) -> Spec:
    """Whole windows: others are tiling pools, which have samplers of their own."""
    c, k = draw.choice(COUNTS[:8]), draw.choice((2, 3, 3))
    return {
        "kind": "WindowPool",
        "c": c,
        "k": k,
        "pe": k * k * c,
        "m": draw.choice((1, 2, 4)),
        "x": draw.choice(("BIPOLAR", "BIPOLAR", "UINT2", "INT4")),
    }
