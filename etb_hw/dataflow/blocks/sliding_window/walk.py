"""How a window walks through the cyclic buffer, and the cycles that it takes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from etb_hw.integer.infer import conv_output_size


@dataclass(frozen=True)
class Walk:
    """Reads of the buffer, in beats.

    Attributes:
        extents: reads along the three loops of a window, innermost first.
        strides: from a read to the next when the first, second and third loop goes on.
        moves: from a window to the next: along a row, down to the next row, around to the next frame.
    """

    extents: tuple[int, int, int]
    strides: tuple[int, int, int]
    moves: tuple[int, int, int]


def walk(
    size: tuple[int, int],
    out_size: tuple[int, int],
    fold: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    depthwise: bool,
) -> Walk:
    """The loops of a window; depthwise windows go through the channels last."""
    (kernel_h, kernel_w), (down, across) = kernel, (dilation[0] * size[1] * fold, dilation[1] * fold)
    extents, reach = (fold, kernel_w, kernel_h), (1, across, down)
    if depthwise:
        extents, reach = (kernel_w, kernel_h, fold), (across, down, 1)
    back0 = (extents[0] - 1) * reach[0]
    back1 = back0 + (extents[1] - 1) * reach[1]
    strides = (reach[0], reach[1] - back0, reach[2] - back1)
    return Walk(extents, strides, window_moves(size, out_size, stride, fold))


@lru_cache(maxsize=65536)
def interval(
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
