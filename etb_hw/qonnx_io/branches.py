"""``If`` nodes of a known condition: torch writes one for a ``squeeze`` where it does not know the size."""

from __future__ import annotations

import onnx
from onnx import numpy_helper


def take_known_branches(graph: onnx.GraphProto) -> None:
    """Put the nodes of the branch that runs in the place of each such node."""
    known = {tensor.name: tensor for tensor in graph.initializer}
    for index in reversed(range(len(graph.node))):
        node = graph.node[index]
        if node.op_type != "If" or node.input[0] not in known:
            continue
        wanted = "then_branch" if numpy_helper.to_array(known[node.input[0]]).all() else "else_branch"
        branch = next(attribute.g for attribute in node.attribute if attribute.name == wanted)
        graph.initializer.extend(branch.initializer)
        results = dict(zip((output.name for output in branch.output), node.output, strict=True))
        nodes = [onnx.NodeProto.FromString(inner.SerializeToString()) for inner in branch.node]
        for inner in nodes:
            inner.output[:] = [results.get(name, name) for name in inner.output]
            inner.input[:] = [results.get(name, name) for name in inner.input]
        del graph.node[index]
        for place, inner in enumerate(nodes):
            graph.node.insert(index + place, inner)
