"""What ``prepare`` puts in place of a user's layers and normalisations."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import nn

from etb_hw.models.layers import KINDS_OF_LAYERS, ChannelPad, Evolving, EvolvingLinear, equipped
from etb_hw.models.norm import ChannelNorm, SyncedNorm


@torch.no_grad()
def evolving_layer(
    old: nn.Conv1d | nn.Conv2d | nn.Linear, scale: float, integers: bool, border: int = 0
) -> Evolving:
    """The evolving form of a layer, with its weights and bias, that pads with ``border``."""
    base = next(kind for kind in KINDS_OF_LAYERS if isinstance(old, kind))
    pad: ChannelPad | None = None
    like = {"device": old.weight.device, "dtype": old.weight.dtype}
    made: Any
    if isinstance(old, nn.Linear):
        made = EvolvingLinear(old.in_features, old.out_features, bias=False, **like)
    else:
        pads = tuple(old._reversed_padding_repeated_twice)
        own = bool(border and any(pads) and old.padding_mode == "zeros")
        made = KINDS_OF_LAYERS[base](
            old.in_channels, old.out_channels, old.kernel_size, old.stride, 0 if own else old.padding,
            old.dilation, old.groups, bias=False, padding_mode=old.padding_mode, **like,
        )  # fmt: skip
        pad = ChannelPad(old.in_channels, pads, float(border)).to(old.weight.device) if own else None
    made.weight.copy_(old.weight)
    made.weight.requires_grad_(old.weight.requires_grad)
    shift = None if old.bias is None else nn.Parameter(old.bias.detach() / scale)
    made = equipped(made, integers, pad, scale, shift)
    made.train(old.training)
    return cast(Evolving, made)


@torch.no_grad()
def exact_norm(old: nn.Module) -> ChannelNorm:
    """The batch normalisation whose evaluation is the same two float32 operations everywhere."""
    assert isinstance(old, nn.modules.batchnorm._BatchNorm)
    norm = ChannelNorm(old.num_features, old.eps, old.momentum)
    if isinstance(old, nn.SyncBatchNorm):
        norm = SyncedNorm(old.num_features, old.eps, old.momentum, process_group=old.process_group)
    assert old.running_mean is not None
    norm.to(old.running_mean.device)
    norm.load_state_dict({**norm.state_dict(), **old.state_dict()})
    for name, value in norm.named_parameters():
        value.requires_grad_(old.affine and getattr(old, name).requires_grad)
    norm.train(old.training)
    return norm
