"""MVAU over windows whose border is zero although their stream knows -1 and +1 only.

Brevitas and PyTorch pad signs with 0. The stream's border holds -1 as FINN has it; this block knows from its
own counters which taps lie outside of the image, and counts them for nothing. Tap by tap, where agreements of
signs are counted, half of the pairs of such a tap agree, so that 2 p - n is the sum of the others. Whole
windows (SIMD = MW), also those of M pixels, are summed as they come: what the border's -1 adds depends on the
row of the matrix and on which taps lie outside, so that each kind of window has thresholds of its own. It is
one bit a value instead of two in windows and products; FINN has no such node, so that it refuses the file
instead of padding with -1 (``builder = "finn"`` makes what FINN can build).
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.block import (
    Amounts,
    Attribute,
    Caption,
    FinnParameter,
    Fold,
    RtlInstance,
    RtlMemory,
)
from etb_hw.dataflow.blocks.mvau import Mvau
from etb_hw.dataflow.divisors import divisors
from etb_hw.dataflow.fabric.family import Fabric
from etb_hw.dataflow.fabric.memories import bits_of, rom_columns, rom_luts
from etb_hw.dataflow.fabric.parts import comparator, counter
from etb_hw.dataflow.finn_fields import FinnFields
from etb_hw.dataflow.sampling import Sampler, Spec, draw_folds
from etb_hw.dataflow.vocabulary import stream_type, vectors
from etb_hw.dataflow.words import encode, pack_words
from etb_hw.integer.datatype import BIPOLAR, DataType
from etb_hw.integer.nodes import Pads, Pair


@dataclass(frozen=True, eq=False, kw_only=True)
class BorderMvau(Mvau):
    """``y = thresholds(W x)`` where x is 0 outside of the image.

    Attributes:
        size: (H, W) of the image without its border.
        kernel, stride, dilation, pads: of the windows that it reads; pads are top, left, bottom, right.
    """

    OP: ClassVar[str] = "BorderMVAU_rtl"
    CAPTION: ClassVar[Caption] = Caption("Matrix-vector unit, zero border", "mvau")
    FOLD_INVARIANT: ClassVar[tuple[str, ...]] = (*Mvau.FOLD_INVARIANT, "outside", "kinds", "excess")
    OURS: ClassVar[bool] = True

    size: Pair
    kernel: Pair
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    pads: Pads

    @staticmethod
    def takes(weight_dtype: DataType, channels: int) -> bool:
        """Whether halves of the pairs of a tap are whole."""
        return weight_dtype != BIPOLAR or channels % 2 == 0

    @property
    def channels(self) -> int:
        return self.mw // (self.kernel[0] * self.kernel[1])

    @property
    def folds(self) -> tuple[Fold, ...]:
        # a beat is of one tap, or of all; thresholds that are written are those of the network, not of a kind
        simds = [*divisors(self.channels), *([] if self.writable or self.mw == self.channels else [self.mw])]
        return tuple({"PE": pe, "SIMD": simd} for pe in divisors(self.mh) for simd in simds)

    @property
    def whole(self) -> bool:
        """Whether it takes windows whole."""
        return self.simd == self.mw and not self.writable

    @property
    def tap_by_tap(self) -> bool:
        return self.writable

    @cached_property
    def outside(self) -> NDArray[np.bool_]:
        """Which taps of which windows lie outside of the image: (OH, OW, KH * KW)."""
        axes = []
        for i in range(2):
            taps = np.arange(self.kernel[i]) * self.dilation[i]
            at = np.arange(self.pixels[i])[:, None] * self.stride[i] + taps - self.pads[i]
            axes.append((at < 0) | (at >= self.size[i]))
        rows, columns = axes
        both = rows[:, None, :, None] | columns[None, :, None, :]
        return both.reshape(*self.pixels, -1)

    @cached_property
    def kinds(self) -> NDArray[np.int64]:
        """By which taps lie outside, a number for every window (OH, OW), as ``etb_border_kind`` counts."""
        along = []
        for i in range(2):
            taps = np.arange(self.kernel[i]) * self.dilation[i]
            at = np.arange(self.pixels[i])[:, None] * self.stride[i] + taps - self.pads[i]
            passed = (at >= 0).sum(axis=1) + (at >= self.size[i]).sum(axis=1)
            along.append(passed - passed[0])
        y, x = along
        numbers: NDArray[np.int64] = y[:, None] * (x[-1] + 1) + x
        return numbers

    @cached_property
    def excess(self) -> NDArray[np.int64]:
        """What a border of -1 adds to the sums, by kind of window and row of the matrix."""
        outside = np.zeros((int(self.kinds[-1, -1]) + 1, self.outside.shape[-1]), dtype=np.int64)
        outside[self.kinds] = self.outside
        taps = self.weights.reshape(self.mh, -1, self.channels).sum(axis=2, dtype=np.int64)
        added: NDArray[np.int64] = -outside @ taps.T
        return added

    @property
    def threshold_words(self) -> int:
        return super().threshold_words * (len(self.excess) if self.whole else 1)

    @property
    def rtl_thresholds(self) -> NDArray[np.int64]:
        assert self.thresholds is not None
        if not self.whole:
            return self.thresholds
        by_kind: NDArray[np.int64] = self.thresholds + self.excess[:, :, None]
        return by_kind.reshape(-1, self.thresholds.shape[1])

    def execute(self, *frames: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        outside = np.repeat(self.outside, self.channels, axis=-1)
        # whatever the border holds: whole windows take it for -1
        return super().execute(frames[0] + outside if self.whole else frames[0] * ~outside)

    def may_have_dead(self, low: int, channels: int) -> bool:
        return False  # dead channels cancel over a whole window, not over a part of it

    def rtl(self) -> RtlInstance:
        plain = super().rtl()
        names = ("KH", "KW", "SH", "SW", "DH", "DW", "OH", "OW")
        numbers = (*self.kernel, *self.stride, *self.dilation, *self.pixels)
        border = {
            **({"BORDER": 2, "KINDS": len(self.excess)} if self.whole else self._taps),
            **dict(zip(names, numbers, strict=True)),
            "TOP": self.pads[0],
            "LEFT": self.pads[1],
            "H": self.size[0],
            "W": self.size[1],
        }
        memories = plain.memories
        if self.whole and self.thresholds is None:
            fields, bits = self.added_fields()
            memories += (RtlMemory("THRESHOLDS", self.pe * bits, pack_words(fields, bits)),)
        return RtlInstance(plain.module, {**plain.parameters, **border}, memories)

    @property
    def _taps(self) -> dict[str, int | str]:
        return {"BORDER": 1, "TAP_BEATS": self.channels // self.simd}

    def added_fields(self) -> tuple[NDArray[np.int64], int]:
        """What corrects plain sums of whole windows: bit patterns (kinds x MH / PE, PE), and their bits."""
        added = -self.excess - (self.mw if self.xnor else 0)
        return encode(added.reshape(-1, self.pe), self.output_dtype), self.output_dtype.bits

    @property
    def counts_matches(self) -> bool:
        return False

    def finn_output(self, port: int) -> DataType:
        return stream_type(self.output_dtype)

    def finn_attributes(self) -> Mapping[str, Attribute]:
        return {
            "MW": self.mw,
            "MH": self.mh,
            "PE": self.pe,
            "SIMD": self.simd,
            "inputDataType": stream_type(self.input_dtype).name,
            "weightDataType": self.weight_dtype.name,
            "outputDataType": stream_type(self.output_dtype).name,
            "noActivation": int(self.thresholds is None),
            "numInputVectors": vectors(self.outputs[0].shape),
            "ram_style": self.ram_style,
            "IFMDim": self.size,
            "ConvKernelDim": self.kernel,
            "Stride": self.stride,
            "Dilation": self.dilation,
            "Padding": self.pads,
        }

    def finn_parameters(self) -> tuple[FinnParameter, ...]:
        weights = ("weights", self.weights.T.astype(np.float32), self.weight_dtype)
        if self.thresholds is None:
            return (weights,)
        return (weights, ("thresholds", self.clipped_thresholds.astype(np.float32), self.accumulator))

    @classmethod
    def from_finn(cls, f: FinnFields) -> Self:
        weights = f.ints(0).T
        top, left, bottom, right = (int(n) for n in f["Padding"])
        return cls(
            **f.names,
            weights=weights.astype(np.int8) if np.abs(weights).max(initial=0) < 128 else weights,
            weight_dtype=DataType.parse(f["weightDataType"]),
            input_dtype=f.dtype("inputDataType"),
            output_dtype=f.dtype("outputDataType", "etb_outputs"),
            thresholds=None if f["noActivation"] else f.ints(1),
            pixels=f.pixels,
            pe=f["PE"],
            simd=f["SIMD"],
            ram_style=f["ram_style"],
            register=f.flag("etb_register"),
            writable=f.flag("etb_writable"),
            m=f.get("M", 1),
            size=f.pair("IFMDim"),
            kernel=f.pair("ConvKernelDim"),
            stride=f.pair("Stride"),
            dilation=f.pair("Dilation"),
            pads=(top, left, bottom, right),
        )

    @property
    def kind(self) -> str:
        # whole windows are those of a plain unit, with more thresholds
        return super().kind if self.whole else f"{super().kind}, border"

    def lut_amounts(self, fabric: Fabric) -> Amounts:
        plain = super().lut_amounts(fabric)
        if not self.whole:
            return {**plain, "walk": self._walk(), "gates": self.pe * self._product_sum_bits}
        # a function of the place for each bit of the kind, and the sum of the two axes
        tables = sum(rom_luts(2 * bits_of(len(self.excess)), n, fabric) for n in self._places)
        counted = tables + sum(map(counter, self._places))
        more: dict[str, float] = {"counters": plain["counters"] + self.m * counted}
        if self.thresholds is None:
            words = rom_luts(rom_columns(*self.added_fields()), self.threshold_words, fabric)
            added = words + self.pe * self.output_dtype.bits
            more["sums" if self.xnor else "plain accumulators"] = self.m * added
        return {**plain, **more}

    def ff_amounts(self, fabric: Fabric) -> Amounts:
        plain = super().ff_amounts(fabric)
        if not self.whole:
            return {**plain, "walk": self._walk_bits()}
        more = sum(map(bits_of, self._places))
        if self.thresholds is None:
            more += rom_columns(*self.added_fields())
        return {**plain, "counters": plain["counters"] + self.m * more}

    @property
    def _places(self) -> tuple[int, int]:
        """Rows of windows, and beats of a row."""
        return self.pixels[0], self.pixels[1] // self.m

    @property
    def _product_sum_bits(self) -> int:
        """Bits of a beat's dot product, each of which is kept or replaced."""
        return bits_of(self.simd + 1) if self.xnor else self.product_bits + bits_of(self.simd)

    @property
    def _reach(self) -> tuple[int, int]:
        reach = [
            (o - 1) * s + (k - 1) * d + 1
            for o, s, k, d in zip(self.pixels, self.stride, self.kernel, self.dilation, strict=True)
        ]
        return reach[0], reach[1]

    def _walk(self) -> float:
        """Counters of beats and taps; along each axis two adders and two or three comparators."""
        counters = sum(counter(n) for n in (self.channels // self.simd, *self.kernel))
        axes = sum(3 * bits_of(n) + 3 * comparator(bits_of(n), constant=True) for n in self._reach)
        return counters + axes

    def _walk_bits(self) -> float:
        counters = sum(bits_of(n) for n in (self.channels // self.simd, *self.kernel))
        return counters + sum(2 * bits_of(n) for n in self._reach)

    @classmethod
    def samplers(cls) -> tuple[Sampler, ...]:
        return Sampler(_bordered, 0, later=32), Sampler(_whole, 0, later=16)

    @classmethod
    def from_spec(cls, spec: Spec, rng: np.random.Generator) -> Self:
        taps = spec["k"] ** 2
        plain = Mvau.from_spec({**spec, "x": "BIPOLAR", "mw": taps * spec["c"]}, rng)
        out, pad = spec["size"], (spec["k"] - 1) // 2
        fields = {
            name: getattr(plain, name)
            for name in ("weights", "weight_dtype", "input_dtype", "output_dtype", "thresholds", "ram_style")
        }
        return cls(
            name=spec["kind"], layer="", **fields, pe=spec["pe"], simd=spec["simd"], m=spec.get("m", 1),
            pixels=(out, out),
            size=(out, out), kernel=(spec["k"],) * 2, pads=(pad,) * 4,
        )  # fmt: skip


def _bordered(draw: random.Random) -> Spec:
    c, mh = draw.choice((4, 8, 10, 16, 20, 32, 48, 64)), draw.choice((4, 8, 10, 16, 24, 32))
    pe, simd = draw_folds(draw, mh, c, draw.choice((64, 128, 512)), 64)
    return {
        "kind": "BorderMvau",
        "w": draw.choice(("BIPOLAR",) * 5 + ("INT2", "TERNARY")),
        "c": c,
        "k": draw.choice((3, 3, 3, 5)) if c < 20 else 3,
        "size": draw.choice((4, 7, 8, 14, 16, 28, 32)),
        "mh": mh,
        "pe": pe,
        "simd": simd,
        "steps": draw.choice((1, 1, 1, 0, 3)),
        "style": draw.choice(("distributed", "block")),
    }


def _whole(draw: random.Random) -> Spec:
    """Whole windows in a cycle, of one pixel or of two or four."""
    spec = _bordered(draw)
    c, mh, m = min(spec["c"], 16), min(spec["mh"], 16), draw.choice((1, 2, 4))
    pe = mh if m > 1 else draw.choice(divisors(mh))
    fold = {"c": c, "mh": mh, "pe": pe, "simd": spec["k"] ** 2 * c, "m": m}
    return {**spec, **fold, "size": draw.choice((4, 8, 16)), "style": "distributed"}
