"""A stream between two blocks: what an AXI-Stream carries, beat by beat."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from etb_hw.errors import BadInput
from etb_hw.integer.datatype import DataType


@dataclass(frozen=True)
class Stream:
    """One frame on a valid/ready stream.

    Values travel pixel by pixel (row-major), channels innermost: NHWC. ``shape`` is (H, W, C) or (C,).
    A beat carries ``lanes`` neighbouring values; lane 0 sits in the least significant bits: channels of one
    pixel, or all channels of ``m`` neighbouring pixels of a row. A bipolar value is one bit (0 is -1), other
    types are unsigned or two's complement of ``dtype.bits`` bits.
    """

    shape: tuple[int, ...]
    dtype: DataType
    lanes: int
    m: int = 1

    def __post_init__(self) -> None:
        if self.m != 1:
            self._check_pixels()
        elif self.lanes < 1 or self.shape[-1] % self.lanes:
            raise BadInput(
                f"stream of shape {self.shape}",
                f"{self.lanes} lanes do not divide {self.shape[-1]} channels",
                "choose a PE or SIMD that divides the channels",
            )

    def _check_pixels(self) -> None:
        row = self.shape[-2] if len(self.shape) > 1 else 1
        if self.m < 1 or row % self.m or self.lanes != self.m * self.channels:
            raise BadInput(
                f"stream of shape {self.shape}",
                f"{self.lanes} lanes are not all channels of {self.m} pixels, which divide a row",
                "choose an M that divides the row",
            )

    @property
    def channels(self) -> int:
        return self.shape[-1]

    @property
    def pixels(self) -> int:
        return prod(self.shape[:-1])

    @property
    def width(self) -> int:
        """Bits a beat."""
        return self.lanes * self.dtype.bits

    @property
    def beats(self) -> int:
        """Beats a frame."""
        return self.pixels * self.channels // self.lanes
