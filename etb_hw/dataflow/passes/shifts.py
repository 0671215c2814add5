"""Integers that are added a channel, in front of a threshold: it compares with others instead."""

from __future__ import annotations

from dataclasses import replace

from etb_hw.config import Builder
from etb_hw.integer import nodes as g
from etb_hw.integer.graph import IntegerGraph


def shifts_in_thresholds(graph: IntegerGraph, _: Builder) -> IntegerGraph:
    """Integers that are added a channel, where a threshold is their only reader, move into it."""
    nodes = dict(graph.by_name)
    for node in graph.nodes:
        source = graph.by_name[node.inputs[0]] if isinstance(node, g.Threshold) else None
        if not isinstance(node, g.Threshold) or not isinstance(source, g.ChannelAffine):
            continue
        if (source.mul == 1).all() and len(graph.consumers(source.name)) == 1 and graph.output != source.name:
            thresholds = node.thresholds - source.add[:, None]
            nodes[node.name] = replace(node, inputs=source.inputs, thresholds=thresholds)
            del nodes[source.name]
    return replace(graph, nodes=tuple(nodes.values()))
