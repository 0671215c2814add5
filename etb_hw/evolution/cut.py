"""Cutting dead channels out of a prepared network in place; optimizers are given the smaller parameters.

A dead channel has weights, activations and borders 0, so nothing that remains ever saw it: no output changes,
not by one bit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from etb_hw.errors import BadInput
from etb_hw.evolution.kept_values import keep_values
from etb_hw.evolution.net import PreparedNet
from etb_hw.evolution.plan import Keep, Place, Plan
from etb_hw.models.layers import ChannelPad, Evolving
from etb_hw.quantizers import ChannelQuant, EvolvingWeightQuant


@torch.no_grad()
def cut(net: PreparedNet, keep: Keep, optimizers: Iterable[Optimizer] = ()) -> PreparedNet:
    """Keep only these channels, in weights, quantizers, normalisations and the optimizers' state.

    Args:
        net: with all other channels dead, ternary still or hard.
        keep: sorted channel numbers a group; groups not named stay whole.

    Returns:
        The same module with its new widths. No output changes, not by one bit.
    """
    plan = net.plan
    before = {
        layer.name: _Before(net.module.get_submodule(layer.name))
        for layer in plan.layers
        if isinstance(net.module.get_submodule(layer.name), Evolving)
    }
    optimizers = tuple(optimizers)
    owners = _owners(net.module)
    for place in plan.places:
        _cut_tensor(net, plan, place, keep, owners, optimizers)
    slim_plan = plan.with_widths({group: len(channels) for group, channels in keep.items()})
    for path, attribute, layout in plan.counts:
        setattr(net.module.get_submodule(path), attribute, slim_plan.size(layout))
    for layer in plan.layers:
        if layer.name in before:
            module = net.module.get_submodule(layer.name)
            assert isinstance(module, Evolving)
            before[layer.name].restore(plan, layer.name, keep, module)
    net.remember(replace(net.note, plan=slim_plan))
    slimmed = PreparedNet(net.module)
    for module in net.module.modules():
        if isinstance(module, ChannelQuant | EvolvingWeightQuant | ChannelPad):
            module.read_mirrors()
    return slimmed


class _Before:
    """A layer's latent weights and their values before the cut."""

    def __init__(self, module: nn.Module) -> None:
        assert isinstance(module, Evolving)
        self.weight = module.latent.detach().clone()
        self.offset = module.quant.offset.clone()
        self.values = module.quantized().detach()

    def restore(self, plan: Plan, name: str, keep: Keep, module: Evolving) -> None:
        """Give the cut weights the values that they had."""
        place = next(place for place in plan.places if place.tensor == f"{name}.weight")
        rows = plan.index(dict(place.axes)[0], keep).to(self.weight.device)
        wanted = _sliced(self.values, plan, place, keep)
        keep_values(self.weight[rows], self.offset[rows], module.latent, module.quant, wanted, name)


def _sliced(value: Tensor, plan: Plan, place: Place, keep: Keep) -> Tensor:
    for axis, layout in place.axes:
        value = value.index_select(axis, plan.index(layout, keep).to(value.device))
    return value


def _owners(model: nn.Module) -> dict[Tensor, list[tuple[nn.Module, str]]]:
    """The modules that hold a parameter, under which names."""
    found: dict[Tensor, list[tuple[nn.Module, str]]] = {}
    for module in model.modules():
        for name, value in module._parameters.items():
            if value is not None:
                found.setdefault(value, []).append((module, name))
    return found


def _cut_tensor(
    net: PreparedNet,
    plan: Plan,
    place: Place,
    keep: Keep,
    owners: dict[Tensor, list[tuple[nn.Module, str]]],
    optimizers: tuple[Optimizer, ...],
) -> None:
    path, _, leaf = place.tensor.rpartition(".")
    owner = net.module.get_submodule(path)
    value: Any = getattr(owner, leaf)
    sliced = _sliced(value.detach(), plan, place, keep)
    if sliced.shape == value.shape:
        return
    if not isinstance(value, nn.Parameter):
        setattr(owner, leaf, sliced)
        return
    # a new object: autograd remembers the shape of the old one
    new = nn.Parameter(sliced, requires_grad=value.requires_grad)
    for module, name in owners[value]:
        setattr(module, name, new)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["params"] = [new if parameter is value else parameter for parameter in group["params"]]
        state = optimizer.state.pop(value, {})
        if state:
            optimizer.state[new] = state
        for key, moment in list(state.items()):
            if isinstance(moment, Tensor) and moment.shape == value.shape:
                state[key] = _sliced(moment, plan, place, keep)
            elif isinstance(moment, Tensor) and moment.ndim and moment.numel() > 1:
                raise BadInput(
                    f"optimizer {type(optimizer).__name__}",
                    f"its {key!r} of {place.tensor} has shape {tuple(moment.shape)}, not the parameter's",
                    "call evolution.slim() without it and build a new optimizer",
                )
