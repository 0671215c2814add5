"""Which windows of which image, and what foldings they have: all that the ways to make them need to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from etb_hw.dataflow.block import Fold
from etb_hw.dataflow.divisors import divisors
from etb_hw.dataflow.kept_channels import KeepsChannels
from etb_hw.dataflow.pixel_block import PixelBlock
from etb_hw.dataflow.registered_block import RegisteredBlock
from etb_hw.dataflow.stream import Stream
from etb_hw.errors import BadInput
from etb_hw.integer.datatype import DataType
from etb_hw.integer.infer import conv_output_size


@dataclass(frozen=True, eq=False, kw_only=True)
class WindowGeometry(PixelBlock, RegisteredBlock, KeepsChannels):
    """Windows of an image (H, W, C) as rows of (KH*KW*C,), without padding (see ``padding``).

    ``register``: whether our RTL has a register behind a buffer whose own way is long, for a faster clock.
    """

    size: tuple[int, int]
    kernel: tuple[int, int]
    dtype: DataType
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    depthwise: bool = False
    simd: int = 1
    parallel_window: int = 0
    ram_style: str = "distributed"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.parallel_window:
            return
        where = f"{self.name}.parallel_window = {self.parallel_window}"
        if not self.may_be_parallel:
            raise BadInput(where, "is not possible for this window", "leave it at 0")
        if self.simd != self.channels:
            raise BadInput(
                where, f"needs all channels a beat, not {self.simd}", f"give SIMD = {self.channels}"
            )

    @property
    def may_be_parallel(self) -> bool:
        """Whether whole windows can leave at once."""
        # a line buffer of one word would be read while it is written
        lines = self.kernel[0] == 1 or self.size[1] * self.dilation[0] > 1
        return lines and self.kernel != (1, 1)

    @property
    def out_size(self) -> tuple[int, int]:
        height, width = (
            conv_output_size(*axis, 0)
            for axis in zip(self.size, self.kernel, self.stride, self.dilation, strict=True)
        )
        return height, width

    @property
    def inputs(self) -> tuple[Stream, ...]:
        return (Stream((*self.size, self.channels), self.dtype, self.m * self.simd, self.m),)

    @property
    def pixel_counts(self) -> tuple[int, ...]:
        (_, width), (_, across), stride = self.size, self.out_size, self.stride[1]
        if not self.may_be_parallel and self.kernel != (1, 1):
            return ()
        # whole words of pixels in, whole words of windows out, and line buffers of more than a word
        lines = 1 if self.kernel[0] == 1 else 2
        return tuple(
            m
            for m in divisors(width)[1:]
            if m % stride == 0 and across % (m // stride) == 0 and width // m * self.dilation[0] >= lines
        )

    @property
    def folds(self) -> tuple[Fold, ...]:
        simds = divisors(self.channels)
        if not self.may_be_parallel:
            return tuple({"SIMD": simd} for simd in simds)
        slow = tuple({"SIMD": simd, "parallel_window": 0} for simd in simds)
        return slow if self.depthwise else (*slow, self.unrolled)

    @property
    def unrolled(self) -> Fold:
        whole = {"parallel_window": 1} if self.may_be_parallel else {}
        return {"SIMD": self.channels, **whole}

    @property
    def beat_bits(self) -> int:
        """Bits of an input beat."""
        return self.simd * self.dtype.bits

    @property
    def span(self) -> int:
        """Pixels between the first and the last of a window, both counted."""
        (kernel_h, kernel_w), (dilation_h, dilation_w) = self.kernel, self.dilation
        return (kernel_h - 1) * dilation_h * self.size[1] + (kernel_w - 1) * dilation_w + 1

    def rtl_parameters(self, depth: int) -> Mapping[str, int | str]:
        """What the modules are told of the image and its windows, and of a buffer of so many words."""
        return {
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
            "DEPTH": depth,
            "RAM_STYLE": self.ram_style,
        }
