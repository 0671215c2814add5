"""Foldings applied to a design: new PE and SIMD, and width converters wherever lanes then differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from etb_hw.dataflow.block import Block, Fold
from etb_hw.dataflow.blocks.width_converter import WidthConverter
from etb_hw.dataflow.graph import DataflowGraph, Edge, Port
from etb_hw.errors import BadInput


def strip(graph: DataflowGraph) -> DataflowGraph:
    """The computing blocks alone, connected as if every stream fitted; FIFO depths keep their maximum."""
    plumbing = {block.name for block in graph.blocks if block.PLUMBING}
    edges = []
    for edge in graph.edges:
        if edge.target.block in plumbing:
            continue
        source, depth = edge.source, edge.depth
        while source.block in plumbing:
            before = graph.driver[Port(source.block)]
            source, depth = before.source, max(depth, before.depth)
        edges.append(Edge(source, edge.target, depth))
    blocks = tuple(block for block in graph.blocks if block.name not in plumbing)
    return replace(graph, blocks=blocks, edges=tuple(edges))


def refold(graph: DataflowGraph, folds: Mapping[str, Fold]) -> DataflowGraph:
    """The design with the given foldings by block name, and the converters that they need.

    Raises BadInput where a PE or SIMD does not divide its channels.
    """
    graph = strip(graph)
    blocks = tuple(
        block.folded(folds[block.name]) if block.name in folds else block for block in graph.blocks
    )
    return with_converters(replace(graph, blocks=blocks))


def with_converters(graph: DataflowGraph) -> DataflowGraph:
    """The design with a width converter on every edge whose ends have different lanes."""
    by_name = {block.name: block for block in graph.blocks}
    numbers: Counter[str] = Counter()
    before: dict[str, list[Block]] = {}
    edges: list[Edge] = []
    for edge in sorted(graph.edges, key=lambda edge: graph.blocks.index(by_name[edge.target.block])):
        given = by_name[edge.source.block].outputs[edge.source.index]
        taken = by_name[edge.target.block].inputs[edge.target.index]
        if given.lanes == taken.lanes:
            edges.append(edge)
            continue
        source = by_name[edge.source.block]
        if source.fixes_lanes:
            raise BadInput(
                source.name,
                f"gives {given.lanes} values a beat, and {edge.target.block}, which reads its windows, takes "
                f"{taken.lanes}: depthwise windows have no other order",
                "give its SIMD and that PE the same value; where parallel_window is 1, PE is all values of a "
                "window, and M the same",
            )
        converter = WidthConverter(
            name="",
            layer=by_name[edge.target.block].layer,
            shape=taken.shape,
            dtype=given.dtype,
            lanes_in=given.lanes,
            lanes_out=taken.lanes,
        )
        converter = replace(converter, name=f"{converter.op}_{numbers[converter.op]}")
        numbers[converter.op] += 1
        before.setdefault(edge.target.block, []).append(converter)
        edges += [
            Edge(edge.source, Port(converter.name), edge.depth),
            Edge(Port(converter.name), edge.target, edge.depth),
        ]
    blocks = [part for block in graph.blocks for part in (*before.get(block.name, ()), block)]
    return replace(graph, blocks=tuple(blocks), edges=tuple(edges))
