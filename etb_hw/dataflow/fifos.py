"""The FIFOs of a design as blocks, and what they cost. FINN's estimates leave them out, so totals do too."""

from __future__ import annotations

from etb_hw.dataflow.blocks.fifo import Fifo
from etb_hw.dataflow.folding.weights import Weights
from etb_hw.dataflow.graph import DataflowGraph
from etb_hw.dataflow.resources import ResourceModel, Resources, finn_model


def fifo_blocks(
    graph: DataflowGraph, model: ResourceModel = finn_model, weights: Weights | None = None
) -> tuple[Fifo, ...]:
    """A FIFO an edge that has a depth, each in the memory (LUTs or block RAM) that costs less."""
    weights = weights or Weights()
    found = []
    for i, edge in enumerate(graph.edges):
        if edge.depth == 0:
            continue  # a plain connection
        stream = graph[edge.source.block].outputs[edge.source.index]
        name, layer = f"{Fifo.OP}_{i}", graph[edge.target.block].layer
        forms = [
            Fifo(name=name, layer=layer, stream=stream, depth=max(2, edge.depth), ram_style=style)
            for style in ("distributed", "block")
        ]
        found.append(min(forms, key=lambda fifo: weights.of(model(fifo))))
    return tuple(found)


def fifo_cost(graph: DataflowGraph, model: ResourceModel = finn_model) -> Resources:
    """What all FIFOs of a design cost together."""
    total = Resources()
    for fifo in fifo_blocks(graph, model):
        total += model(fifo)
    return total
