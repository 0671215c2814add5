"""Sliding window: image pixels in, convolution windows out; FINN's ConvolutionInputGenerator_rtl.

A cyclic buffer keeps the rows a window spans. One beat of SIMD channels leaves a cycle, windows in
(ky, kx, channel) order; depthwise windows come as (channel fold, ky, kx, SIMD lanes). A 1x1 kernel only
skips pixels. Cycles are our RTL's. Resources, and ``finn_cycles``, follow FINN's formulas for its default
implementation style: ``fill + OH max(OW KH KW C/SIMD, stride_w W C/SIMD)`` cycles (too few for some strides
and small images, a little too many elsewhere), ``LUT = 300 + lanes ceil(depth / 38)`` for distributed
buffers, BRAM by the shape that the depth allows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.block import Block, FinnNode, Fold, RtlInstance
from etb_hw.dataflow.divisors import divisors
from etb_hw.dataflow.resources import Resources, urams
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
    RAM_STYLES: ClassVar[tuple[str, ...]] = ("distributed", "block", "ultra")

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
        return _interval(self.size, fold, self.kernel, self.stride, self.dilation, self.depthwise, self.depth)

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


@lru_cache(maxsize=65536)
def _interval(
    size: tuple[int, int],
    fold: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    depthwise: bool,
    depth: int,
) -> int:
    """Cycles a frame of the cyclic buffer when input and output never wait.

    A beat is written every cycle while there is room, and read every cycle once it has arrived; a window's
    reads start at its first pixel's place, and its room is given free when it is done. With ``level`` beats
    there at its start, read i of beat ``o(i)`` waits until cycle ``o(i) - level + 1``, so that the window
    takes ``reads + max(0, max(o(i) - i) + 1 - level)`` cycles.
    """
    width = size[1]
    out_h, out_w = (conv_output_size(*axis, 0) for axis in zip(size, kernel, stride, dilation, strict=True))
    rows, columns = np.arange(kernel[0]) * dilation[0] * width, np.arange(kernel[1]) * dilation[1]
    taps = (rows[:, None] + columns).reshape(-1) * fold
    folds = np.arange(fold)
    offsets = (folds[:, None] + taps if depthwise else taps[:, None] + folds).reshape(-1)
    reads = len(offsets)
    latest = int((offsets - np.arange(reads)).max()) + 1
    along, down, around = window_moves(size, (out_h, out_w), stride, fold)
    moves = ([along] * (out_w - 1) + [down]) * (out_h - 1) + [along] * (out_w - 1) + [around]
    level, spent = 0, 0
    seen: dict[int, int] = {}
    while level not in seen:  # frames repeat as soon as they start from a level that one started from
        seen[level] = len(seen)
        spent = 0
        for move in moves:
            duration = reads + max(0, latest - level)
            spent += duration
            level = min(depth, level + duration) - move
    return spent


def window_moves(
    size: tuple[int, int], out_size: tuple[int, int], stride: tuple[int, int], fold: int
) -> tuple[int, int, int]:
    """Beats from a window to the next: along a row, down to the next row, and around to the next frame."""
    (height, width), (out_h, out_w) = size, out_size
    along, row = stride[1] * fold, stride[0] * width * fold
    back = (out_w - 1) * along
    return along, row - back, height * width * fold - (out_h - 1) * row - back


def is_bypass(kernel: tuple[int, int], stride: tuple[int, int]) -> bool:
    """Whether windows are the pixels themselves, so that no block is needed (1x1, stride 1)."""
    return kernel == (1, 1) and stride == (1, 1)
