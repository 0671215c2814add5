"""Every block as a small state machine over beats, timed as its SystemVerilog twin is.

Most blocks walk through a fixed pattern of steps, one a cycle; a step may take an input beat and may send an
output beat some cycles later, and the whole block waits while a finished beat is not taken. A sliding window
writes and reads its cyclic buffer independently. A duplicator hands each beat to its outputs as they come.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import singledispatch
from math import ceil, lcm, log2, prod

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.block import Block
from etb_hw.dataflow.blocks.add_streams import AddStreams
from etb_hw.dataflow.blocks.channelwise import Channelwise
from etb_hw.dataflow.blocks.duplicate_streams import DuplicateStreams
from etb_hw.dataflow.blocks.fifo import Fifo
from etb_hw.dataflow.blocks.label_select import LabelSelect
from etb_hw.dataflow.blocks.max_pool import MaxPool
from etb_hw.dataflow.blocks.mvau import Mvau
from etb_hw.dataflow.blocks.padding import Padding
from etb_hw.dataflow.blocks.sliding_window import SlidingWindow
from etb_hw.dataflow.blocks.sum_pool import SumPool
from etb_hw.dataflow.blocks.thresholding import Thresholding
from etb_hw.dataflow.blocks.width_converter import WidthConverter
from etb_hw.dataflow.blocks.window_pool import WindowPool
from etb_hw.integer.datatype import BIPOLAR

TAKE, SEND = 1, 2
PATTERN, WINDOW, DUPLICATE = 0, 1, 2
Steps = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Machine:
    """How a block moves beats.

    Attributes:
        kind: PATTERN, WINDOW or DUPLICATE.
        steps: for PATTERN, what each step does (TAKE, SEND or both); it repeats for ever.
        latency: cycles from a step to its beat at the output.
        window: for WINDOW, extents (n0, n1, n2, OW, OH), strides (t0, t1, t2), jumps (a0, a1, a2), depth.
    """

    kind: int
    steps: Steps = field(default_factory=lambda: np.zeros(1, dtype=np.uint8))
    latency: int = 1
    window: tuple[int, ...] = (0,) * 12


def machines_of(block: Block) -> tuple[Machine, ...]:
    """The machines of a block, one after another; only an uneven width converter has two."""
    if isinstance(block, WidthConverter):
        return _converter(block)
    return (_machine(block),)


@singledispatch
def _machine(block: Block) -> Machine:
    raise AssertionError(f"{block.op} has no stream behaviour")


@_machine.register
def _(block: Mvau) -> Machine:
    rows, columns = block.mh // block.pe, block.mw // block.simd
    steps = np.zeros((rows, columns), dtype=np.uint8)
    steps[0] |= TAKE  # later rows read the kept copy
    steps[:, -1] |= SEND
    # the dot product's tree: 18 bipolar pairs, 2 signed inputs or 1 product to a leaf
    leaf = 18 if block.xnor else 2 if block.weight_dtype == BIPOLAR else 1
    tree = 1 + _log2(ceil(block.simd / leaf))
    return Machine(PATTERN, steps.reshape(-1), tree + 3)


@_machine.register
def _(block: Padding) -> Machine:
    top, left, bottom, right = block.pads
    image = np.full(block.size, TAKE, dtype=np.uint8)
    pixels = np.pad(image, ((top, bottom), (left, right)), constant_values=0) | SEND
    return Machine(PATTERN, np.repeat(pixels.reshape(-1), block.channels // block.simd))


@_machine.register
def _(block: SlidingWindow) -> Machine:
    fold = block.channels // block.simd
    (height, width), (out_h, out_w) = block.size, block.out_size
    (stride_h, stride_w), (dilation_h, dilation_w) = block.stride, block.dilation
    if block.pointwise:
        keep = np.full((height, width), TAKE, dtype=np.uint8)
        keep[::stride_h, ::stride_w] |= SEND
        return Machine(PATTERN, np.repeat(keep.reshape(-1), fold))
    kernel_h, kernel_w = block.kernel
    if block.depthwise:
        extents = (kernel_w, kernel_h, fold)
        reach = (dilation_w * fold, dilation_h * width * fold, 1)
    else:
        extents = (fold, kernel_w, kernel_h)
        reach = (1, dilation_w * fold, dilation_h * width * fold)
    back0 = (extents[0] - 1) * reach[0]
    back1 = back0 + (extents[1] - 1) * reach[1]
    strides = (reach[0], reach[1] - back0, reach[2] - back1)
    along = stride_w * fold
    down = stride_h * width * fold - (out_w - 1) * along
    around = height * width * fold - (out_h - 1) * stride_h * width * fold - (out_w - 1) * along
    return Machine(WINDOW, window=(*extents, out_w, out_h, *strides, along, down, around, block.depth))


@_machine.register
def _(block: MaxPool) -> Machine:
    height, width, _ = block.outputs[0].shape
    steps = np.full((height, block.kernel[0], width, block.kernel[1]), TAKE, dtype=np.uint8)
    steps[:, -1, :, -1] |= SEND
    return Machine(PATTERN, np.repeat(steps.reshape(-1), block.channels // block.pe))


@_machine.register
def _(block: WindowPool) -> Machine:
    steps = np.full(block.taps, TAKE, dtype=np.uint8)
    steps[-1] |= SEND
    return Machine(PATTERN, steps)


@_machine.register
def _(block: SumPool) -> Machine:
    steps = np.full((prod(block.size), block.channels // block.pe), TAKE, dtype=np.uint8)
    steps[-1] |= SEND
    return Machine(PATTERN, steps.reshape(-1))


@_machine.register
def _(block: LabelSelect) -> Machine:
    steps = np.full(block.labels // block.pe, TAKE, dtype=np.uint8)
    steps[-1] |= SEND
    return Machine(PATTERN, steps)


@_machine.register(Thresholding)
@_machine.register(Channelwise)
def _(block: Block) -> Machine:
    return Machine(PATTERN, np.array([TAKE | SEND], dtype=np.uint8), 2)


@_machine.register(AddStreams)
@_machine.register(Fifo)
def _(block: Block) -> Machine:
    return Machine(PATTERN, np.array([TAKE | SEND], dtype=np.uint8))


@_machine.register
def _(block: DuplicateStreams) -> Machine:
    return Machine(DUPLICATE)


def _converter(block: WidthConverter) -> tuple[Machine, ...]:
    between = lcm(block.lanes_in, block.lanes_out)
    parts = []
    if between > block.lanes_in:
        join = np.full(between // block.lanes_in, TAKE, dtype=np.uint8)
        join[-1] |= SEND
        parts.append(Machine(PATTERN, join))
    if between > block.lanes_out:
        split = np.full(between // block.lanes_out, SEND, dtype=np.uint8)
        split[0] |= TAKE
        parts.append(Machine(PATTERN, split))
    return tuple(parts)


def _log2(value: int) -> int:
    return ceil(log2(value)) if value > 1 else 0
