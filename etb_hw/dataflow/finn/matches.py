"""Where FINN counts matches and we mean sums: two explicit nodes that turn one into the other.

FINN's XNOR product gives the number of matches ``p``; the sum of bipolar products is ``2 p - MW``. Behind
thresholds that is a matter of other thresholds. Where raw sums leave an MVAU (logits, residual branches), the
file says ``2 p`` and ``- MW`` as ChannelwiseOps, so that every tensor behind them holds our numbers.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from etb_hw.dataflow.block import Block
from etb_hw.dataflow.blocks.channelwise import Channelwise
from etb_hw.dataflow.graph import DataflowGraph, Edge, Port
from etb_hw.integer.datatype import DataType

TWICE, LESS = "_matches_twice", "_matches_to_sums"


def is_conversion(name: str) -> bool:
    """Whether a node only turns matches into sums: it is no block of the design."""
    return name.endswith((TWICE, LESS))


def with_explicit_sums(graph: DataflowGraph) -> DataflowGraph:
    """The graph as FINN has to see it. Not for execution: our MVAU gives sums already."""
    blocks: list[Block] = []
    edges = list(graph.edges)
    for block in graph.blocks:
        blocks.append(block)
        if block.counts_matches:
            added = _conversion(block)
            blocks += added
            last = Port(added[-1].name)
            edges = [replace(e, source=last) if e.source.block == block.name else e for e in edges]
            edges += [
                Edge(Port(source.name), Port(target.name))
                for source, target in ((block, added[0]), (added[0], added[1]))
            ]
    return replace(graph, blocks=tuple(blocks), edges=tuple(edges))


def _conversion(block: Block) -> tuple[Channelwise, Channelwise]:
    sums, attributes = block.outputs[0], block.finn_attributes()

    def channelwise(suffix: str, func: str, value: int, given: DataType, yields: DataType) -> Channelwise:
        return Channelwise(
            name=block.name + suffix,
            layer=block.layer,
            func="mul" if func == "mul" else "add",
            parameters=np.full(sums.channels, value, dtype=np.int64),
            input_dtype=given,
            output_dtype=yields,
            pixels=sums.shape[:-1],
            pe=sums.lanes,
        )

    matches = DataType.parse(str(attributes["outputDataType"]))
    doubled = DataType.smallest(0, 2 * matches.max)
    return (
        channelwise(TWICE, "mul", 2, matches, doubled),
        channelwise(LESS, "add", -block.inputs[0].channels, doubled, sums.dtype),
    )
