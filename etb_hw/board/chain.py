"""How the chain of a design's writable memories is wired to the loader of a board's shell."""

from __future__ import annotations

from dataclasses import dataclass

from etb_hw.dataflow.graph import DataflowGraph
from etb_hw.dataflow.load_image import image_size
from etb_hw.rtl.instance import CHAIN_BITS


@dataclass(frozen=True)
class Chain:
    """``size`` bytes of memories; declarations, and connections of the loader and of the design."""

    size: int
    declared: str
    at_loader: str
    at_design: str


def chain_of(design: DataflowGraph) -> Chain:
    """The chain; where nothing is writable, the loader's end is its beginning."""
    size = image_size(design)
    declared = f"  logic [{CHAIN_BITS - 1}:0] load_in, load_out;\n"
    if size == 0:
        declared = f"  logic [{CHAIN_BITS - 1}:0] load;\n"
        return Chain(0, declared, ".load_out(load), .load_in(load)", "")
    return Chain(size, declared, ".load_out(load_in), .load_in(load_out)", ", .load_in, .load_out")
