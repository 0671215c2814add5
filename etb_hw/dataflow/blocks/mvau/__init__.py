"""Matrix-vector units: the matrix, FINN's view of it, what it costs, the block, and random instances."""

from etb_hw.dataflow.blocks.mvau.block import Mvau

__all__ = ["Mvau"]
