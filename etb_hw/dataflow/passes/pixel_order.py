"""The order of channels in which pixels leave a DepthToSpace as they come: (y, x, channel).

Where they come as (channel, y, x), as of nn.PixelShuffle, the filters that make them are put in the other
order, with the thresholds on the way: nothing is computed in another way, and no hardware is spent.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from etb_hw.config import Builder
from etb_hw.errors import UnsupportedNode
from etb_hw.integer import nodes as g
from etb_hw.integer.depth_to_space import from_interleaved
from etb_hw.integer.graph import IntegerGraph


def pixels_in_order(graph: IntegerGraph, _: Builder) -> IntegerGraph:
    """The same function without an interleaved DepthToSpace.

    Raises UnsupportedNode where others see the order, too.
    """
    interleaved = [node for node in graph.nodes if isinstance(node, g.DepthToSpace) and node.interleaved]
    if not interleaved:
        return graph
    nodes = dict(graph.by_name)
    for node in interleaved:
        order = from_interleaved(graph.types[node.inputs[0]].channels, node.block)
        _reorder(graph, nodes, node, order)
        nodes[node.name] = replace(node, interleaved=False)
    return replace(graph, nodes=tuple(nodes.values()))


def _reorder(
    graph: IntegerGraph, nodes: dict[str, g.Node], of: g.DepthToSpace, order: NDArray[np.int64]
) -> None:
    """Put the channels that a node reads in this order, from the filters that make them on."""
    name = of.inputs[0]
    while True:
        node = nodes[name]
        if len(graph.consumers(name)) > 1 or graph.output == name:
            raise _refused(of, f"and {node.name!r} is read by others, too")
        match node:
            case g.Conv() if node.groups == 1:
                nodes[name] = replace(node, weights=node.weights[order])
                return
            case g.Dense():
                nodes[name] = replace(node, weights=node.weights[order])
                return
            case g.Threshold():
                nodes[name] = replace(node, thresholds=node.thresholds[order])
            case g.ChannelAffine():
                nodes[name] = replace(node, mul=node.mul[order], add=node.add[order])
            case g.MaxPool() | g.Upsample():
                pass
            case _:
                raise _refused(of, f"and {node.name!r} has no filters")
        name = node.inputs[0]


def _refused(node: g.Node, why: str) -> UnsupportedNode:
    reason = f"takes channels in an order that the layer in front would have to give ({why})"
    return UnsupportedNode(f"layer {node.name}", reason, "put a convolution of its own in front of it")
