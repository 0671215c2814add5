"""MVAU over windows whose border is zero although their stream knows -1 and +1 only.

Brevitas and PyTorch pad signs with 0. The stream's border holds -1 as FINN has it; this block knows from its
own counters which taps lie outside of the image, and counts them for nothing: where agreements of signs are
counted, half of the pairs of such a tap agree, so that 2 p - n is the sum of the others. One bit a value
instead of two in windows and products; FINN has no such node, so that it refuses the file instead of padding
with -1 (``builder = "finn"`` makes what FINN can build).
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.block import Amounts, Attribute, Caption, FinnNode, FinnParameter, Fold, RtlInstance
from etb_hw.dataflow.blocks.mvau import Mvau
from etb_hw.dataflow.divisors import divisors
from etb_hw.dataflow.fabric.family import Fabric
from etb_hw.dataflow.fabric.memories import bits_of
from etb_hw.dataflow.fabric.parts import comparator, counter
from etb_hw.dataflow.finn_fields import FinnFields
from etb_hw.dataflow.sampling import Sampler, Spec, draw_folds
from etb_hw.dataflow.vocabulary import OWN_DOMAIN, stream_type, vectors
from etb_hw.integer.datatype import BIPOLAR, DataType
from etb_hw.integer.graph import Pads, Pair


@dataclass(frozen=True, eq=False, kw_only=True)
class BorderMvau(Mvau):
    """``y = thresholds(W x)`` where x is 0 outside of the image.

    Attributes:
        size: (H, W) of the image without its border.
        kernel, stride, dilation, pads: of the windows that it reads; pads are top, left, bottom, right.
    """

    OP: ClassVar[str] = "BorderMVAU_rtl"
    CAPTION: ClassVar[Caption] = Caption("Matrix-vector unit, zero border", "mvau")
    TAP_BY_TAP: ClassVar[bool] = True
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
        # a beat is of one tap
        return tuple({"PE": pe, "SIMD": simd} for pe in divisors(self.mh) for simd in divisors(self.channels))

    @property
    def pixel_counts(self) -> tuple[int, ...]:
        return ()  # a beat is of one tap

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

    def execute(self, *frames: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        inside = np.repeat(~self.outside, self.channels, axis=-1)
        return super().execute(frames[0] * inside)

    def may_have_dead(self, low: int, channels: int) -> bool:
        return False  # dead channels cancel over a whole window, not over a part of it

    def rtl(self) -> RtlInstance:
        plain = super().rtl()
        names = ("KH", "KW", "SH", "SW", "DH", "DW", "OH", "OW")
        numbers = (*self.kernel, *self.stride, *self.dilation, *self.pixels)
        border = {
            "BORDER": 1,
            "TAP_BEATS": self.channels // self.simd,
            **dict(zip(names, numbers, strict=True)),
            "TOP": self.pads[0],
            "LEFT": self.pads[1],
            "H": self.size[0],
            "W": self.size[1],
        }
        return RtlInstance(plain.module, {**plain.parameters, **border}, plain.memories)

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

    def finn_node(self) -> FinnNode:
        return FinnNode(self.op, OWN_DOMAIN, self.finn_attributes(), self.finn_parameters())

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
            size=f.pair("IFMDim"),
            kernel=f.pair("ConvKernelDim"),
            stride=f.pair("Stride"),
            dilation=f.pair("Dilation"),
            pads=(top, left, bottom, right),
        )

    @property
    def kind(self) -> str:
        return f"{super().kind}, border"

    def lut_amounts(self, fabric: Fabric) -> Amounts:
        return {
            **super().lut_amounts(fabric),
            "walk": self._walk(),
            "gates": self.pe * self._product_sum_bits,
        }

    def ff_amounts(self, fabric: Fabric) -> Amounts:
        return {**super().ff_amounts(fabric), "walk": self._walk_bits()}

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
        return (Sampler(_bordered, 0, later=32),)

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
            name=spec["kind"], layer="", **fields, pe=spec["pe"], simd=spec["simd"], pixels=(out, out),
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
