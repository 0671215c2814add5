"""Nodes that no output depends on: what tools leave behind is nothing to refuse a network for."""

from __future__ import annotations

import copy

import onnx

from etb_hw.errors import BadInput
from etb_hw.qonnx_io.node_label import node_label


def without_unread(model: onnx.ModelProto) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """The network without them, and a note on each; the same model where there are none.

    Raises BadInput for an output that nothing writes: for it, all nodes would be unread.
    """
    makers = {name: node for node in model.graph.node for name in node.output if name}
    known = makers.keys() | {given.name for given in (*model.graph.input, *model.graph.initializer)}
    for output in model.graph.output:
        if output.name not in known:
            where = f"output {output.name!r}"
            raise BadInput(where, "is written by no node", "export the network again, or correct its name")
    todo, read = [output.name for output in model.graph.output], set()
    while todo:
        name = todo.pop()
        if name not in read:
            read.add(name)
            todo += makers[name].input if name in makers else ()
    unread = [i for i, node in enumerate(model.graph.node) if node.output and not read & {*node.output}]
    if not unread:
        return model, ()
    cut = copy.deepcopy(model)
    for i in reversed(unread):
        del cut.graph.node[i]
    nodes = (model.graph.node[i] for i in unread)
    return cut, tuple(f"{node_label(node)} is left out: no output depends on it" for node in nodes)
