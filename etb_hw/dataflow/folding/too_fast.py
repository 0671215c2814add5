"""The error of a frame rate that no folding reaches."""

from __future__ import annotations

from math import floor

from etb_hw.dataflow.block import Block
from etb_hw.dataflow.graph import DataflowGraph
from etb_hw.dataflow.refold import strip
from etb_hw.errors import InfeasibleTarget


def fastest(block: Block, pixels: bool) -> int:
    """Cycles a frame of a block unrolled as far as it goes, ``pixels``: also over several pixels."""
    return min(block.folded(fold).cycles for fold in block.all_folds(pixels))


def lifts(block: Block, pixels: bool) -> tuple[str, ...]:
    """What makes a block faster than it is fully unrolled, apart from the clock: several pixels a cycle."""
    if fastest(block.fixed(), pixels) < fastest(block, pixels):
        return ("build it with fixed weights, which several pixels a cycle can share",)
    if fastest(block, True) < fastest(block, pixels):
        return ("build it by our own RTL (without --for), which takes several pixels a cycle",)
    return ()


def too_fast(graph: DataflowGraph, cycles: int, pixels: bool = True) -> InfeasibleTarget:
    """The error of a budget of cycles a frame that some block cannot meet however it is folded."""
    limiting = max(strip(graph).blocks, key=lambda block: fastest(block, pixels))
    least = fastest(limiting, pixels)
    best = 1e9 / (graph.clk_ns * least)
    wanted = f"{1e9 / (graph.clk_ns * max(cycles, 1)):,.0f} frames/s at {graph.clk_ns:g} ns"
    target = f"target of {wanted} ({cycles} cycles a frame)" if cycles else f"target of more than {wanted}"
    remedy = f"ask for at most {floor(best):,} frames/s, or a shorter clock period"
    remedy = ", or ".join((remedy, *lifts(limiting, pixels)))
    return InfeasibleTarget(
        target,
        f"{limiting.name} ({limiting.layer}) takes {least:,} cycles a frame even fully unrolled",
        remedy,
    )
