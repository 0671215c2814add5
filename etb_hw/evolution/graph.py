"""The graph of a network, with the shapes of its tensors, and modules put into it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from keyword import iskeyword
from typing import Any

import torch.nn.functional as F
from torch import Tensor, fx, nn

from etb_hw.errors import BadInput
from etb_hw.evolution.in_place import changed_behind_views
from etb_hw.evolution.rules import Rules
from etb_hw.evolution.trace import SHAPE, argument, place_of, traced, with_shapes
from etb_hw.models.modes import in_mode

_DROPOUTS: dict[Any, type[nn.Module]] = {
    F.dropout: nn.Dropout,
    F.dropout1d: nn.Dropout1d,
    F.dropout2d: nn.Dropout2d,
    F.alpha_dropout: nn.AlphaDropout,
}


def graph_of(model: nn.Module, rules: Rules, example: Tensor) -> fx.Graph:
    """The graph of the evaluation mode, with shapes."""
    with in_mode(model, training=False):
        return with_shapes(model, traced(model, rules, example), example)


@dataclass(frozen=True)
class Need:
    """Why a network must become its graph: what is so about it, and what to write so that it need not."""

    reason: str
    remedy: str


_ENDING = Need("its loss computes the function that it ends in", "leave that function to the loss")


def as_graph(
    model: nn.Module, graph: fx.Graph, rules: Rules, example: Tensor, needs: Sequence[Need] = (_ENDING,)
) -> fx.GraphModule:
    """The model as its ``graph``, which is changed: dropouts that it calls as functions become modules.

    A graph has no ``if self.training``. Raises BadInput for networks that do other things in training, change
    tensors that views tell of, or have names that no code can write; it tells why a graph is needed.
    """
    reason, remedy = " and ".join(n.reason for n in needs), "; ".join(n.remedy for n in needs)
    for node in graph.nodes:
        if node.op in ("call_module", "get_attr") and any(map(iskeyword, str(node.target).split("."))):
            raise BadInput(
                f"module {node.target!r}",
                f"has a name that is a word of Python, which no graph can write, and {reason}",
                f"give it another name, or do without a graph: {remedy}",
            )
    if (change := changed_behind_views(graph, model)) is not None:
        raise BadInput(
            place_of(change),
            "changes a tensor in place that is read again afterwards by way of a view",
            "write x = x + y instead of x += y (x = x.relu() of x.relu_()), and go on with its result",
        )
    with in_mode(model, training=True):
        trained = traced(model, rules, example)
    words = ([_words(node) for node in each.nodes] for each in (graph, trained))
    pairs = list(zip(graph.nodes, trained.nodes, *words, strict=False))
    if len(graph.nodes) != len(trained.nodes) or any(a != b for _, _, a, b in pairs):
        where = next((place_of(node) for node, _, a, b in pairs if a != b), "its end")
        raise BadInput(
            f"module {type(model).__name__!r}",
            f"does something else in training than in evaluation (at {where}), and {reason}",
            f"do in both modes alike, or do without a graph, which has one: {remedy}",
        )
    made = fx.GraphModule(model, graph, type(model).__name__)
    made.training = model.training
    for node, other, _, _ in pairs:
        if node.target in _DROPOUTS and _drops(other) and not _drops(node):
            put_instead(made, node, "dropout", _DROPOUTS[node.target](_share(node)))
    return made


def _words(node: fx.Node) -> str:
    if node.target in _DROPOUTS:
        return f"{node.target} {node.all_input_nodes} {_share(node)}"
    return f"{node.op} {node.target} {node.args} {node.kwargs}"


def _share(node: fx.Node) -> Any:
    """Which share of the values a dropout drops."""
    return argument(node, 1, "p", 0.5)


def always_drops(model: nn.Module, example: Tensor) -> str:
    """Where a network, called as in evaluation, drops values; empty where it does not."""
    try:  # a network that is its graph knows the user's lines
        graph = model.graph if isinstance(model, fx.GraphModule) else graph_of(model, {}, example)
    except BadInput:  # of a module that a rule had told prepare not to look into
        return ""
    found = (node for node in graph.nodes if node.target in _DROPOUTS)
    return next((place_of(node) for node in found if _drops(node)), "")


def _drops(node: fx.Node) -> bool:
    return bool(argument(node, 2, "training", True)) and _share(node) != 0


def put_instead(model: fx.GraphModule, node: fx.Node, title: str, module: nn.Module) -> None:
    """Put a new module in the place of a function, whose own parameters (prelu's slopes) leave with it."""
    put_between(model, node, node.all_input_nodes[0], title, module)
    others = node.all_input_nodes[1:]
    node.replace_all_uses_with(node.all_input_nodes[0])
    model.graph.erase_node(node)
    for tensor in others:
        if tensor.op == "get_attr" and not tensor.users:
            model.graph.erase_node(tensor)
            if not any(n.op == "get_attr" and n.target == tensor.target for n in model.graph.nodes):
                owner, _, name = str(tensor.target).rpartition(".")
                delattr(model.get_submodule(owner), name)


def put_between(model: fx.GraphModule, node: fx.Node, source: fx.Node, title: str, module: nn.Module) -> str:
    """Put a new module between a node and one that it reads; returns its path."""
    numbers = (f"{title}_{number}" for number in count(1))
    path = next(name for name in numbers if not hasattr(model, name))
    model.add_submodule(path, module.train(model.training))
    with model.graph.inserting_before(node):
        call = model.graph.call_module(path, (source,))
    call.meta[SHAPE] = source.meta.get(SHAPE)
    node.replace_input_with(source, call)
    return path
