"""FINN's SetFolding, written from its documentation, to compare with.

For each block by itself: raise SIMD through the divisors until the target is met or the weights of one PE are
wider than ``mvau_wwidth_max`` bits, then raise PE; other blocks raise their one parameter
(``Block.finn_fold``). A second pass relaxes the target to what the first one reached.
"""

from __future__ import annotations

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
    folds = {block.name: dict(block.finn_fold(target, widest)) for block in graph.blocks}
    for edge in graph.edges:
        if graph[edge.source.block].fixes_lanes:
            folds[edge.source.block]["SIMD"] = folds[edge.target.block]["PE"]
    return folds
