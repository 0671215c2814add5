"""From what the user's function gives to a trainee, or to what is wrong with it."""

from __future__ import annotations

import re
from dataclasses import replace

import torch
from torch import nn

from etb_hw.config import ModelConfig
from etb_hw.errors import BadInput
from etb_hw.evolution.graph import graph_of
from etb_hw.evolution.network import Network, network_of
from etb_hw.evolution.plan import Plan
from etb_hw.evolution.prepare import grouped
from etb_hw.evolution.trace import check_runs
from etb_hw.models import LARGEST_SUM, TOPOLOGIES
from etb_hw.models.layers import EvolvingAct
from etb_hw.models.spec import INPUT_DTYPES
from etb_hw.quantizers import ActivationKind
from etb_hw.training.inputs import Inputs, check_logits
from etb_hw.training.own_module import OwnModule, of_logits

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def own_module(config: ModelConfig, inputs: Inputs, made: nn.Module | Network) -> OwnModule:
    """The trainee that ``model.function`` gives. Raises BadInput where a flow cannot train it."""
    named = config.function
    assert named is not None
    where = f"model.function {named}"
    for key, usual in (("width", 1.0), ("activation", "bipolar")):
        if getattr(config, key) != usual:
            remedy = "write the function so, for activations with rules: etb_hw.Network(module, rules)"
            reason = "is for topologies; the module of a function is what the function makes it"
            raise BadInput(f"model.{key}", reason, remedy)
    _check_takes(where, network_of(where, made).module, inputs)
    network = of_logits(where, made, inputs)
    try:
        net, plan = grouped(network.module, inputs.example(), network.rules, network.additions)
    except BadInput as error:
        raise BadInput(f"{where}: {error.where}", error.reason, error.remedy) from error
    if plan.name == nn.Sequential.__name__:  # which says nothing
        plan = replace(plan, name=named.partition(":")[2])
    if plan.name in TOPOLOGIES:
        raise BadInput(
            where, f"is named {plan.name!r}, as one of ours", "give its class, or the function, another name"
        )
    check_logits(where, net, inputs)
    _check_sums(where, plan, inputs)
    found = OwnModule(named, inputs, plan, _identity(net, network, inputs), _kinds(net, plan))
    return found if config.widths is None else _at_widths(found, config.widths)


def _check_takes(where: str, module: nn.Module, inputs: Inputs) -> None:
    """Raise BadInput unless the module takes the data's images; before a trace, which would blame itself."""
    try:
        with torch.random.fork_rng(devices=[]):
            check_runs(module, inputs.example())
    except BadInput as error:
        if error.where != "example_input":  # it takes more than one input
            raise BadInput(f"{where}: {error.where}", error.reason, error.remedy) from error
        reason = error.reason.replace("through the network", f"on the data's images, {inputs.shape}")
        remedy = "make its layers by the shape that the function is called with; if they are, mend that line"
        raise BadInput(where, reason, remedy) from error


def _check_sums(where: str, plan: Plan, inputs: Inputs) -> None:
    """Raise BadInput where training, in float32, would round sums over the input."""
    first = {segment.group for layer in plan.layers[:1] for segment in layer.inputs}
    for layer in plan.layers:
        most = plan.geometry(layer).fan_in * INPUT_DTYPES[inputs.dtype]
        if (
            layer.values is None
            and {segment.group for segment in layer.inputs} == first
            and most > LARGEST_SUM
        ):
            reason = f"sums up inputs of {inputs.dtype} to {most:,}: training counts to {LARGEST_SUM:,} "
            remedy = "divide the inputs, so that they fit fewer bits"
            raise BadInput(f"{where}, layer {layer.name}", f"{reason}without rounding", remedy)


def _identity(net: nn.Module, network: Network, inputs: Inputs) -> str:
    """What a network computes, but for its weights, as text that is the same on every machine."""
    rules = network.rules or {}
    with torch.random.fork_rng(devices=[]):
        graph = str(graph_of(net, rules, inputs.example()))
    shapes = [f"{name} {tuple(value.shape)}" for name, value in net.state_dict().items()]
    text = "\n".join([repr(net), graph, *shapes, repr(dict(rules)), network.additions, repr(network.teacher)])
    return _ADDRESS.sub("", text)


def _kinds(net: nn.Module, plan: Plan) -> dict[str, ActivationKind]:
    found: dict[str, ActivationKind] = {}
    for path, layout in plan.acts.items():
        act = net.get_submodule(path)
        assert isinstance(act, EvolvingAct)
        for segment in layout:
            found.setdefault(segment.group, act.kind)
    return found


def _at_widths(trainee: OwnModule, widths: tuple[int, ...]) -> OwnModule:
    """The same trainee, narrower: counts of its prunable groups, in their order."""
    plan = trainee.groups
    wide = [plan.widths[group] for group in plan.prunable]
    if len(widths) != len(wide) or any(one > other for one, other in zip(widths, wide, strict=True)):
        groups = ", ".join(f"{group} {count}" for group, count in zip(plan.prunable, wide, strict=True))
        reason = "does not fit the groups of channels of the function's module"
        raise BadInput("model.widths", reason, f"give at most as many channels for each of: {groups}")
    narrow = plan.with_widths(dict(zip(plan.prunable, widths, strict=True)))
    return replace(trainee, groups=narrow, narrowed=True)
