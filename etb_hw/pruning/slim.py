"""Exact slimming: cut dead filters, and the inputs that they fed, out of a network physically.

A dead channel has weights, activations and borders 0, so nothing that remains ever saw it: no logit changes,
not by one bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import torch
from torch import Tensor

from etb_hw.models import BinaryNet, NetSpec
from etb_hw.models.spec import LayerSpec
from etb_hw.quantizers import EvolvingWeightQuant
from etb_hw.quantizers.functions import per_channel
from etb_hw.quantizers.weight import DEAD_ZONE_A_THRESHOLD

Keep: TypeAlias = Mapping[str, Tensor]

_PER_INPUT = ("input_alive",)
_COMMON = ("log_scale", "unit", "hard", "num_batches_tracked")


def full_keep(spec: NetSpec, keep: Keep) -> dict[str, Tensor]:
    """``keep`` with all channels of the groups that it does not name. Values are sorted channel numbers."""
    return {
        group: keep.get(group, torch.arange(count)).to(torch.int64) for group, count in spec.widths.items()
    }


def slim_spec(spec: NetSpec, keep: Keep) -> NetSpec:
    """The topology with the widths that remain."""
    return spec.with_widths({group: int(channels.numel()) for group, channels in keep.items()})


@torch.no_grad()
def slim(net: BinaryNet, keep: Keep) -> BinaryNet:
    """The network without the channels that are not in ``keep``; parameters are new, ``net`` is unchanged.

    Args:
        net: a network whose other channels are dead (BinaryNet.set_alive), ternary still or hard.
        keep: a group's sorted channel numbers that stay; groups not named stay whole.
    """
    kept = full_keep(net.spec, keep)
    slimmed = BinaryNet(slim_spec(net.spec, kept))
    device = next(net.parameters()).device
    state = {
        name: slice_tensor(net.spec, name.removeprefix("layers."), value, kept)
        for name, value in net.state_dict().items()
    }
    slimmed.load_state_dict(state)
    slimmed.to(device)  # after loading, which re-creates the quantizers
    if net.hard:
        slimmed.set_hard()
    slimmed.read_mirrors()
    for name, layer in slimmed.weighted().items():
        full, spec = net.weighted()[name], net.spec.by_name[name]
        rows = kept[spec.group].to(device)
        keep_values(
            full.core.weight[rows],
            full.weight_quant().offset[rows],
            layer.core.weight,
            layer.weight_quant(),
            slice_weight(net.spec, spec, full.quantized(), kept),
            name,
        )
    slimmed.train(net.training)
    return slimmed


def slice_tensor(spec: NetSpec, name: str, value: Tensor, keep: Keep) -> Tensor:
    """The part of a parameter, buffer or optimizer moment that remains.

    Args:
        name: ``<layer>.<rest>`` as in the state dict of BinaryNet.layers.
        keep: channel numbers of every group (see full_keep).
    """
    layer_name, _, rest = name.partition(".")
    layer = spec.by_name[layer_name]
    leaf = rest.rsplit(".", 1)[-1]
    if leaf in _COMMON or value.ndim == 0:
        return value.clone()
    if leaf in _PER_INPUT:
        return value[keep[spec.group_of(layer.inputs[0])].to(value.device)].clone()
    if rest == "core.weight":
        return slice_weight(spec, layer, value, keep)
    return value[keep[layer.group].to(value.device)].clone()


def slice_weight(spec: NetSpec, layer: LayerSpec, weight: Tensor, keep: Keep) -> Tensor:
    """Rows of the filters that stay, columns of the input channels that stay."""
    outputs = keep[layer.group].to(weight.device)
    inputs = keep[spec.group_of(layer.inputs[0])].to(weight.device)
    rows = weight[outputs]
    if weight.ndim == 4:
        return rows[:, inputs].clone()
    in_channels = spec.widths[spec.group_of(layer.inputs[0])]
    return rows.view(rows.shape[0], in_channels, -1)[:, inputs].flatten(1).clone()


@torch.no_grad()
def keep_values(
    old: Tensor, old_offset: Tensor, new: Tensor, quantizer: EvolvingWeightQuant, wanted: Tensor, where: str
) -> None:
    """Slicing moves a filter's mean and deviation; offset and threshold make up for it, so no value changes.

    With mean m and deviation s before, m', s' after: (w-m')/s' + (m'-m+o s)/s' = ((w-m)/s + o) s/s', so the
    dead zone grows by s/s'.

    Args:
        old: latent weights (O, ...) of the filters that stay, with all inputs; ``old_offset`` (O,) theirs.
        new: the latent weights that are left, changed here where rounding would decide; ``quantizer`` theirs.
        wanted: quantized values of the shape of ``new``.
    """
    old_std, old_mean = torch.std_mean(old.flatten(1), dim=1, correction=0)
    new_std, new_mean = torch.std_mean(new.flatten(1), dim=1, correction=0)
    old_std, new_std = old_std + 1e-5, new_std + 1e-5
    quantizer.offset.copy_((new_mean - old_mean + old_offset * old_std) / new_std)
    zero = wanted == 0
    if not quantizer.is_hard:
        threshold = _edge(quantizer.standardise(new).abs(), zero, quantizer.dead_zone() * old_std / new_std)
        quantizer.threshold.copy_(threshold / DEAD_ZONE_A_THRESHOLD)
    for _ in range(20):
        wrong = quantizer(new)[0] != wanted
        if not bool(wrong.any()):
            return
        # a latent weight so close to 0 or to the edge that rounding decides: push it clear of both
        edge = torch.zeros_like(old_std) if quantizer.is_hard else quantizer.dead_zone()
        v, far = quantizer.standardise(new), per_channel((edge * 1.0001).clamp(min=1e-4), new, 0)
        goal = torch.where(zero, v.clamp(-0.999 * far, 0.999 * far), wanted * far)
        new.add_(torch.where(wrong, (goal - v) * per_channel(new_std, v, 0), torch.zeros_like(v)))
    raise AssertionError(f"values of layer {where} cannot be kept")


def _edge(magnitude: Tensor, zero: Tensor, scaled: Tensor) -> Tensor:
    """A dead zone (O,) that parts weights that are zero from the others: the scaled one, or the middle."""
    m, zero = magnitude.flatten(1), zero.flatten(1)
    inner = torch.where(zero, m, -1.0).amax(1)
    outer = torch.where(zero, torch.inf, m).amin(1)
    parts = (inner < scaled) & (scaled <= outer)
    return torch.where(parts | outer.isinf(), scaled, (inner.clamp(min=0) + outer) / 2)
