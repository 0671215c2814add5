"""Weights and activations in the kernels' layouts: bit planes, byte groups, lane order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etb_hw.integer.packed.kernel import BLOCK, VECTORS, ByteKernel, Kernel, aligned

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

    def level(self, value: int) -> int:
        return (value - self.low) // self.step

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


def byte_order(vectors: int, lanes: int) -> NDArray[np.int64]:
    """Output channel of each 8-bit lane: even ones widen to the sums' first half, odd ones to the next."""
    half = lanes // 2
    order = np.empty(lanes, dtype=np.int64)
    order[0::2], order[1::2] = np.arange(half), half + np.arange(half)
    return (np.arange(vectors)[:, None] * lanes + order).ravel()


def word_order(vectors: int, lanes: int) -> NDArray[np.int64]:
    """Output channel of each 64-bit lane: packs take two lanes of one vector, two of the next, and so on."""
    if vectors < VECTORS:
        return plain_order(vectors, lanes)
    return np.arange(vectors * lanes).reshape(lanes // 2, vectors, 2).transpose(1, 0, 2).ravel()


def plain_order(vectors: int, lanes: int) -> NDArray[np.int64]:
    return np.arange(vectors * lanes)


def window_bytes(kernel: Kernel, channels: int, pixels: int) -> int:
    """Bytes of a window of ``pixels``, padded to the kernel's unrolling."""
    return -(-pixels * bytes_of(channels) // kernel.unroll) * kernel.unroll


def bytes_of(channels: int) -> int:
    """Bytes of a pixel of a bit tensor."""
    return -(-channels // 8)


def pack_binary(kernel: Kernel, bits: Bits) -> NDArray[np.uint8]:
    """Blocks of weights for a binary kernel.

    Args:
        bits: (O, KH, KW, C) signs, True for +1.

    Returns:
        Flat bytes, [up to VECTORS vectors][group][lane]; the last part is only as wide as it must be.
    """
    outputs, height, width, channels = bits.shape
    rows = np.packbits(bits, axis=-1, bitorder="little").reshape(outputs, -1)
    padded = np.zeros((outputs, window_bytes(kernel, channels, height * width)), dtype=np.uint8)
    padded[:, : rows.shape[1]] = rows
    if kernel.paired:
        return _by_lane(np.concatenate([padded & 15, padded >> 4], axis=1), kernel.lanes, byte_order)
    if kernel.words:
        return _by_lane(_in_threes(padded.view(np.uint64)), kernel.lanes, word_order)
    return _by_lane(padded, kernel.lanes, byte_order)


def _in_threes(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Words (O, K) dealt in threes, each ending in the exclusive or of all three; K % 3 words come first."""
    rest, third = words.shape[1] % 3, words.shape[1] // 3
    first, second, last = (words[:, rest + i * third :][:, :third] for i in range(3))
    threes = np.stack([first, second, first ^ second ^ last], axis=2).reshape(len(words), -1)
    return np.concatenate([words[:, :rest], threes], axis=1)


def pack_bytes(kernel: ByteKernel, weights: Ints64) -> NDArray[np.uint8]:
    """Blocks of signed 8-bit weights (O, K): [up to VECTORS vectors][group][lane][4 channels]."""
    outputs, taps = weights.shape
    padded = np.zeros((outputs, -(-taps // 4) * 4), dtype=np.int8)
    padded[:, :taps] = weights
    return _by_lane(padded.view(np.uint32), kernel.lanes)


def _by_lane(
    groups: NDArray[Any], lanes: int, order: Callable[[int, int], NDArray[np.int64]] = plain_order
) -> NDArray[np.uint8]:
    """Rows of groups, one an output channel, dealt to the lanes of vectors as tiles read them."""
    outputs, count = groups.shape
    wide = -(-outputs // lanes) * lanes
    rows = np.zeros((wide, count), dtype=groups.dtype)
    rows[:outputs] = groups
    step = VECTORS * lanes
    assert BLOCK % step == 0
    parts = [rows[start : start + step] for start in range(0, wide, step)]
    dealt = [part[order(len(part) // lanes, lanes)].T.ravel() for part in parts]
    values = np.concatenate(dealt).view(np.uint8)
    out = aligned(values.size, np.uint8)
    out[:] = values
    return out
