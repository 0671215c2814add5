"""What hands values on as they are when it is evaluated: of what kind they are can be told through it."""

from __future__ import annotations

import operator
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from etb_hw.evolution.in_place import PARTS
from etb_hw.evolution.trace import module_at, shape_of
from etb_hw.models.layers import ChannelPad

_MODULES = (
    nn.MaxPool1d, nn.MaxPool2d, nn.PixelShuffle, nn.ChannelShuffle, nn.Flatten, nn.Unflatten, nn.Dropout,
    nn.Identity, ChannelPad,
)  # fmt: skip
_FUNCTIONS: frozenset[Any] = frozenset(
    {
        torch.flatten,
        "flatten",
        "view",
        "reshape",
        "contiguous",
        "transpose",
        torch.transpose,
        "permute",
        torch.permute,
        "squeeze",
        torch.squeeze,
        "unsqueeze",
        torch.unsqueeze,
        "narrow",
        torch.narrow,
        "index_select",
        torch.index_select,
        torch.channel_shuffle,
        F.max_pool2d,
        F.max_pool1d,
        F.pixel_shuffle,
        F.dropout,
        F.dropout1d,
        F.dropout2d,
    }
)
CONCATENATIONS: frozenset[Any] = frozenset({torch.cat, torch.concat, torch.concatenate})
_NEAREST = ("nearest", "nearest-exact")
_AVERAGES = (nn.AvgPool1d, nn.AvgPool2d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d)
_AVERAGING: frozenset[Any] = frozenset(
    {F.avg_pool1d, F.avg_pool2d, F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, torch.mean, "mean"}
)


def averages(model: nn.Module, node: fx.Node) -> bool:
    """Whether a node averages pixels of its input."""
    if node.op == "call_module":
        return isinstance(module_at(model, node), _AVERAGES)
    return node.target in _AVERAGING


def passes_values(model: nn.Module, node: fx.Node) -> bool:
    """Whether a node's output holds no values but its input's."""
    if node.op == "call_module":
        module = module_at(model, node)
        if isinstance(module, nn.Upsample):
            return module.mode in _NEAREST
        return isinstance(module, _MODULES)
    if node.target is F.interpolate:
        mode = node.args[3] if len(node.args) > 3 else node.kwargs.get("mode", "nearest")
        return mode in _NEAREST
    if node.target is operator.getitem:
        return _holds_values(node.args[0])
    return node.target in _FUNCTIONS


def _holds_values(source: Any) -> bool:
    """Whether what an index picks from is a tensor, or parts of one."""
    if not isinstance(source, fx.Node):
        return False
    if shape_of(source) is None and source.target is operator.getitem:
        return _holds_values(source.args[0])
    return shape_of(source) is not None or source.target in PARTS
