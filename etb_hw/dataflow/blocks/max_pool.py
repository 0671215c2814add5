"""Max-pool over windows that do not overlap; FINN's StreamingMaxPool_hls.

A row of partial maxima is kept; on bipolar streams the maximum is an OR. Our RTL takes a beat a cycle. FINN's
formula reads the image and then writes the result, ``(H W + OH OW) C/PE`` cycles, and gives no resources.
FINN folds this block only at full width (PE = C); ours takes any PE that divides the channels. Of M pixels a
beat (``pixel_block``) those in one window are compared before the row.
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
from etb_hw.dataflow.divisors import divisors
from etb_hw.dataflow.fabric.family import Fabric
from etb_hw.dataflow.fabric.memories import bits_of, is_slow, part_rows, read_registers
from etb_hw.dataflow.fabric.parts import comparator, counter, pool_amounts
from etb_hw.dataflow.finn_fields import FinnFields
from etb_hw.dataflow.kept_channels import KeepsChannels
from etb_hw.dataflow.machine import PATTERN, SEND, TAKE, Machine
from etb_hw.dataflow.pixel_block import PixelLaneBlock
from etb_hw.dataflow.registered_block import RegisteredBlock
from etb_hw.dataflow.sampling import COUNTS, Sampler, Spec, common, draw_lanes, of_pixels
from etb_hw.dataflow.stream import Stream
from etb_hw.dataflow.vocabulary import stream_type
from etb_hw.integer.datatype import DataType

_STYLE = "distributed"  # of the row of partial maxima


@dataclass(frozen=True, eq=False, kw_only=True)
class MaxPool(PixelLaneBlock, RegisteredBlock, KeepsChannels):
    """(H, W, C) to (H / kernel, W / kernel, C); the kernel divides the image and is its own stride.

    ``register``: whether our RTL reads a long row of maxima ahead of time, for a faster clock; no cycle
    differs.
    """

    OP: ClassVar[str] = "StreamingMaxPool_hls"
    CAPTION: ClassVar[Caption] = Caption("Max-pool", "pool")

    size: tuple[int, int]
    kernel: tuple[int, int]
    dtype: DataType
    pe: int = 1

    @property
    def inputs(self) -> tuple[Stream, ...]:
        return (self.stream((*self.size, self.channels), self.dtype),)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        height, width = (size // kernel for size, kernel in zip(self.size, self.kernel, strict=True))
        shape, windows = (height, width, self.channels), self._groups
        return (Stream(shape, self.dtype, windows * self.pe, windows),)

    @property
    def pixel_counts(self) -> tuple[int, ...]:
        across = self.kernel[1]
        return tuple(m for m in divisors(self.size[1])[1:] if m % across == 0 or across % m == 0)

    @property
    def _joined(self) -> int:
        """Pixels of a beat that lie in one window."""
        return min(self.m, self.kernel[1])

    @property
    def _groups(self) -> int:
        """Windows that a beat has pixels of."""
        return self.m // self._joined

    @property
    def finn_cycles(self) -> int:
        return self.inputs[0].beats + self.outputs[0].beats

    def finn_fold(self, target: int, widest: int) -> Fold:
        return {"PE": self.channels}  # FINN's two-dimensional pool has no parallelism to set

    def finn_attributes(self) -> Mapping[str, Attribute]:
        return {
            "ImgDim": self.size,
            "PoolDim": self.kernel,
            "NumChannels": self.channels,
            "PE": self.pe,
            "CeilMode": 0,
            "dataType": stream_type(self.dtype).name,
        }

    def rtl(self) -> RtlInstance:
        folded: dict[str, int | str] = {"PE": self.pe} if self.m == 1 else {"M": self.m}
        ahead = {"AHEAD": 1, "ROWS": part_rows(self._depth, _STYLE)} if self.reads_ahead else {}
        return RtlInstance(
            "max_pool" if self.m == 1 else "max_pool_pixels",
            {
                "H": self.size[0],
                "W": self.size[1],
                "C": self.channels,
                **folded,
                "BITS": self.dtype.bits,
                "SIGNED": int(self.dtype.twos_complement),
                "KH": self.kernel[0],
                "KW": self.kernel[1],
                **ahead,
            },
        )

    @property
    def reads_ahead(self) -> bool:
        """Whether the row is read ahead of time: not by whole pixels, which come back to a word at once."""
        return self.register and self.m == 1 and self.pe < self.channels and is_slow(self._depth, _STYLE)

    @property
    def registers(self) -> int:
        """Those behind the row's parts, which part it is, and two that tell of the beat that comes."""
        width = self.pe * self.dtype.bits
        return super().registers + self.reads_ahead * (2 + read_registers(width, self._depth, _STYLE))

    def execute(self, *frames: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        height, width, channels = self.outputs[0].shape
        blocked = frames[0].reshape(-1, height, self.kernel[0], width, self.kernel[1], channels)
        return (blocked.max(axis=(2, 4)),)

    def machines(self) -> tuple[Machine, ...]:
        height, across = self.outputs[0].shape[0], self.kernel[1] // self._joined
        row = self.size[1] // self.m // across
        steps = np.full((height, self.kernel[0], row, across), TAKE, dtype=np.uint8)
        steps[:, -1, :, -1] |= SEND
        return (Machine(PATTERN, np.repeat(steps.reshape(-1), self.channels // self.pe)),)

    @classmethod
    def from_finn(cls, f: FinnFields) -> Self:
        return cls(
            **f.names,
            size=f.pair("ImgDim"),
            channels=f["NumChannels"],
            kernel=f.pair("PoolDim"),
            dtype=f.dtype("dataType"),
            pe=f["PE"] or f["NumChannels"],
            register=f.flag("etb_register"),
            m=f.get("M", 1),
        )

    def may_have_dead(self, low: int, channels: int) -> bool:
        return True

    def lut_amounts(self, fabric: Fabric) -> Amounts:
        fold, across, words = self.channels // self.pe, self._words, self._depth
        address = counter(words) + (bits_of(words) if fold > 1 else 0)  # it also goes back by a pixel
        kernel = self.kernel[0], self.kernel[1] // self._joined
        counters = sum(map(counter, (fold, across, *kernel))) + address
        lanes, bits = self._groups * self.pe, self.dtype.bits
        amounts = pool_amounts(lanes, bits, words, counters, fabric)
        # three signs and the one that is kept fit the LUT of the maximum
        signs, others = ceil(max(0, self._joined - 3) / 5), (self._joined - 1) * (comparator(bits) + bits)
        return {**amounts, "maxima": amounts["maxima"] + lanes * (signs if bits == 1 else others)}

    @property
    def _words(self) -> int:
        """Beats in a row of partial maxima, of a channel fold."""
        return self.size[1] // (self.kernel[1] * self._groups)

    @property
    def _depth(self) -> int:
        """Beats in a row of partial maxima."""
        return self.channels // self.pe * self._words

    def ff_amounts(self, fabric: Fabric) -> Amounts:
        fold, across = self.channels // self.pe, self._words
        counters = bits_of(fold) + bits_of(across) + bits_of(self._depth)
        return {"one": 1, "counters": counters, "output": self._groups * self.pe * self.dtype.bits}

    @classmethod
    def samplers(cls) -> tuple[Sampler, ...]:
        return Sampler(_max_pool, 3), Sampler(of_pixels(_max_pool), 0, later=8)

    @classmethod
    def from_spec(cls, spec: Spec, rng: np.random.Generator) -> Self:
        return cls(
            **common(spec),
            size=(spec["h"], spec["w"]),
            channels=spec["c"],
            kernel=(2, 2),
            dtype=DataType.parse(spec["x"]),
            pe=spec["pe"],
            m=spec.get("m", 1),
        )


def _max_pool(draw: random.Random) -> Spec:
    c, size = draw.choice(COUNTS), draw.choice((4, 8, 16, 32))
    return {"kind": "MaxPool", "h": size, "w": size, "c": c, "pe": draw_lanes(draw, c),
            "x": draw.choice(("BIPOLAR", "BIPOLAR", "UINT2"))}  # fmt: skip
