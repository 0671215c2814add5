"""Tensors of the model's own that a forward reads: as they are, expanded, or with axes of one.

``self.bias.expand_as(x)``, ``self.bias.view(1, -1, 1, 1)`` and ``self.bias[None, :, None, None]`` are all
the parameter that torch would broadcast as ``Parameter(1, C, 1, 1)``.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import torch
from torch import fx

from etb_hw.evolution.flattening import SIZED, sizes_of
from etb_hw.evolution.trace import shape_of

_EXPANDS: frozenset[Any] = frozenset({"expand_as", "expand", "broadcast_to", torch.broadcast_to})
_AXES: frozenset[Any] = frozenset({"unsqueeze", "squeeze", torch.unsqueeze, torch.squeeze})


def constant_of(node: fx.Node) -> fx.Node | None:
    """The node (get_attr) of the model's own tensor whose values a node holds; None for other nodes."""
    while _moves(node):
        node = node.args[0]  # type: ignore[assignment]
    return node if node.op == "get_attr" else None


def channel_axis(node: fx.Node, shape: tuple[int, ...]) -> int | None:
    """Along which axis of such a tensor the channels of an (N, C, ...) stand that it is broadcast to.

    None where it holds anything but a value a channel, or where the forward says how many channels there are,
    which then could not leave.
    """
    channels = shape[1]
    while node.target in _EXPANDS:
        sizes = sizes_of(node)
        at = len(sizes) - (len(shape) - 1)
        if 0 <= at < len(sizes) and isinstance(sizes[at], int) and sizes[at] > 1:
            return None
        node = node.args[0]  # type: ignore[assignment]
    stands = shape_of(node) or ()
    at = len(stands) - (len(shape) - 1)
    if at < 0 or stands[at] != channels or math.prod(stands) != channels:
        return None
    while _moves(node):
        if node.target not in _AXES and any(isinstance(n, int) and n > 1 for n in sizes_of(node)):
            return None
        node = node.args[0]  # type: ignore[assignment]
    held = shape_of(node) or ()
    return held.index(channels) if math.prod(held) == channels else None


def _moves(node: fx.Node) -> bool:
    """Whether a node only expands a tensor, or gives it other axes, of which one has more than one value."""
    if not node.args or not isinstance(node.args[0], fx.Node):
        return False
    if node.target is operator.getitem:
        index = node.args[1] if isinstance(node.args[1], tuple) else (node.args[1],)
        return all(part is None or part is Ellipsis or part == slice(None) for part in index)
    return node.target in _EXPANDS | SIZED | _AXES
