"""Reshapes that say how many channels there are: filters that are cut out would make the number wrong."""

from __future__ import annotations

from math import prod
from typing import Any

import torch
from torch import fx

from etb_hw.evolution.trace import shape_of, tensors_in

SIZED: frozenset[Any] = frozenset({"view", "reshape", torch.reshape})
RESHAPES: frozenset[Any] = SIZED | {
    torch.flatten, torch.squeeze, torch.unsqueeze, "flatten", "squeeze", "unsqueeze",
}  # fmt: skip


def counts_channels(node: fx.Node) -> bool:
    """Whether a reshape's second axis is a number that somebody has written: ``x.view(-1, 16 * 5 * 5)``."""
    sizes = sizes_of(node) if node.target in SIZED else ()
    return len(sizes) > 1 and isinstance(sizes[1], int) and sizes[1] != -1


def flattens(node: fx.Node) -> bool:
    """Whether it is ``torch.flatten(x, 1)`` by such a number."""
    if not counts_channels(node) or len(sizes_of(node)) != 2:
        return False
    before, after = shape_of(next(tensors_in(node))), shape_of(node)
    return before is not None and after == (before[0], prod(before[1:]))


def flattened(graph: fx.Graph, node: fx.Node) -> None:
    """Put ``torch.flatten(x, 1)`` in its place, which takes as many channels as come."""
    with graph.inserting_before(node):
        new = graph.call_function(torch.flatten, (next(tensors_in(node)), 1))
    new.meta.update(node.meta)
    node.replace_all_uses_with(new)
    graph.erase_node(node)


def sizes_of(node: fx.Node) -> tuple[Any, ...]:
    """The sizes that a view, reshape or expansion asks for, given one by one or as a tuple."""
    given = node.args[1:] or tuple(node.kwargs.get(name) for name in ("size", "shape") if name in node.kwargs)
    return tuple(given[0]) if len(given) == 1 and isinstance(given[0], tuple | list) else tuple(given)
