"""Changes of a tensor in place, written as new tensors: what reads the tensor afterwards reads the new one.

Where a graph takes a forward's place, roundings and activations are put between its ops. A change in place
would then be one of another tensor, or of one that a gradient still needs.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

_NAMES = (
    "add", "sub", "mul", "div", "neg", "abs", "sign", "sgn", "relu", "tanh", "sigmoid", "clamp", "clip",
    "clamp_min", "clamp_max", "round", "floor", "ceil", "exp", "pow", "sqrt", "square", "masked_fill",
    "hardtanh", "leaky_relu", "elu", "selu", "celu", "rrelu", "threshold",
)  # fmt: skip
_NEW: dict[Any, Any] = {
    operator.iadd: operator.add, operator.isub: operator.sub,
    operator.imul: operator.mul, operator.itruediv: operator.truediv,
    **{f"{name}_": name for name in _NAMES},
    **{
        getattr(home, f"{name}_"): getattr(home, name)
        for home in (torch, F)
        for name in _NAMES
        if hasattr(home, f"{name}_") and hasattr(home, name)
    },
}  # fmt: skip
PARTS: frozenset[Any] = frozenset(
    {torch.chunk, torch.split, torch.tensor_split, torch.unbind, "chunk", "split", "tensor_split", "unbind"}
)
_VIEWS: frozenset[Any] = PARTS | {
    torch.flatten, torch.reshape, torch.transpose, torch.permute, torch.squeeze, torch.unsqueeze,
    torch.narrow, torch.detach, operator.getitem, "flatten", "view", "view_as", "reshape", "transpose",
    "permute", "squeeze", "unsqueeze", "narrow", "detach", "expand", "expand_as", "contiguous", "to", "float",
    "unflatten",
}  # fmt: skip


AGAIN = "etb_again"  # of a node in a graph: whether what a module changes in place is read again behind it


def without_changes(graph: fx.Graph, model: nn.Module) -> fx.Graph:
    """Write the changes in place of a traced graph as new tensors, but for those that a view tells of."""
    place = {node: number for number, node in enumerate(graph.nodes)}
    for node in graph.nodes:
        if not _changes(node, model) or _seen_by_views(node, place):
            continue
        changed = node.all_input_nodes[0]
        behind = [user for user in changed.users if place[user] > place[node]]
        for user in behind:
            user.replace_input_with(changed, node)
        node.meta[AGAIN] = bool(behind)
        node.target = _NEW.get(node.target, node.target)
        node.kwargs = {name: value for name, value in node.kwargs.items() if name != "inplace"}
    return graph


def changed_behind_views(graph: fx.Graph, model: nn.Module) -> fx.Node | None:
    """The first change in place that is left: of a tensor that is read again by way of a view."""
    place = {node: number for number, node in enumerate(graph.nodes)}
    return next((n for n in graph.nodes if _changes(n, model) and _seen_by_views(n, place)), None)


def _changes(node: fx.Node, model: nn.Module) -> bool:
    """Whether a node changes the first tensor that it reads."""
    if node.op == "call_module":
        module = model.get_submodule(str(node.target))
        return getattr(module, "inplace", False) is True and bool(node.all_input_nodes)
    if node.op not in ("call_function", "call_method") or not node.all_input_nodes:
        return False
    return node.target in _NEW or node.kwargs.get("inplace") is True


def _seen_by_views(node: fx.Node, place: dict[fx.Node, int]) -> bool:
    """Whether a tensor that shares its memory with the one that a node changes is read behind the node."""
    changed = node.all_input_nodes[0]
    chain = [changed]  # from the changed tensor to the one that it is a view of
    while chain[-1].target in _VIEWS and chain[-1].all_input_nodes:
        chain.append(chain[-1].all_input_nodes[0])
    todo, shared = [chain[-1]], {chain[-1]}
    while todo:
        source = todo.pop()
        for user in source.users:
            apart = source.target in PARTS and source in chain and user not in chain
            if user.target in _VIEWS and place[user] < place[node] and user not in shared and not apart:
                shared.add(user)
                todo.append(user)
    return any(place[user] > place[node] for source in shared - {changed} for user in source.users)
