"""What ``DepthToSpace`` does to arrays: parts of a pixel's channels become pixels of their own."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)


def to_space(x: NDArray[Scalar], block: int, interleaved: bool) -> NDArray[Scalar]:
    """Channels first: (N, C * block**2, H, W) to (N, C, H * block, W * block)."""
    batch, channels, height, width = x.shape
    count = channels // block**2
    split = (count, block, block) if interleaved else (block, block, count)
    parts = x.reshape(batch, *split, height, width)
    order = (0, 1, 4, 2, 5, 3) if interleaved else (0, 3, 4, 1, 5, 2)
    return parts.transpose(order).reshape(batch, count, height * block, width * block)


def to_space_last(x: NDArray[Scalar], block: int, interleaved: bool) -> NDArray[Scalar]:
    """Channels last: (N, H, W, C * block**2) to (N, H * block, W * block, C)."""
    return np.moveaxis(to_space(np.moveaxis(x, -1, 1), block, interleaved), 1, -1)


def from_interleaved(channels: int, block: int) -> NDArray[np.int64]:
    """Which channel of the interleaved order stands at each place of the other one."""
    return np.arange(channels).reshape(-1, block**2).T.reshape(-1)
