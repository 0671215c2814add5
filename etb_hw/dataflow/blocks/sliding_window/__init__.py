"""Sliding windows: the block, its walk through the buffer, and what it costs."""

from etb_hw.dataflow.blocks.sliding_window.block import SlidingWindow, is_bypass

__all__ = ["SlidingWindow", "is_bypass"]
