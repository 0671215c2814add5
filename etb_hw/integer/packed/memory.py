"""How tensors lie in memory, and the memory of one thread: every tensor of a plan at a fixed address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from etb_hw.integer import nodes as g
from etb_hw.integer.packed.kernel import BLOCK, aligned
from etb_hw.integer.packed.layout import Encoding, bytes_of
from etb_hw.integer.packed.loops import PANEL

Array = NDArray[Any]
Image = tuple[int, int, int]


@dataclass(frozen=True)
class Form:
    """How a tensor (C, H, W) is held: as bit planes of an encoding, or as integers of a type.

    ``flat`` tensors are logically (C*H*W,), channels slowest, though they still lie as (H, W, C). Bits may
    lie within a border (``pads``), every value of which has the level ``border``.
    """

    shape: Image
    encoding: Encoding | None = None
    dtype: Any = np.int32
    flat: bool = False
    pads: g.Pads = (0, 0, 0, 0)
    border: int = 0

    def allocate(self, batch: int) -> Array:
        """Bytes (planes, N, H + .., W + .., bytes a pixel) with their border, or integers (N, H, W, C)."""
        channels, height, width = self.shape
        if self.encoding is None:
            return aligned(batch * channels * height * width, self.dtype).reshape(
                batch, height, width, channels
            )
        top, left, bottom, right = self.pads
        shape = (
            self.encoding.planes,
            batch,
            height + top + bottom,
            width + left + right,
            bytes_of(channels),
        )
        out = aligned(int(np.prod(shape)), np.uint8).reshape(shape)
        if any(self.pads) and self.border:
            for plane in range(len(out)):
                ones = np.full(channels, self.border >> plane & 1, dtype=bool)
                out[plane] = np.packbits(ones, bitorder="little")
            self.inside(out)[:] = 0
        return out

    @property
    def bytes(self) -> int:
        """Of an image, about."""
        channels, height, width = self.shape
        if self.encoding is None:
            return channels * height * width * int(np.dtype(self.dtype).itemsize)
        return bytes_of(channels) * height * width * self.encoding.planes

    def inside(self, array: Array) -> Array:
        """An allocated array without its border."""
        if self.encoding is None:
            return array
        top, left = self.pads[:2]
        return array[:, :, top : top + self.shape[1], left : left + self.shape[2]]


class Place(NamedTuple):
    """Address of a tensor's first value and the strides of its axes, in bytes."""

    start: int
    plane: int
    image: int
    row: int
    pixel: int
    channel: int


def place_of(form: Form, array: Array) -> Place:
    view = form.inside(array)
    strides = view.strides if form.encoding is not None else (0, *view.strides)
    return Place(view.ctypes.data, *strides)


def channels_first(shape: Image, dtype: Any) -> Place:
    """The network's input and result: (N, C, H, W) wherever the caller has them (address 0)."""
    size = np.dtype(dtype).itemsize
    channels, height, width = shape
    return Place(0, 0, channels * height * width * size, width * size, size, height * width * size)


class Memory:
    """Arrays of one thread for batches of up to ``batch`` images, by tensor; scratch for all steps.

    Args:
        panel_bytes: what the largest panel of a convolution takes.
    """

    def __init__(self, batch: int, panel_bytes: int) -> None:
        self.batch = batch
        self.forms: dict[str, Form] = {}
        self.arrays: dict[str, Array] = {}
        self.places: dict[str, Place] = {}
        self.kept: list[Array] = []
        self.panel = self.keep(aligned(panel_bytes, np.uint8))
        self.sums = self.keep(aligned(PANEL * BLOCK, np.int32))
        self.where = self.keep(aligned(3 * PANEL, np.int64))

    def keep(self, array: Array) -> int:
        """Address of an array that lives as long as this memory."""
        self.kept.append(array)
        return array.ctypes.data

    def add(self, name: str, form: Form) -> Place:
        """Allocate a tensor."""
        self.forms[name] = form
        self.arrays[name] = form.allocate(self.batch)
        self.places[name] = place_of(form, self.arrays[name])
        return self.places[name]
