"""Sliding window: image pixels in, convolution windows out; FINN's ConvolutionInputGenerator_rtl.

A cyclic buffer keeps the rows a window spans. One beat of SIMD channels leaves a cycle, windows in
(ky, kx, channel) order; depthwise windows come as (channel fold, ky, kx, SIMD lanes). A 1x1 kernel only
skips pixels. Cycles are our RTL's. Resources, and ``finn_cycles``, follow FINN's formulas for its default
implementation style: ``fill + OH max(OW KH KW C/SIMD, stride_w W C/SIMD)`` cycles (too few for some strides
and small images, a little too many elsewhere), ``LUT = 300 + lanes ceil(depth / 38)`` for distributed
buffers, BRAM by the shape that the depth allows.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from math import ceil
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.block import Amounts, Block, Caption, FinnNode, Fold, LargeMemory, RtlInstance
from etb_hw.dataflow.blocks.sliding_window.cost import ff_amounts, lut_amounts
from etb_hw.dataflow.blocks.sliding_window.walk import Walk, interval, walk
from etb_hw.dataflow.divisors import divisors
from etb_hw.dataflow.fabric.family import Fabric
from etb_hw.dataflow.finn_fields import FinnFields
from etb_hw.dataflow.machine import PATTERN, SEND, TAKE, WINDOW, Machine
from etb_hw.dataflow.resources import Resources, urams
from etb_hw.dataflow.sampling import COUNTS, Sampler, Spec, common
from etb_hw.dataflow.stream import Stream
from etb_hw.dataflow.vocabulary import domain_of, stream_type
from etb_hw.integer.datatype import DataType
from etb_hw.integer.infer import conv_output_size

# words a RAMB18 holds at each width, widest first
_RAMB18 = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))


@dataclass(frozen=True, eq=False, kw_only=True)
class SlidingWindow(Block):
    """Windows of an image (H, W, C) as rows of (KH*KW*C,), without padding (see ``padding``)."""

    OP: ClassVar[str] = "ConvolutionInputGenerator_rtl"
    CAPTION: ClassVar[Caption] = Caption("Sliding window", "window")

    size: tuple[int, int]
    channels: int
    kernel: tuple[int, int]
    dtype: DataType
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    depthwise: bool = False
    simd: int = 1
    ram_style: str = "distributed"

    @property
    def out_size(self) -> tuple[int, int]:
        height, width = (
            conv_output_size(*axis, 0)
            for axis in zip(self.size, self.kernel, self.stride, self.dilation, strict=True)
        )
        return height, width

    @property
    def inputs(self) -> tuple[Stream, ...]:
        return (Stream((*self.size, self.channels), self.dtype, self.simd),)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        row = self.kernel[0] * self.kernel[1] * self.channels
        return (Stream((*self.out_size, row), self.dtype, self.simd),)

    @property
    def folds(self) -> tuple[Fold, ...]:
        return tuple({"SIMD": simd} for simd in divisors(self.channels))

    @property
    def span(self) -> int:
        """Pixels between the first and the last of a window, both counted: what the buffer must keep."""
        (kernel_h, kernel_w), (dilation_h, dilation_w) = self.kernel, self.dilation
        return (kernel_h - 1) * dilation_h * self.size[1] + (kernel_w - 1) * dilation_w + 1

    @property
    def pointwise(self) -> bool:
        return self.kernel == (1, 1)

    @property
    def depth(self) -> int:
        """Beats the buffer holds: a window's span, and room to read ahead when the stride skips rows."""
        fold = self.channels // self.simd
        if self.pointwise:
            return 2
        taps = self.kernel[0] * self.kernel[1]
        ahead = max(0, self.stride[1] - 1 - taps) + max(0, (self.stride[0] - 1) * self.size[1] - taps)
        return (self.span + ahead) * fold

    @property
    def cycles(self) -> int:
        fold = self.channels // self.simd
        if self.pointwise:
            return self.inputs[0].beats
        return interval(self.size, fold, self.kernel, self.stride, self.dilation, self.depthwise, self.depth)

    @property
    def finn_cycles(self) -> int:
        fold = self.channels // self.simd
        height, width = self.size
        out_h, out_w = self.out_size
        taps = self.kernel[0] * self.kernel[1]
        if self.pointwise:
            return height * width * fold + 2
        if 1 in self.size:
            # one row or one column: FINN's one-dimensional case
            stride, out, kernel = (
                (self.stride[0], out_h, self.kernel[0])
                if width == 1
                else (self.stride[1], out_w, self.kernel[1])
            )
            if self.depthwise:
                return out * kernel * fold + fold * (kernel - 1) * (stride - 1) - (kernel - 1) + 2
            return out * kernel * fold + 2
        row = max(out_w * taps * fold, self.stride[1] * width * fold)
        if self.depthwise:
            row += out_w * (self.stride[1] - 1) * (fold - 1)
        extra = (self.stride[0] - 1) * width * fold if self.depthwise else 0
        return self.span * fold + out_h * row + extra

    def resources(self) -> Resources:
        width, depth = self.simd * self.dtype.bits, self.depth
        return Resources(
            lut=300 + (width * ceil(depth / 38) if self.ram_style == "distributed" else 0),
            bram_18k=self._brams(width, depth) if self.ram_style in ("auto", "block") else 0,
            uram=urams(width, depth) if self.ram_style == "ultra" else 0,
        )

    def _brams(self, width: int, depth: int) -> int:
        if self.pointwise:
            return 0

        def columns(words: int) -> int:
            return ceil(width / next((bits for limit, bits in _RAMB18 if words <= limit), 1))

        if depth <= 16384:
            return columns(depth)
        # the last, partly filled bank of a cascade may take a wider shape
        return ceil(depth / 16384) * columns(depth) - (columns(depth) - columns(depth % 16384))

    def finn_node(self) -> FinnNode:
        return FinnNode(
            self.op,
            domain_of(self.op),
            {
                "backend": "fpgadataflow",
                "ConvKernelDim": self.kernel,
                "IFMChannels": self.channels,
                "IFMDim": self.size,
                "OFMDim": self.out_size,
                "SIMD": self.simd,
                "Stride": self.stride,
                "Dilation": self.dilation,
                "inputDataType": stream_type(self.dtype).name,
                "outputDataType": stream_type(self.dtype).name,
                "depthwise": int(self.depthwise),
                "is1D": int(1 in self.size),
                "parallel_window": 0,
                "ram_style": self.ram_style,
            },
        )

    def rtl(self) -> RtlInstance:
        return RtlInstance(
            "sliding_window",
            {
                "H": self.size[0],
                "W": self.size[1],
                "C": self.channels,
                "SIMD": self.simd,
                "BITS": self.dtype.bits,
                "KH": self.kernel[0],
                "KW": self.kernel[1],
                "SH": self.stride[0],
                "SW": self.stride[1],
                "DH": self.dilation[0],
                "DW": self.dilation[1],
                "DEPTHWISE": int(self.depthwise),
                "DEPTH": self.depth,
                "RAM_STYLE": self.ram_style,
            },
        )

    def execute(self, *frames: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        (x,) = frames
        reach = tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation, strict=True))
        views = np.lib.stride_tricks.sliding_window_view(x, reach, axis=(1, 2))
        views = views[:, :: self.stride[0], :: self.stride[1], :, :: self.dilation[0], :: self.dilation[1]]
        batch, height, width, channels = views.shape[:4]
        rows = views.transpose(0, 1, 2, 4, 5, 3)  # ky, kx, channel
        if self.depthwise:
            rows = rows.reshape(batch, height, width, -1, channels // self.simd, self.simd)
            rows = rows.transpose(0, 1, 2, 4, 3, 5)
        return (rows.reshape(batch, height, width, -1),)

    @classmethod
    def from_finn(cls, f: FinnFields) -> Self:
        return cls(
            **f.names,
            size=f.pair("IFMDim"),
            channels=f["IFMChannels"],
            kernel=f.pair("ConvKernelDim"),
            dtype=f.dtype("inputDataType"),
            stride=f.pair("Stride"),
            dilation=f.pair("Dilation"),
            depthwise=bool(f["depthwise"]),
            simd=f["SIMD"],
            ram_style=f["ram_style"],
        )

    @property
    def walk(self) -> Walk:
        """Reads of the buffer."""
        fold = self.channels // self.simd
        return walk(self.size, self.out_size, fold, self.kernel, self.stride, self.dilation, self.depthwise)

    def machines(self) -> tuple[Machine, ...]:
        if self.pointwise:
            keep = np.full(self.size, TAKE, dtype=np.uint8)
            keep[:: self.stride[0], :: self.stride[1]] |= SEND
            return (Machine(PATTERN, np.repeat(keep.reshape(-1), self.channels // self.simd)),)
        walk, (out_h, out_w) = self.walk, self.out_size
        window = (*walk.extents, out_w, out_h, *walk.strides, *walk.moves, self.depth)
        return (Machine(WINDOW, window=window),)

    @property
    def kind(self) -> str:
        return "SlidingWindow pointwise" if self.pointwise else "SlidingWindow"

    @property
    def fixes_lanes(self) -> bool:
        return self.depthwise

    @property
    def ram_styles(self) -> tuple[str, ...]:
        return () if self.pointwise else ("distributed", "block", "ultra")

    @property
    def memory(self) -> LargeMemory | None:
        if self.pointwise:
            return None
        return LargeMemory(self.simd * self.dtype.bits, self.depth, self.ram_style, written=True)

    def may_have_dead(self, low: int, channels: int) -> bool:
        return not self.depthwise

    def with_dead(self, channels: int, dead_in: int, dead_out: int) -> Self:
        assert dead_in == dead_out, "it yields the channels that it reads"
        return replace(self, channels=channels + dead_in)

    def lut_amounts(self, fabric: Fabric) -> Amounts:
        return lut_amounts(self, fabric)

    def ff_amounts(self, fabric: Fabric) -> Amounts:
        return ff_amounts(self, fabric)

    @classmethod
    def samplers(cls) -> tuple[Sampler, ...]:
        return (Sampler(_window, 6),)

    @classmethod
    def from_spec(cls, spec: Spec, rng: np.random.Generator) -> Self:
        return cls(
            **common(spec),
            size=(spec["h"], spec["w"]),
            channels=spec["c"],
            kernel=(spec["k"], spec["k"]),
            dtype=DataType.parse(spec["x"]),
            stride=(spec["s"], spec["s"]),
            simd=spec["simd"],
            ram_style=spec["style"],
        )


def is_bypass(kernel: tuple[int, int], stride: tuple[int, int]) -> bool:
    """Whether windows are the pixels themselves, so that no block is needed (1x1, stride 1)."""
    return kernel == (1, 1) and stride == (1, 1)


def _window(draw: random.Random) -> Spec:
    c, size = draw.choice(COUNTS), draw.choice((6, 8, 10, 14, 18, 30, 34))
    x = draw.choice(("BIPOLAR", "BIPOLAR", "BIPOLAR", "UINT8", "UINT2"))
    simd = draw.choice([s for s in divisors(c) if s <= 64])
    k, s = draw.choice(((3, 1), (3, 1), (3, 1), (3, 2), (2, 1), (5, 1), (1, 2)))
    spec = {"kind": "SlidingWindow", "h": size, "w": size, "c": c, "k": k, "s": s, "x": x, "simd": simd,
            "style": "distributed"}  # fmt: skip
    block = SlidingWindow.from_spec(spec, np.random.default_rng(0))
    if block.depth > 256 or (block.depth > 64 and draw.random() < 0.5):
        spec["style"] = "block"
    return spec
