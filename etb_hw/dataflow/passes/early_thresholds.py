"""A threshold in front of the pool, or of other moves, that it follows: they read as few bits as they yield.

Thresholds rise, so that the largest value of a window is above one where any value of it is.
"""

from __future__ import annotations

from dataclasses import replace

from etb_hw.config import Builder
from etb_hw.integer import nodes as g
from etb_hw.integer.graph import IntegerGraph, unused

EARLY = "/early"  # marks a threshold that changed places


def thresholds_first(graph: IntegerGraph, _: Builder) -> IntegerGraph:
    """Exchange every max-pool, and what moves pixels, with the threshold that is its only reader."""
    nodes = list(graph.nodes)
    channels = {name: made.channels for name, made in graph.types.items()}
    changed = True
    while changed:
        changed = False
        current = replace(graph, nodes=tuple(nodes))
        for i, pool in enumerate(nodes):
            if not isinstance(pool, g.Moving):
                continue
            readers = current.consumers(pool.name)
            if len(readers) != 1 or not isinstance(readers[0], g.Threshold) or graph.output == pool.name:
                continue
            if len(current.consumers(pool.inputs[0])) != 1:
                continue
            threshold = readers[0]
            rows = pool.in_front(threshold.thresholds, channels[pool.inputs[0]])
            if rows is None:
                continue
            # names stay with positions in the graph, so that every other reader is right as it is
            made = unused(threshold.name + EARLY, channels)
            first = replace(threshold, name=made, inputs=pool.inputs, thresholds=rows)
            last = replace(pool, name=threshold.name, inputs=(made,))
            channels[made] = channels[pool.inputs[0]]
            j = nodes.index(threshold)
            nodes[i], nodes[j] = first, last
            changed = True
            break
    return replace(graph, nodes=tuple(nodes))
