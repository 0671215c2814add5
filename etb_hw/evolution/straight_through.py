"""What networks write to give a sign a gradient: ``sign(clamp(x))``, ``(sign(x) - c).detach() + c``.

A sign that evolves has its own gradient. Neither form changes a value, so both are passed by.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from etb_hw.evolution.trace import argument, tensors_in

_ADD: frozenset[Any] = frozenset({operator.add, operator.iadd, torch.add, "add", "add_"})
_SUB: frozenset[Any] = frozenset({operator.sub, operator.isub, torch.sub, "sub", "sub_"})
_DETACH: frozenset[Any] = frozenset({"detach", torch.detach})
_CLAMP: frozenset[Any] = frozenset(
    {torch.clamp, torch.clip, torch.clamp_, torch.clip_, "clamp", "clip", "clamp_", "clip_"}
)
_CLAMP_BELOW: frozenset[Any] = frozenset({torch.clamp_min, torch.clamp_min_, "clamp_min", "clamp_min_"})
_HARDTANH: frozenset[Any] = frozenset({F.hardtanh, F.hardtanh_})


def clamps(node: fx.Node) -> bool:
    """Whether a node clips as activations do: to -a..a, to 0..a, or at 0 from below."""
    if node.op not in ("call_function", "call_method") or node.target not in _CLAMP | _CLAMP_BELOW:
        return False
    low = argument(node, 1, "min")
    high = None if node.target in _CLAMP_BELOW else argument(node, 2, "max")
    if not isinstance(low, int | float):
        return False
    return high is None and low == 0 if not isinstance(high, int | float) else high > 0 and low in (0, -high)


def keeps_signs(node: fx.Node, module: nn.Module | None) -> bool:
    """Whether an activation, called as a function or a module, leaves every sign as it is."""
    if module is not None:
        return isinstance(module, nn.Hardtanh) and module.min_val < 0 < module.max_val
    if node.target in _CLAMP:
        low = argument(node, 1, "min")
        return isinstance(low, int | float) and low < 0
    if node.target not in _HARDTANH:
        return False
    low, high = argument(node, 1, "min_val", -1), argument(node, 2, "max_val", 1)
    return isinstance(low, int | float) and isinstance(high, int | float) and low < 0 < high


def straight_through(graph: fx.Graph) -> Iterator[tuple[fx.Node, fx.Node]]:
    """The sums ``(a - c).detach() + c`` and ``a.detach() - c.detach() + c``, each with its ``a``."""
    for node in graph.nodes:
        parts = _operands(node, _ADD)
        for one, other in (parts, parts[::-1]) if parts else ():
            difference = _operands(_inside(one), _SUB)
            if not difference:
                continue
            first, second = map(_inside, difference)
            cut = one is not _inside(one) or all(n is not _inside(n) for n in difference)
            if cut and _same(second, other):
                yield node, first


def erase(graph: fx.Graph, node: fx.Node) -> None:
    """Take a node out that nothing reads, and what it alone read; what changes tensors in place stays."""
    called = node.op in ("call_function", "call_method")
    if node.users or not called or getattr(node.target, "__name__", str(node.target)).endswith("_"):
        return
    sources = list(node.all_input_nodes)
    graph.erase_node(node)
    for source in sources:
        erase(graph, source)


def _operands(node: fx.Node, targets: frozenset[Any]) -> tuple[fx.Node, fx.Node] | None:
    """The two tensors that a node adds or subtracts, without factors."""
    if node.op not in ("call_function", "call_method") or node.target not in targets or node.kwargs:
        return None
    if len(node.args) != 2 or len(list(tensors_in(node))) == 0:
        return None
    first, second = node.args
    return (first, second) if isinstance(first, fx.Node) and isinstance(second, fx.Node) else None


def _inside(node: fx.Node) -> fx.Node:
    """What is detached, or the node itself."""
    while node.target in _DETACH and isinstance(node.args[0], fx.Node):
        node = node.args[0]
    return node


def _same(one: fx.Node, other: fx.Node) -> bool:
    """Whether two nodes compute the same: one node, or one function of the same."""
    if one is other:
        return True
    if one.op not in ("call_function", "call_method") or (one.op, one.target) != (other.op, other.target):
        return False
    if one.target is F.dropout or len(one.args) != len(other.args) or set(one.kwargs) != set(other.kwargs):
        return False
    pairs = [*zip(one.args, other.args, strict=True), *((v, other.kwargs[k]) for k, v in one.kwargs.items())]
    return all(_same(a, b) if isinstance(a, fx.Node) and isinstance(b, fx.Node) else a == b for a, b in pairs)
