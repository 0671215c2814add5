"""What may stand behind logits: functions that rise, and leave the order of the classes as it is."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from etb_hw.evolution.flattening import RESHAPES
from etb_hw.evolution.graph import as_graph, graph_of
from etb_hw.evolution.rules import Rules
from etb_hw.evolution.trace import module_at, tensors_in

_MODULES = (nn.Softmax, nn.LogSoftmax, nn.Sigmoid, nn.LogSigmoid)
_FUNCTIONS: frozenset[Any] = frozenset(
    {
        F.softmax, torch.softmax, "softmax", F.log_softmax, torch.log_softmax, "log_softmax",
        F.sigmoid, torch.sigmoid, "sigmoid", F.logsigmoid,
    }
)  # fmt: skip
_MOVES = RESHAPES | {"contiguous"}


def ends(model: nn.Module, node: fx.Node, rules: Rules) -> bool:
    """Whether a node is such a function that no layer reads, and no activation by a rule of its own.

    What a head makes of its values (a product, a join) is its own affair: a sign would be another function.
    """
    if not node.users or _a_layer_reads(model, node):
        return False
    if node.op in ("call_function", "call_method"):
        return node.target in _FUNCTIONS and node.all_input_nodes[0].op != "get_attr"
    if node.op != "call_module":
        return False
    return isinstance(module_at(model, node), _MODULES) and str(node.target) not in rules


def _a_layer_reads(model: nn.Module, node: fx.Node) -> bool:
    """Whether weights stand anywhere behind a node."""
    todo, seen = list(node.users), set()
    while todo:
        user = todo.pop()
        if user in seen:
            continue
        seen.add(user)
        todo += user.users
        if user.op == "call_module" and any(p.ndim > 1 for p in module_at(model, user).parameters()):
            return True
    return False


def _only_moved(node: fx.Node) -> bool:
    """Whether the output is its values, at most in another shape."""
    return all(user.op == "output" or (user.target in _MOVES and _only_moved(user)) for user in node.users)


def without_ending(model: nn.Module, rules: Rules, example: Tensor) -> nn.Module:
    """The network up to its logits, for losses that take them; the same one where it ends so already.

    Raises BadInput as ``prepare`` does.
    """
    graph = graph_of(model, rules, example)
    found = [node for node in graph.nodes if ends(model, node, rules) and _only_moved(node)]
    if not found:
        return model
    made = as_graph(model, graph, rules, example)
    for node in found:
        node.replace_all_uses_with(next(tensors_in(node)))
        graph.erase_node(node)
    made.recompile()
    return made
