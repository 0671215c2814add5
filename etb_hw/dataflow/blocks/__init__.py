"""The blocks: one file or folder each, and the table of them all."""

from etb_hw.dataflow.block import Block
from etb_hw.dataflow.blocks.add_streams import AddStreams
from etb_hw.dataflow.blocks.border_mvau import BorderMvau
from etb_hw.dataflow.blocks.channelwise import Channelwise
from etb_hw.dataflow.blocks.concat import Concat
from etb_hw.dataflow.blocks.depth_to_space import DepthToSpace
from etb_hw.dataflow.blocks.duplicate_streams import DuplicateStreams
from etb_hw.dataflow.blocks.fifo import Fifo
from etb_hw.dataflow.blocks.label_select import LabelSelect
from etb_hw.dataflow.blocks.max_pool import MaxPool
from etb_hw.dataflow.blocks.mvau import Mvau
from etb_hw.dataflow.blocks.padding import Padding
from etb_hw.dataflow.blocks.select_channels import SelectChannels
from etb_hw.dataflow.blocks.sliding_window import SlidingWindow
from etb_hw.dataflow.blocks.sum_pool import SumPool
from etb_hw.dataflow.blocks.thresholding import Thresholding
from etb_hw.dataflow.blocks.upsample import Upsample, WholeUpsample
from etb_hw.dataflow.blocks.width_converter import WidthConverter
from etb_hw.dataflow.blocks.window_pool import WindowPool

BLOCKS: tuple[type[Block], ...] = (
    Mvau,
    SlidingWindow,
    Thresholding,
    MaxPool,
    Padding,
    WidthConverter,
    Fifo,
    AddStreams,
    SumPool,
    LabelSelect,
    Channelwise,
    DuplicateStreams,
    WindowPool,
    Concat,
    BorderMvau,
    Upsample,
    WholeUpsample,
    DepthToSpace,
    SelectChannels,
)
"""Readers, the calibration's grid and kinds derive from it; the grid draws in this order."""

__all__ = [
    "BLOCKS",
    "AddStreams",
    "BorderMvau",
    "Channelwise",
    "Concat",
    "DepthToSpace",
    "DuplicateStreams",
    "Fifo",
    "LabelSelect",
    "MaxPool",
    "Mvau",
    "Padding",
    "SelectChannels",
    "SlidingWindow",
    "SumPool",
    "Thresholding",
    "Upsample",
    "WholeUpsample",
    "WidthConverter",
    "WindowPool",
]
