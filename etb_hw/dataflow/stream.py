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
    A beat carries ``lanes`` neighbouring channels; lane 0 sits in the least significant bits. A bipolar
    value is one bit (0 is -1), other types are unsigned or two's complement of ``dtype.bits`` bits.
    """

    shape: tuple[int, ...]
    dtype: DataType
    lanes: int

    def __post_init__(self) -> None:
        if self.lanes < 1 or self.shape[-1] % self.lanes:
            raise BadInput(
                f"stream of shape {self.shape}",
                f"{self.lanes} lanes do not divide {self.shape[-1]} channels",
                "choose a PE or SIMD that divides the channels",
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
        return self.pixels * (self.channels // self.lanes)
