"""FINN's SetFolding, written from its documentation, to compare with.

For each block by itself: raise SIMD through the divisors until the target is met or the weights of one PE are
wider than ``mvau_wwidth_max`` bits, then raise PE; other blocks raise their one parameter. A second pass
relaxes the target to what the first one reached.
"""

from __future__ import annotations

from etb_hw.dataflow.block import Block
from etb_hw.dataflow.blocks.max_pool import MaxPool
from etb_hw.dataflow.blocks.mvau import Mvau
from etb_hw.dataflow.blocks.sliding_window import SlidingWindow
from etb_hw.dataflow.divisors import divisors
from etb_hw.dataflow.graph import DataflowGraph
from etb_hw.dataflow.refold import refold, strip


def set_folding(graph: DataflowGraph, target_cycles: int, mvau_wwidth_max: int = 36) -> DataflowGraph:
    """The design folded as FINN's SetFolding would fold it for ``target_cycles`` a frame.

    Memory styles stay at FINN's defaults. Windows in parallel are its last resort for sliding windows.
    """
    graph = strip(graph)
    folded = refold(graph, _folds(graph, target_cycles, mvau_wwidth_max))
    reached = max(block.finn_cycles for block in folded.blocks)
    if reached <= target_cycles:
        return folded
    return refold(graph, _folds(graph, reached, mvau_wwidth_max))


def _folds(graph: DataflowGraph, target: int, widest: int) -> dict[str, dict[str, int | str]]:
    folds = {block.name: _fold(block, target, widest) for block in graph.blocks}
    for edge in graph.edges:
        if graph[edge.source.block].fixes_lanes:
            folds[edge.source.block] = {"SIMD": folds[edge.target.block]["PE"]}
    return folds


def _fold(block: Block, target: int, widest: int) -> dict[str, int | str]:
    if isinstance(block, Mvau):
        simd = 1
        for value in sorted({int(fold["SIMD"]) for fold in block.folds}):
            before, simd = simd, value
            if block.folded({"PE": 1, "SIMD": simd}).finn_cycles < target:
                break
            if block.finn_weight_dtype.bits * simd > widest:
                simd = before
                break
        return {"SIMD": simd, "PE": _raise(block.folded({"SIMD": simd}), "PE", block.mh, target)}
    if isinstance(block, MaxPool):
        return {"PE": block.channels}  # FINN's two-dimensional pool has no parallelism to set
    if isinstance(block, SlidingWindow) and block.may_be_parallel:
        slow = block.folded({"parallel_window": 0})
        simd = _raise(slow, "SIMD", block.channels, target)
        late = simd == block.channels and slow.folded({"SIMD": simd}).finn_cycles > target
        return {"SIMD": simd, "parallel_window": int(late)}
    for name in ("PE", "SIMD"):
        values = [int(fold[name]) for fold in block.folds if name in fold]
        if values:
            return {name: _raise(block, name, max(values), target)}
    return {}


def _raise(block: Block, name: str, largest: int, target: int) -> int:
    """The first divisor that takes fewer cycles than the target, or the largest."""
    for value in divisors(largest):
        if block.folded({name: value}).finn_cycles < target:
            return value
    return largest
