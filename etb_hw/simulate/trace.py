"""One layer's tensor: how differences to other executions are found."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from etb_hw.integer import IntegerGraph, reference
from etb_hw.integer.packed import PackedExecutor
from etb_hw.simulate.run import Engine


def up_to(graph: IntegerGraph, layer: str) -> IntegerGraph:
    """The part of a graph that computes ``layer``, which becomes its output.

    Raises BadInput that lists the layers where there is none of that name.
    """
    needed = {graph[layer].name, graph.input.name}
    for node in reversed(graph.nodes):
        if node.name in needed:
            needed.update(node.inputs)
    return IntegerGraph(tuple(node for node in graph.nodes if node.name in needed), layer)


def trace_layer(
    graph: IntegerGraph, layer: str, x: NDArray[Any], *, engine: Engine = "packed", threads: int = 1
) -> NDArray[np.int64]:
    """The tensor of a layer, int64 (N, ...), channels first.

    With the packed engine it is computed the way a whole simulation computes it, thresholds and pools
    fused into the convolutions.

    Args:
        layer: name of a node, see ``graph.nodes``.
        x: integers (N, *input shape).
    """
    part = up_to(graph, layer)
    if engine == "reference":
        return reference.execute(part, x)
    return PackedExecutor(part, threads).run(x)
