"""Weights and activations in the kernels' layouts: bit planes, byte groups, lane order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from etb_hw.integer.packed.kernel import BLOCK, ByteKernel, Kernel, aligned

Bits = NDArray[np.bool_]
Ints64 = NDArray[np.int64]


@dataclass(frozen=True)
class Encoding:
    """Values as bits: ``value = low + step * level``, bit i of the level in plane i."""

    low: int
    step: int
    planes: int

    @property
    def highest(self) -> int:
        return self.low + self.step * ((1 << self.planes) - 1)

    def holds(self, value: int) -> bool:
        return self.low <= value <= self.highest and (value - self.low) % self.step == 0


@dataclass(frozen=True, eq=False)
class WeightPlane:
    """A +-1 matrix ``2 * bits - 1`` that counts ``coefficient / 2`` times."""

    bits: Bits
    coefficient: int


def weight_planes(weights: Ints64) -> list[WeightPlane]:
    """Split integers into signs: ``weights == sum(plane.coefficient * (2 * plane.bits - 1)) / 2``."""
    low, high = int(weights.min()), int(weights.max())
    if low >= -1 and high <= 1:
        if not (weights == 0).any():
            return [WeightPlane(weights > 0, 2)]
        return [WeightPlane(weights >= 0, 1), WeightPlane(weights > 0, 1)]
    # two's-complement ranges are not symmetric: planes of the level above low, and a constant plane
    count = (high - low).bit_length()
    level = weights - low
    planes = [WeightPlane((level >> i & 1).astype(bool), 2**i) for i in range(count)]
    rest = 2 * low + 2**count - 1
    if rest:
        planes.append(WeightPlane(np.ones(weights.shape, dtype=bool), rest))
    return planes


def lane_order(lanes: int) -> NDArray[np.int64]:
    """Output channel of each lane: even lanes widen to the first half of the sums, odd ones to the second."""
    half = lanes // 2
    order = np.empty(lanes, dtype=np.int64)
    order[0::2], order[1::2] = np.arange(half), half + np.arange(half)
    return order


def groups_of(kernel: Kernel, channels: int, pixels: int) -> int:
    """Byte groups of a window of ``pixels``, padded to the kernel's unrolling."""
    groups = pixels * -(-channels // kernel.channels)
    return -(-groups // kernel.unroll) * kernel.unroll


def pack_binary(kernel: Kernel, bits: Bits) -> NDArray[np.uint8]:
    """Blocks of weights for a binary kernel.

    Args:
        bits: (O, KH, KW, C) signs, True for +1.

    Returns:
        Flat bytes, [block][group][lane]; the last block is only as wide as it must be.
    """
    outputs, height, width, channels = bits.shape
    a_group = -(-channels // kernel.channels)
    padded = np.zeros((outputs, height * width, a_group * kernel.channels), dtype=np.uint8)
    padded[:, :, :channels] = bits.reshape(outputs, -1, channels)
    place = (1 << np.arange(kernel.channels)).astype(np.uint8)
    codes = (padded.reshape(outputs, -1, kernel.channels) * place).sum(axis=2, dtype=np.uint8)
    groups = groups_of(kernel, channels, height * width)
    wide = -(-outputs // kernel.lanes) * kernel.lanes
    rows = np.zeros((wide, groups), dtype=np.uint8)
    rows[:outputs, : codes.shape[1]] = codes
    order = lane_order(kernel.lanes)
    rows = rows.reshape(-1, kernel.lanes, groups)[:, order].reshape(wide, groups)
    blocks = [rows[start : start + BLOCK].T.ravel() for start in range(0, wide, BLOCK)]
    return _flat(np.concatenate(blocks))


def pack_bytes(kernel: ByteKernel, weights: Ints64) -> NDArray[np.uint8]:
    """Blocks of signed 8-bit weights (O, K): [block][four vectors][group][lane][4 channels]."""
    outputs, taps = weights.shape
    groups = -(-taps // 4)
    wide = -(-outputs // kernel.lanes) * kernel.lanes
    padded = np.zeros((wide, groups * 4), dtype=np.int8)
    padded[:outputs, :taps] = weights
    by_lane = padded.reshape(wide, groups, 4).transpose(1, 0, 2)
    step = 4 * kernel.lanes  # the loops run over four vectors at a time
    assert BLOCK % step == 0
    parts = [by_lane[:, start : start + step].ravel() for start in range(0, wide, step)]
    return _flat(np.concatenate(parts).view(np.uint8))


def _flat(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    out = aligned(values.size, np.uint8)
    out[:] = values
    return out
