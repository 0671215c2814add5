"""Sliding window: image pixels in, convolution windows out; FINN's ConvolutionInputGenerator_rtl.

Windows have (ky, kx, channel) order; depthwise windows come as (channel fold, ky, kx, SIMD lanes). The
folding decides how they are made, one file each: ``cyclic`` gives SIMD channels a cycle, ``parallel`` a whole
window a cycle, or those of M pixels, and a 1x1 kernel only skips pixels (``pointwise``). Whole windows that
are depthwise are the others with all channels in a fold; no reader that FINN has takes them. Cycles are our
RTL's; resources, and ``finn_cycles``, follow FINN's formulas (too few for some strides and small images, a
little too many elsewhere).
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.block import Amounts, Attribute, Caption, Fold, LargeMemory, RtlInstance
from etb_hw.dataflow.blocks.sliding_window.cyclic import Cyclic
from etb_hw.dataflow.blocks.sliding_window.form import Form
from etb_hw.dataflow.blocks.sliding_window.geometry import WindowGeometry
from etb_hw.dataflow.blocks.sliding_window.parallel import Parallel
from etb_hw.dataflow.blocks.sliding_window.pointwise import Pointwise
from etb_hw.dataflow.divisors import divisors
from etb_hw.dataflow.fabric.family import Fabric
from etb_hw.dataflow.finn_fields import FinnFields
from etb_hw.dataflow.machine import Machine
from etb_hw.dataflow.resources import RAM_STYLES, Resources
from etb_hw.dataflow.sampling import COUNTS, Sampler, Spec, common
from etb_hw.dataflow.stream import Stream
from etb_hw.dataflow.vocabulary import stream_type
from etb_hw.integer.datatype import DataType


@dataclass(frozen=True, eq=False, kw_only=True)
class SlidingWindow(WindowGeometry):
    """The block; its parameters are those of ``WindowGeometry``."""

    OP: ClassVar[str] = "ConvolutionInputGenerator_rtl"
    CAPTION: ClassVar[Caption] = Caption("Sliding window", "window")

    @cached_property
    def form(self) -> Form:
        """How the windows are made."""
        if self.parallel_window or self.m > 1:
            return Parallel(self)
        return Pointwise(self) if self.kernel == (1, 1) else Cyclic(self)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        row = self.kernel[0] * self.kernel[1] * self.channels
        lanes = self.form.out_lanes
        return (Stream((*self.out_size, row), self.dtype, lanes, max(1, lanes // row)),)

    def finn_fold(self, target: int, widest: int) -> Fold:
        if not self.may_be_parallel:
            return super().finn_fold(target, widest)
        slow = self.folded({"parallel_window": 0})
        simd = slow.raised("SIMD", self.channels, target)
        late = simd == self.channels and slow.folded({"SIMD": simd}).finn_cycles > target
        return {"SIMD": simd, "parallel_window": int(late and not self.depthwise)}

    @property
    def cycles(self) -> int:
        return self.form.cycles

    @property
    def finn_cycles(self) -> int:
        return self.form.finn_cycles

    def resources(self) -> Resources:
        return self.form.finn_resources()

    def finn_attributes(self) -> Mapping[str, Attribute]:
        return {
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
            "parallel_window": self.parallel_window,
            "ram_style": self.ram_style,
        }

    def rtl(self) -> RtlInstance:
        return self.form.rtl()

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
            parallel_window=f.choice("parallel_window", (0, 1)),
            ram_style=f.choice("ram_style", RAM_STYLES),
            register=f.flag("etb_register"),
            m=f.get("M", 1),
        )

    @property
    def registers(self) -> int:
        return super().registers + self.form.registers

    def machines(self) -> tuple[Machine, ...]:
        return self.form.machines()

    @property
    def kind(self) -> str:
        return self.form.KIND

    @property
    def fixes_lanes(self) -> bool:
        return self.depthwise

    @property
    def ram_styles(self) -> tuple[str, ...]:
        return self.form.ram_styles

    @property
    def memory(self) -> LargeMemory | None:
        return self.form.memory

    def may_have_dead(self, low: int, channels: int) -> bool:
        return not self.depthwise

    def lut_amounts(self, fabric: Fabric) -> Amounts:
        return self.form.lut_amounts(fabric)

    def ff_amounts(self, fabric: Fabric) -> Amounts:
        return self.form.ff_amounts(fabric)

    @classmethod
    def samplers(cls) -> tuple[Sampler, ...]:
        return Sampler(_window, 6), Sampler(_parallel_window, 1, later=32), Sampler(_pixels, 0, later=16)

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
            parallel_window=spec.get("parallel", 0),
            m=spec.get("m", 1),
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
    memory = SlidingWindow.from_spec(spec, np.random.default_rng(0)).memory
    depth = 0 if memory is None else memory.depth
    if depth > 256 or (depth > 64 and draw.random() < 0.5):
        spec["style"] = "block"
    return spec


def _parallel_window(draw: random.Random) -> Spec:
    c, (h, w) = draw.choice(COUNTS), (6, draw.choice((6, 10, 18, 34, 66, 130)))
    x = draw.choice(("BIPOLAR", "BIPOLAR", "UINT2") if c > 20 else ("BIPOLAR", "UINT2", "UINT8"))
    k, s = draw.choice(((3, 1), (3, 1), (3, 2), (2, 1), (5, 1)))
    style = draw.choice(("distributed", "block")) if w > 34 else "distributed"
    return {"kind": "SlidingWindow", "h": h, "w": w, "c": c, "k": k, "s": s, "x": x, "simd": c,
            "parallel": 1, "style": style}  # fmt: skip


def _pixels(draw: random.Random) -> Spec:
    spec = _parallel_window(draw)
    plain = SlidingWindow.from_spec(spec, np.random.default_rng(0))
    return {**spec, "m": draw.choice([m for m in plain.pixel_counts if m <= 4] or [1])}
