"""Calls that exporters have no words for, as those that they have: stacks as joins, sizes as numbers."""

from __future__ import annotations

import operator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from etb_hw.evolution.structure import Structure, Unknown
from etb_hw.evolution.trace import argument, shape_of

_STACKS: dict[Any, int] = {
    torch.hstack: 1, torch.column_stack: 1, torch.vstack: 0, torch.row_stack: 0, torch.dstack: 2,
}  # fmt: skip
_POOLS: frozenset[Any] = frozenset({F.avg_pool1d, F.avg_pool2d, F.max_pool1d, F.max_pool2d})


def is_short(node: fx.Node) -> bool:
    """Whether a node is such a call."""
    if node.target in _POOLS:
        kernel = argument(node, 1, "kernel_size")
        if isinstance(kernel, tuple):
            return any(isinstance(size, fx.Node) for size in kernel)
        return isinstance(kernel, fx.Node) and kernel.target is operator.getitem and _is_part(kernel)
    parts = node.all_input_nodes
    ranks = {len(shape_of(part) or ()) for part in parts}
    return node.target in _STACKS and min(ranks, default=0) > max(1, _STACKS[node.target])


def spell(model: nn.Module, node: fx.Node, example: Tensor) -> None:
    """Write such a call of a graph in full; a size that the values of a tensor tell stays what it is."""
    if node.target in _STACKS:
        tensors = node.args[0] if node.args else node.kwargs["tensors"]
        node.args, node.kwargs, node.target = (tensors, _STACKS[node.target]), {}, torch.cat
        return
    kernel, shapes = argument(node, 1, "kernel_size"), Structure(model, example)
    try:
        if isinstance(kernel, tuple):
            sizes: Any = tuple(shapes.of(n) if isinstance(n, fx.Node) else n for n in kernel)
        else:
            sizes = tuple(shapes.of(kernel))
    except Unknown:
        return
    rest = {name: value for name, value in node.kwargs.items() if name != "kernel_size"}
    node.args, node.kwargs = (node.all_input_nodes[0], sizes, *node.args[2:]), rest


def _is_part(node: fx.Node) -> bool:
    """Whether an index takes several sizes, as ``x.shape[2:]`` does; exporters know how to take one."""
    return isinstance(node.args[1], slice)
