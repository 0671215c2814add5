"""A threshold in front of the pool that it follows: what the pool reads is as narrow as what it yields.

Thresholds rise, so that the largest value of a window is above one where any value of it is.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from etb_hw.config import Builder
from etb_hw.integer import nodes as g
from etb_hw.integer.graph import IntegerGraph

EARLY = "/early"  # marks a threshold that changed places


def thresholds_first(graph: IntegerGraph, _: Builder) -> IntegerGraph:
    """Exchange every max-pool, and what moves pixels, with the threshold that is its only reader."""
    nodes = list(graph.nodes)
    changed = True
    while changed:
        changed = False
        current = replace(graph, nodes=tuple(nodes))
        for i, pool in enumerate(nodes):
            if not isinstance(pool, g.MaxPool | g.Upsample | g.DepthToSpace):
                continue
            readers = current.consumers(pool.name)
            if len(readers) != 1 or not isinstance(readers[0], g.Threshold) or graph.output == pool.name:
                continue
            if len(current.consumers(pool.inputs[0])) != 1:
                continue
            threshold = readers[0]
            # names stay with positions in the graph, so that every other reader is right as it is
            of_parts = threshold.thresholds
            if isinstance(pool, g.DepthToSpace):
                of_parts = np.tile(of_parts, (pool.block**2, 1))
            first = replace(threshold, name=threshold.name + EARLY, inputs=pool.inputs, thresholds=of_parts)
            last = replace(pool, name=threshold.name, inputs=(first.name,))
            j = nodes.index(threshold)
            nodes[i], nodes[j] = first, last
            changed = True
            break
    return replace(graph, nodes=tuple(nodes))
