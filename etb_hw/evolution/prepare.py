"""``prepare``: a user's network with evolving layers in place of its own, and its groups of channels.

All happens on a copy; the user's model is never changed.
"""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from brevitas.nn.quant_layer import QuantNonLinearActLayer, QuantWeightBiasInputOutputLayer
from torch import Tensor, fx, nn

from etb_hw.errors import BadInput
from etb_hw.evolution.grouping import plan_of
from etb_hw.evolution.layers import (
    KINDS_OF_LAYERS,
    ChannelPad,
    Evolving,
    EvolvingAct,
    evolving_layer,
    exact_norm,
)
from etb_hw.evolution.note import Note, note_of, write_note
from etb_hw.evolution.rules import ACTIVATIONS, Rule, Rules, activation_of, check_patterns, rule_of
from etb_hw.evolution.trace import module_at, owner_of, shape_of, tensors_in, traced, with_shapes
from etb_hw.models.norm import ChannelNorm
from etb_hw.quantizers import BIPOLAR, KINDS, ActivationKind

log = logging.getLogger("etb_hw")

_ACTIVATION_CALLS: frozenset[Any] = frozenset(
    {
        torch.sign, F.relu, F.relu6, F.leaky_relu, F.hardtanh, F.tanh, F.silu, F.gelu, torch.relu, torch.tanh,
        torch.sigmoid, F.sigmoid, F.elu, F.hardswish, F.hardsigmoid,
        "sign", "relu", "relu_", "tanh", "sigmoid",
    }
)  # fmt: skip
_LINEAR = (
    nn.MaxPool1d,
    nn.MaxPool2d,
    nn.AvgPool1d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
    nn.Flatten,
    nn.Dropout,
)


def prepare(model: nn.Module, example_input: Tensor, rules: Rules | None = None) -> nn.Module:
    """A copy of a network whose weights and activations evolve from ternary to binary or zero.

    Conv1d, Conv2d and Linear layers get binary weights, activations become signs, and convolutions pad signs
    with -1, since hardware has no third value; batch normalisations are evaluated in two exact steps.
    Brevitas layers of one bit likewise; those of more bits stay as they are. Groups of channels that must go
    together are found in a trace; what cannot be cut safely stays whole, and the log says why
    (``etb_hw.groups(model)`` shows all).

    Args:
        model: any module that torch.fx can trace, with one input. It is not changed.
        example_input: a batch (N, C, ...) as in training.
        rules: what to do otherwise, by module path or pattern: {"stem": Rule(weights="keep")}. The first
            that matches counts.

    Returns:
        A module of the same class and module names. Only where a forward calls activations as functions, or
        one activation module in several places, it is a torch.fx.GraphModule of the same names.

    Raises:
        BadInput: the network cannot be traced, or a layer has no binary form; names the module, the reason
            and what to write instead.
    """
    if not isinstance(example_input, Tensor) or example_input.ndim < 2:
        raise BadInput("example_input", "is no batch", "give one tensor (N, C, ...), as in training")
    if note_of(model) is not None:
        raise BadInput(
            f"module {type(model).__name__!r}", "is prepared already", "prepare the original network"
        )
    rules = rules or {}
    try:
        made = copy.deepcopy(model)
    except Exception as error:
        raise BadInput(
            f"module {type(model).__name__!r}",
            f"cannot be copied ({error})",
            "make copy.deepcopy(model) work",
        ) from error
    check_patterns(rules, [path for path, _ in made.named_modules()])
    with torch.random.fork_rng(devices=[]):
        made = _one_module_an_activation(made, rules, example_input)
        graph = _graph(made, rules, example_input)
        _swap(made, graph, rules)
        graph = _graph(made, rules, example_input)
    plan = plan_of(made, graph, rules)
    if not plan.layers or not any(layer.evolves for layer in plan.layers):
        raise BadInput(
            f"module {type(model).__name__!r}", "has no layer with weights that can be binary",
            "use Conv1d, Conv2d or Linear layers; Brevitas layers of more bits become binary by "
            "Rule(weights='binary')",
        )  # fmt: skip
    for group, reason in plan.whole.items():
        expected = reason.startswith("it is the network's")
        log.log(logging.INFO if expected else logging.WARNING, "group %s stays whole: %s", group, reason)
    # thresholds have no gradients once they are hard, which DistributedDataParallel would not forgive
    made._ddp_params_and_buffers_to_ignore = [  # type: ignore[assignment]
        name for name, _ in made.named_parameters() if name.endswith("quant.threshold")
    ]
    write_note(made, Note(plan, plan, example_input.detach().clone()))
    return made


def groups(model: nn.Module) -> str:
    """The groups of a prepared network in words: their channels, layers, and why some stay whole."""
    note = note_of(model)
    if note is None:
        raise BadInput(f"module {type(model).__name__!r}", "is not prepared", "call etb_hw.prepare first")
    return note.plan.table()


def _graph(model: nn.Module, rules: Rules, example: Tensor) -> fx.Graph:
    """The graph of the evaluation mode, with shapes."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        return with_shapes(model, traced(model, rules), example)
    finally:
        for module, training in modes:
            module.training = training


# --- activations that are no modules of their own


def _one_module_an_activation(model: nn.Module, rules: Rules, example: Tensor) -> nn.Module:
    """The model itself, or its graph with a module for every activation where it has functions instead."""
    graph = _graph(model, rules, example)
    _refuse_own_products(model, graph)
    calls = _activation_calls(model, graph, rules)
    uses: dict[str, int] = {}
    for node in calls:
        if node.op == "call_module":
            uses[str(node.target)] = uses.get(str(node.target), 0) + 1
    if all(node.op == "call_module" and uses[str(node.target)] == 1 for node in calls):
        return model
    _same_in_both_modes(model, rules, graph)
    made = fx.GraphModule(model, graph, type(model).__name__)
    seen: dict[str, int] = {}
    for node in _activation_calls(made, made.graph, rules):
        if node.op == "call_module":
            path = str(node.target)
            seen[path] = seen.get(path, 0) + 1
            if seen[path] == 1:
                continue
            new = f"{path}_{seen[path]}"
            made.add_submodule(new, copy.deepcopy(made.get_submodule(path)))
            node.target = new
        else:
            title = str(node.target) if node.op == "call_method" else getattr(node.target, "__name__", "act")
            seen[title] = seen.get(title, 0) + 1
            new = f"{title.rstrip('_')}_{seen[title]}"
            if hasattr(made, new):
                new = f"etb_{new}"
            made.add_submodule(new, nn.Hardtanh())
            with made.graph.inserting_before(node):
                call = made.graph.call_module(new, (node.all_input_nodes[0],))
            node.replace_all_uses_with(call)
            made.graph.erase_node(node)
    made.graph.lint()
    made.recompile()
    made.train(model.training)
    return made


def _activation_calls(model: nn.Module, graph: fx.Graph, rules: Rules) -> list[fx.Node]:
    return [
        node
        for node in graph.nodes
        if (node.op == "call_module" and _kind(module_at(model, node), str(node.target), rules) is not None)
        or (
            node.op in ("call_function", "call_method")
            and node.target in _ACTIVATION_CALLS
            and node.all_input_nodes[0].op != "get_attr"
        )
    ]


def _same_in_both_modes(model: nn.Module, rules: Rules, evaluated: fx.Graph) -> None:
    """A graph has no ``if self.training``: refuse networks that do."""
    modes = [(module, module.training) for module in model.modules()]
    model.train()
    try:
        trained = traced(model, rules)
    finally:
        for module, training in modes:
            module.training = training
    first, second = ([_words(node) for node in graph.nodes] for graph in (evaluated, trained))
    if first != second:
        where = next((a for a, b in zip(first, second, strict=False) if a != b), "its end")
        raise BadInput(
            f"module {type(model).__name__!r}",
            f"does something else in training than in evaluation (at {where}), and calls activations as "
            "functions or one activation module in several places",
            "make every activation a module of its own, and use nn.Dropout instead of F.dropout",
        )


def _words(node: fx.Node) -> str:
    return f"{node.op} {node.target} {node.args} {node.kwargs}"


# --- layers


def _refuse_own_products(model: nn.Module, graph: fx.Graph) -> None:
    """Raise BadInput where a forward convolves with tensors of its own: there is no layer to make binary."""
    for node in graph.nodes:
        if node.op == "call_function" and getattr(node.target, "__name__", "") in (
            "conv1d", "conv2d", "conv3d", "linear", "bilinear", "conv_transpose1d", "conv_transpose2d",
        ):  # fmt: skip
            owner = owner_of(node) or type(model).__name__
            raise BadInput(
                f"module {owner!r}", f"calls {node.target.__name__} on tensors of its own",
                "write it as nn.Conv1d, nn.Conv2d or nn.Linear; prepare makes its weights binary",
            )  # fmt: skip


def _kind(module: nn.Module, path: str, rules: Rules) -> ActivationKind | None:
    """What an activation becomes; None for modules that stay as they are."""
    wanted = activation_of(rules, path, module)
    if wanted == "keep":
        return None
    if wanted is not None:
        return KINDS[wanted]
    if isinstance(module, QuantNonLinearActLayer):
        return BIPOLAR if _bits(module.act_quant) == 1 else None
    return BIPOLAR if isinstance(module, ACTIVATIONS) else None


def _bits(proxy: Any) -> float | None:
    """Bits of a Brevitas quantizer; None without one."""
    if proxy is None or not proxy.is_quant_enabled:
        return None
    try:
        return float(proxy.bit_width())
    except Exception:  # proxies without a width raise what they like
        return None


def _swap(model: nn.Module, graph: fx.Graph, rules: Rules) -> None:
    """Put evolving layers in the places of the model's own."""
    made: dict[str, nn.Module] = {}
    for node in graph.nodes:
        if node.op != "call_module" or str(node.target) in made:
            continue
        path, module = str(node.target), module_at(model, node)
        shape = shape_of(next(tensors_in(node), node))
        new = _replacement(model, node, path, module, shape, rules)
        if new is not None:
            made[path] = new
    for path, module in made.items():
        for alias in _aliases(model, model.get_submodule(path)):
            model.set_submodule(alias, module)


def _replacement(
    model: nn.Module, node: fx.Node, path: str, module: nn.Module, shape: tuple[int, ...] | None, rules: Rules
) -> nn.Module | None:
    """What takes a module's place; None where it stays. Raises BadInput where it has no binary form."""
    rule = rule_of(rules, path)
    kind = _kind(module, path, rules)
    if kind is not None and shape is not None:
        act = EvolvingAct(shape[1], kind).to(_device(model))
        act.train(module.training)
        return act
    if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and not isinstance(module, ChannelNorm):
        if module.running_mean is None:
            raise BadInput(
                f"module {path!r}",
                "normalises by the batch even in evaluation",
                "set track_running_stats=True",
            )
        return exact_norm(module)
    if isinstance(module, nn.ConstantPad1d | nn.ConstantPad2d) and module.value != 0 and shape is not None:
        return ChannelPad(shape[1], tuple(module.padding), float(module.value)).to(_device(model))
    if rule.weights == "keep":
        return None
    if isinstance(module, tuple(KINDS_OF_LAYERS)):
        return _weighted(model, node, path, module, rule)
    own = dict(module.named_parameters())
    harmless = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm, nn.PReLU, Evolving, EvolvingAct)
    if any(p.ndim > 1 and p.numel() > p.shape[0] for p in own.values()) and not isinstance(
        module, (*harmless, QuantNonLinearActLayer)
    ):
        raise BadInput(
            f"module {path!r}", f"is a {type(module).__name__}, whose weights have no binary form here",
            f"use Conv1d, Conv2d or Linear, or leave it as it is by rules={{{path!r}: Rule(weights='keep')}}",
        )  # fmt: skip
    return None


def _weighted(model: nn.Module, node: fx.Node, path: str, module: Any, rule: Rule) -> nn.Module | None:
    forced = rule.weights == "binary"
    if isinstance(module, QuantWeightBiasInputOutputLayer):
        if _bits(module.weight_quant) not in (None, 1) and not forced:
            log.info("%s keeps its weights of %g bits", path, _bits(module.weight_quant))
            return None
        if any(_bits(getattr(module, name)) is not None for name in ("input_quant", "output_quant")):
            raise BadInput(
                f"module {path!r}",
                "quantizes its own input or output",
                "use a QuantIdentity of its own for that",
            )
    fan_in = module.weight[0].numel()
    if fan_in < 2:
        log.info("%s keeps its weights: one a filter has no sign worth training", path)
        return None
    kind = _input_kind(model, next(tensors_in(node)))
    magnitude = 1.0 if kind is None else kind.magnitude
    scale = 1.0 if _normalised(model, node) else 2.0 ** -round(math.log2(magnitude * math.sqrt(fan_in)))
    border = rule.border if rule.border is not None else (0 if kind is None else kind.pad)
    return evolving_layer(module, scale, kind is not None, border)


def _input_kind(model: nn.Module, node: fx.Node) -> ActivationKind | None:
    """The kind of activations that a layer reads, seen before or after the swap."""
    while node.op in ("call_module", "call_function", "call_method"):
        if node.op == "call_module":
            module = module_at(model, node)
            if isinstance(module, EvolvingAct):
                return module.kind
            if isinstance(module, ACTIVATIONS) or (
                isinstance(module, QuantNonLinearActLayer) and _bits(module.act_quant) == 1
            ):
                return BIPOLAR
            if not isinstance(module, (nn.MaxPool1d, nn.MaxPool2d, nn.Flatten, nn.Dropout, nn.Identity)):
                return None
        elif node.target not in (torch.flatten, "flatten", "view", "reshape", F.max_pool2d):
            return None
        node = next(tensors_in(node))
    return None


def _normalised(model: nn.Module, node: fx.Node) -> bool:
    """Whether nothing but batch normalisations read a layer's sums, at most behind pools."""
    for user in node.users:
        if user.op != "call_module":
            return False
        module = module_at(model, user)
        if isinstance(module, _LINEAR):
            if not _normalised(model, user):
                return False
        elif not isinstance(module, nn.modules.batchnorm._BatchNorm):
            return False
    return bool(node.users)


def _aliases(model: nn.Module, module: nn.Module) -> Iterator[str]:
    """All paths under which a module is found."""
    return iter([path for path, found in model.named_modules(remove_duplicate=False) if found is module])


def _device(model: nn.Module) -> torch.device:
    return next((tensor.device for tensor in model.parameters()), torch.device("cpu"))
