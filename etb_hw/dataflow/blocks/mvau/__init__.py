"""Matrix-vector units: the block, what it costs, and random instances."""

from etb_hw.dataflow.blocks.mvau.block import Mvau, multi_threshold

__all__ = ["Mvau", "multi_threshold"]
