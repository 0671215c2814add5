"""What pruning buys: two networks at equal frame rate, and on an equal device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace

from etb_hw.artifacts.hardware import Comparison, Figures
from etb_hw.dataflow.folding import Effort, Target, fold
from etb_hw.dataflow.graph import DataflowGraph
from etb_hw.dataflow.resource_model import ResourceModel, finn_model
from etb_hw.dataflow.simulation import size_fifos
from etb_hw.errors import InfeasibleTarget


def compare(
    designs: Mapping[str, DataflowGraph],
    target: Target,
    effort: Effort = Effort(),  # noqa: B008 (frozen)
    minimal: bool = True,
) -> Comparison:
    """Fold every network for the same frame rate, and for the highest one on the same device.

    ``minimal``: how FIFOs are sized, see ``size_fifos``.
    """
    device = target.device
    same_fps: dict[str, Figures | None] = {}
    same_device: dict[str, Figures | None] = {}
    for name, graph in designs.items():
        if target.fps is not None:
            same_fps[name] = _figures(graph, replace(target, device=None), effort, minimal)
        if device is not None:
            same_device[name] = _figures(graph, replace(target, fps=None), effort, minimal)
    return Comparison(target.fps, None if device is None else device.part, same_fps, same_device)


def figures(graph: DataflowGraph, model: ResourceModel = finn_model) -> Figures:
    """The numbers of a folded design, its FIFOs included."""
    bits = sum(block.memory_bits for block in graph.blocks)
    latency_us = graph.critical_path_cycles * graph.clk_ns / 1000
    return Figures(graph.fps, asdict(graph.cost(model)), latency_us, -(-bits // 8))


def _figures(graph: DataflowGraph, target: Target, effort: Effort, minimal: bool) -> Figures | None:
    try:
        folded = fold(graph, target, effort)
    except InfeasibleTarget:
        return None
    return figures(size_fifos(folded.graph, minimal=minimal).graph, target.model)
