"""Folding: choose PE and SIMD of every block for a frame rate with least resources."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import floor

from etb_hw.dataflow.block import Block, Fold
from etb_hw.dataflow.graph import DataflowGraph
from etb_hw.dataflow.refold import refold, strip
from etb_hw.dataflow.resources import ResourceModel, Resources, finn_model
from etb_hw.errors import InfeasibleTarget


@dataclass(frozen=True)
class Weights:
    """What a unit of each resource costs, in LUTs. The defaults are the mix of a Zynq-7020's fabric."""

    lut: float = 1.0
    bram_18k: float = 190.0
    uram: float = 760.0
    dsp: float = 240.0

    def of(self, resources: Resources) -> float:
        return (
            self.lut * resources.lut
            + self.bram_18k * resources.bram_18k
            + self.uram * resources.uram
            + self.dsp * resources.dsp
        )


@dataclass(frozen=True, eq=False)
class Folding:
    """A folded design and what is known of its quality.

    Attributes:
        graph: the design, with width converters.
        objective: the weighted resources (or cycles a frame) that were minimised.
        bound: no legal folding is below it.
        optimal: whether the design is proved best.
    """

    graph: DataflowGraph
    objective: float
    bound: float
    optimal: bool


def fold(
    graph: DataflowGraph,
    *,
    target_fps: float,
    clk_ns: float | None = None,
    weights: Weights | None = None,
    model: ResourceModel = finn_model,
) -> Folding:
    """Least weighted resources at ``target_fps`` frames a second.

    Raises InfeasibleTarget naming the block that limits and the highest frame rate that can be met.
    """
    weights = weights or Weights()
    graph = strip(graph if clk_ns is None else replace(graph, clk_ns=clk_ns))
    budget = cycles_for(target_fps, graph.clk_ns)
    chosen: dict[str, Fold] = {}
    for block in graph.blocks:
        fitting = [fold for fold in block.folds if block.folded(fold).cycles <= budget]
        if not fitting:
            raise too_fast(graph, target_fps)
        chosen[block.name] = min(
            fitting, key=lambda fold: (weights.of(model(block.folded(fold))), -block.folded(fold).cycles)
        )
    folded = refold(graph, chosen)
    total = weights.of(folded.cost(model))
    return Folding(folded, total, 0.0, False)


def cycles_for(fps: float, clk_ns: float) -> int:
    """Cycles a frame may take at a frame rate."""
    return max(0, floor(1e9 / (clk_ns * fps) + 1e-9))


def fastest(block: Block) -> int:
    """Cycles a frame of a block unrolled as far as it goes."""
    return min(block.folded(fold).cycles for fold in block.folds)


def too_fast(graph: DataflowGraph, target_fps: float) -> InfeasibleTarget:
    """The error of a frame rate that some block cannot reach however it is folded."""
    limiting = max(graph.blocks, key=fastest)
    best = 1e9 / (graph.clk_ns * fastest(limiting))
    return InfeasibleTarget(
        f"target of {target_fps:g} frames/s at {graph.clk_ns:g} ns",
        f"{limiting.name} ({limiting.layer}) needs {fastest(limiting)} cycles a frame even fully unrolled",
        f"ask for at most {floor(best)} frames/s, or a shorter clock period",
    )
