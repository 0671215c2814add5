"""The nodes of an integer graph: frozen dataclasses, one a kind; every node yields the tensor of its name.

Tensors are (C, H, W) or (C,), without the batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from etb_hw.integer.datatype import DataType

Ints: TypeAlias = NDArray[np.integer]
Shape: TypeAlias = tuple[int, ...]
Pair: TypeAlias = tuple[int, int]
Pads: TypeAlias = tuple[int, int, int, int]  # top, left, bottom, right


@dataclass(frozen=True)
class TensorType:
    """Shape, data type and the exact reachable range a channel, ``low`` and ``high`` of shape (C,)."""

    shape: Shape
    dtype: DataType
    low: tuple[int, ...]
    high: tuple[int, ...]

    @property
    def channels(self) -> int:
        return self.shape[0]

    @property
    def pixels(self) -> int:
        return int(np.prod(self.shape[1:], dtype=np.int64))


@dataclass(frozen=True, eq=False, kw_only=True)
class Node:
    """A step of the computation. ``inputs`` are names of the nodes it reads."""

    name: str
    inputs: tuple[str, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Input(Node):
    """The network's input: integers, for images (C, H, W), normally UINT8 pixels."""

    shape: Shape
    dtype: DataType
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class Conv(Node):
    """Cross-correlation. ``weights`` has shape (O, I/groups, KH, KW).

    ``pad_value`` is what the border holds: -1 for bipolar inputs in everything that we train, 0 for pixels.
    """

    weights: Ints
    weight_dtype: DataType
    stride: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    pad_value: int = 0


@dataclass(frozen=True, eq=False, kw_only=True)
class Dense(Node):
    """Matrix product with a flat input; ``weights`` has shape (O, I)."""

    weights: Ints
    weight_dtype: DataType


@dataclass(frozen=True, eq=False, kw_only=True)
class Threshold(Node):
    """``y = dtype.min + dtype.step * #{t : x >= thresholds[c, t]}``; thresholds (C, T), rising along T.

    A channel that is constant over its range simply has thresholds out of reach.
    """

    thresholds: NDArray[np.int64]
    dtype: DataType


@dataclass(frozen=True, eq=False, kw_only=True)
class Moving(Node):
    """It yields values of its input: at other places, or the largest of some of a channel.

    So a function that rises, as thresholds do, may be computed in front of it as well as behind it.
    """

    def in_front(self, rows: NDArray[np.int64], channels: int) -> NDArray[np.int64] | None:
        """Rows of its output's channels as rows of its input's, (``channels``, ...).

        None where an input channel becomes several, or none.
        """
        return rows


@dataclass(frozen=True, eq=False, kw_only=True)
class MaxPool(Moving):
    """Maximum over windows; borders (``pads``) never win."""

    kernel: Pair
    stride: Pair
    pads: Pads = (0, 0, 0, 0)


@dataclass(frozen=True, eq=False, kw_only=True)
class SumPool(Node):
    """Sum over all pixels, (C, H, W) -> (C, 1, 1): a global average pool without its division."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Upsample(Moving):
    """Every pixel ``factors`` times, down and across: (C, H, W) -> (C, H * fy, W * fx)."""

    factors: Pair


@dataclass(frozen=True, eq=False, kw_only=True)
class DepthToSpace(Moving):
    """Parts of a pixel's channels become pixels: (C * block**2, H, W) -> (C, H * block, W * block).

    Input channels are numbered (y, x, channel) within their block of pixels, ``interleaved`` ones (channel,
    y, x) as torch's PixelShuffle has them.
    """

    block: int
    interleaved: bool = False

    def in_front(self, rows: NDArray[np.int64], channels: int) -> NDArray[np.int64]:
        parts = self.block**2
        return np.repeat(rows, parts, axis=0) if self.interleaved else np.tile(rows, (parts, 1))


@dataclass(frozen=True, eq=False, kw_only=True)
class Add(Node):
    """Sum of two tensors of one shape."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Concat(Node):
    """The channels of several tensors of one image size, one tensor's behind the other's."""


@dataclass(frozen=True, eq=False, kw_only=True)
class SelectChannels(Moving):
    """Some channels, or all in another order: ``channels[i]`` is the input's that becomes the i-th, (K,)."""

    channels: NDArray[np.int64]

    def in_front(self, rows: NDArray[np.int64], channels: int) -> NDArray[np.int64] | None:
        back = np.argsort(self.channels)
        return rows[back] if np.array_equal(self.channels[back], np.arange(channels)) else None


@dataclass(frozen=True, eq=False, kw_only=True)
class ChannelAffine(Node):
    """``y = mul[c] * x + add[c]`` in integers, both of shape (C,)."""

    mul: NDArray[np.int64]
    add: NDArray[np.int64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Flatten(Node):
    """(C, H, W) -> (C*H*W,), channels slowest, as torch does it."""
