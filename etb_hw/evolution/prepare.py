"""``prepare``: a user's network with evolving layers in place of its own, and its groups of channels.

All happens on a copy; the user's model is never changed.
"""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Iterator
from typing import Any, get_args

import torch
from brevitas.nn.quant_layer import QuantNonLinearActLayer, QuantWeightBiasInputOutputLayer
from torch import Tensor, fx, nn

from etb_hw.errors import BadInput
from etb_hw.evolution.endings import ends
from etb_hw.evolution.graph import graph_of
from etb_hw.evolution.grouping import plan_of
from etb_hw.evolution.net import check_floats
from etb_hw.evolution.note import Note, note_of, unwrapped, write_note
from etb_hw.evolution.passing import CONCATENATIONS, passes_values
from etb_hw.evolution.plan import Plan, evolving_groups
from etb_hw.evolution.replacements import evolving_layer, exact_norm
from etb_hw.evolution.rewrite import Additions, rewritten
from etb_hw.evolution.rules import (
    LIBRARIES,
    Rules,
    bits_of,
    check_patterns,
    check_rules,
    kind_of,
    library_class,
    rule_of,
)
from etb_hw.evolution.trace import check_runs, module_at, shape_of, tensors_in
from etb_hw.evolution.transposed import spread
from etb_hw.models.layers import KINDS_OF_LAYERS, ChannelPad, Evolving, EvolvingAct
from etb_hw.models.norm import ChannelNorm
from etb_hw.quantizers import ActivationKind

log = logging.getLogger("etb_hw")

_FORWARDS = ("forward", "_conv_forward", "inner_forward_impl")  # what computes a layer, of Brevitas' the last
_LINEAR = (
    nn.MaxPool1d,
    nn.MaxPool2d,
    nn.AvgPool1d,
    nn.AvgPool2d,
    nn.modules.pooling._AdaptiveAvgPoolNd,
    nn.modules.pooling._AdaptiveMaxPoolNd,
    nn.Upsample,
    nn.PixelShuffle,
    nn.ChannelShuffle,
    nn.Flatten,
    nn.Dropout,
)


def prepare(
    model: nn.Module,
    example_input: Tensor,
    rules: Rules | None = None,
    additions: Additions = "keep",
) -> nn.Module:
    """A copy of a network whose weights and activations evolve from ternary to binary or zero.

    Conv1d, Conv2d and Linear layers get binary weights, activations become signs, and convolutions pad signs
    with -1, since hardware has no third value; batch normalisations are evaluated in two exact steps.
    Brevitas layers of one bit likewise; those of more bits stay as they are. Groups of channels that must go
    together are found in a trace; what cannot be cut safely stays whole, and the log says why
    (``etb_hw.groups(model)`` shows all).

    Args:
        model: any module that torch.fx can trace, with one input; arguments with defaults hold these. It is
            not changed.
        example_input: a batch (N, C, ...) as in training.
        rules: what to do otherwise, by module path or pattern: {"stem": Rule(weights="keep")}. The first
            that matches counts.
        additions: ``stream`` rounds the floats that residual connections add, and those that a layer reads
            right behind a batch normalisation (a linear bottleneck), to integers -8..7, which hardware adds
            and multiplies; ``keep`` leaves them.

    Returns:
        A module of the same class and module names. Only where a forward calls activations as functions, or
        one activation module in several places, flattens by a number (``x.view(-1, 400)``) or has optional
        arguments, it is a torch.fx.GraphModule of the same names, with one argument.

    Raises:
        BadInput: the network cannot be traced, or a layer has no binary form; names the module, the reason
            and what to write instead.
    """
    made, plan = grouped(model, example_input, rules, additions)
    with_weights = evolving_groups(plan.layers)
    for group, reason in plan.whole.items():
        if group not in with_weights:
            continue  # nothing of it could leave by itself
        expected = reason.startswith("it is the network's")
        log.log(logging.INFO if expected else logging.WARNING, "group %s stays whole: %s", group, reason)
    write_note(made, Note(plan, plan, example_input.detach().clone()))
    return made


def grouped(
    model: nn.Module, example_input: Tensor, rules: Rules | None = None, additions: Additions = "keep"
) -> tuple[nn.Module, Plan]:
    """The copy that ``prepare`` gives, and its groups of channels, which it does not know of yet."""
    if note_of(model) is not None:
        raise BadInput(
            f"module {type(model).__name__!r}", "is prepared already", "prepare the original network"
        )
    if not isinstance(example_input, Tensor) or example_input.ndim < 2:
        raise BadInput("example_input", "is no batch", "give one tensor (N, C, ...), as in training")
    check_rules(rules)
    check_additions(additions)
    _check_modules(model)
    check_floats(model)
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
        check_runs(copy.deepcopy(made), example_input)
    rules = spread(made, rules)
    with torch.random.fork_rng(devices=[]):
        made, rules = rewritten(made, rules, example_input, additions)
        _swap(made, graph_of(made, rules, example_input), rules)
        graph = graph_of(made, rules, example_input)
    plan = plan_of(type(model).__name__, made, graph, rules)  # a copied GraphModule has lost its name
    if not plan.layers or not any(layer.evolves for layer in plan.layers):
        raise BadInput(
            f"module {type(model).__name__!r}", "has no layer with weights that can be binary",
            "use Conv1d, Conv2d or Linear layers; Brevitas layers of more bits become binary by "
            "Rule(weights='binary')",
        )  # fmt: skip
    # thresholds have no gradients once they are hard, which DistributedDataParallel would not forgive
    made._ddp_params_and_buffers_to_ignore = [  # type: ignore[assignment]
        name for name, _ in made.named_parameters() if name.endswith("quant.threshold")
    ]
    return made, plan


def _check_modules(model: nn.Module) -> None:
    """Raise BadInput for what hides the network's layers, and for layers that have nothing in them."""
    if unwrapped(model) is not model:
        raise BadInput(
            f"module {type(model).__name__!r}", "wraps a network",
            "prepare the network itself, and wrap what prepare gives",
        )  # fmt: skip
    for path, module in model.named_modules():
        where = f"module {path!r}" if path else f"module {type(model).__name__!r}"
        if isinstance(module, torch.jit.ScriptModule):
            raise BadInput(
                where, "is compiled by torch.jit, which hides its layers", "give the module it was made of"
            )
        for name, value in module.named_parameters(recurse=False):
            if not value.numel():
                shape = tuple(value.shape)
                raise BadInput(where, f"has no channels: its {name} has shape {shape}", "give it one or more")


def check_additions(additions: str) -> None:
    """Raise BadInput for what ``prepare`` would take for ``keep``."""
    known = get_args(Additions)
    if additions not in known:
        raise BadInput("additions", f"{additions!r} is unknown", f"use {' or '.join(map(repr, known))}")


def groups(model: nn.Module) -> str:
    """The groups of a prepared network in words: their channels, layers, and why some stay whole."""
    note = note_of(model)
    if note is None:
        raise BadInput(f"module {type(model).__name__!r}", "is not prepared", "call etb_hw.prepare first")
    return note.plan.table()


def _swap(model: nn.Module, graph: fx.Graph, rules: Rules) -> None:
    """Put evolving layers in the places of the model's own."""
    made: dict[str, nn.Module] = {}
    for node in graph.nodes:
        if node.op != "call_module" or str(node.target) in made:
            continue
        path, module = str(node.target), module_at(model, node)
        shape = shape_of(next(tensors_in(node), node))
        if getattr(module, "inplace", False) is True:
            # a sign's gradient needs what it would change; by now nothing reads that again
            module.inplace = False  # type: ignore[assignment]
        new = _replacement(model, node, path, module, shape, rules)
        if new is not None:
            _check_hooks(path, module)
            _check_forward(path, module, rules)
            made[path] = new
    for path, module in made.items():
        for alias in _aliases(model, model.get_submodule(path)):
            model.set_submodule(alias, module)
    for node in graph.nodes:
        act = module_at(model, node) if node.op == "call_module" else None
        if isinstance(act, EvolvingAct):
            _spread(model, node, act.kind)


def _check_hooks(path: str, module: nn.Module) -> None:
    """Raise BadInput where a module that is replaced computes more than its class says."""
    if module._forward_hooks or module._forward_pre_hooks:
        raise BadInput(
            f"module {path!r}",
            "has forward hooks, which the layer in its place would lose",
            "write what they compute into forward, or remove them and register them again behind prepare",
        )


def _check_forward(path: str, module: nn.Module, rules: Rules) -> None:
    """Raise BadInput where a user's class computes more than the layer that takes its place.

    A rule that asks for just this (``activation=...``, ``weights="binary"``) says that it may be lost.
    """
    if kind_of(rules, path, module) is not None or rule_of(rules, path).weights == "binary":
        return
    own = next((name for name in _FORWARDS if not _by_a_library(module, name)), None)
    if own is None:
        return
    layer = library_class(module).__name__
    weighted = isinstance(module, tuple(KINDS_OF_LAYERS))
    sign = " (a sign of its input as an nn.Hardtanh)" if weighted else ""
    lost = f", or say rules={{{path!r}: Rule(weights='binary')}} where it may be lost" if weighted else ""
    raise BadInput(
        f"module {path!r}",
        f"is a {type(module).__name__} with a {own} of its own, which the layer in its place would lose",
        f"write what else it computes as modules around a plain {layer}{sign}{lost}",
    )


def _by_a_library(module: nn.Module, name: str) -> bool:
    """Whether a method is torch's or Brevitas', or there is none."""
    if name in vars(module):
        return False
    kind = next((kind for kind in type(module).__mro__ if name in vars(kind)), None)
    return kind is None or kind.__module__.startswith(LIBRARIES)


def _replacement(
    model: nn.Module, node: fx.Node, path: str, module: nn.Module, shape: tuple[int, ...] | None, rules: Rules
) -> nn.Module | None:
    """What takes a module's place; None where it stays. Raises BadInput where it has no binary form."""
    rule = rule_of(rules, path)
    kind = kind_of(rules, path, module)
    if kind is not None and shape is not None and not ends(model, node, rules):
        act = EvolvingAct(shape[1], kind).to(_device(model))
        act.train(module.training)
        return act
    norms = nn.BatchNorm1d | nn.BatchNorm2d | nn.SyncBatchNorm
    if isinstance(module, norms) and not isinstance(module, ChannelNorm):
        if module.running_mean is None:
            raise BadInput(
                f"module {path!r}",
                "normalises by the batch even in evaluation",
                "set track_running_stats=True",
            )
        return exact_norm(module)
    if isinstance(module, nn.ConstantPad1d | nn.ConstantPad2d) and module.value != 0 and shape is not None:
        return ChannelPad(shape[1], tuple(module.padding), float(module.value)).to(_device(model))
    if rule.weights == "keep" or isinstance(module, Evolving):
        return None
    if isinstance(module, tuple(KINDS_OF_LAYERS)):
        return _weighted(model, node, path, module, rules)
    own = dict(module.named_parameters())
    harmless = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm, nn.PReLU, EvolvingAct)
    if any(p.ndim > 1 and p.numel() > p.shape[0] for p in own.values()) and not isinstance(
        module, (*harmless, QuantNonLinearActLayer)
    ):
        raise BadInput(
            f"module {path!r}", f"is a {type(module).__name__}, whose weights have no binary form here",
            f"use Conv1d, Conv2d, Linear, or ConvTranspose2d with a stride of its kernel's size, "
            f"or leave it as it is by rules={{{path!r}: Rule(weights='keep')}}",
        )  # fmt: skip
    return None


def _weighted(model: nn.Module, node: fx.Node, path: str, module: Any, rules: Rules) -> nn.Module | None:
    rule = rule_of(rules, path)
    forced = rule.weights == "binary"
    if isinstance(module, QuantWeightBiasInputOutputLayer):
        if bits_of(module.weight_quant) not in (None, 1) and not forced:
            log.info("%s keeps its weights of %g bits", path, bits_of(module.weight_quant))
            return None
        if any(bits_of(getattr(module, name)) is not None for name in ("input_quant", "output_quant")):
            raise BadInput(
                f"module {path!r}",
                "quantizes its own input or output",
                "use a QuantIdentity of its own for that",
            )
    fan_in = module.weight[0].numel()
    if fan_in < 2:
        log.info("%s keeps its weights: one a filter has no sign worth training", path)
        return None
    kind = _input_kind(model, next(tensors_in(node)), rules)
    magnitude = 1.0 if kind is None else kind.magnitude
    scale = 1.0 if _normalised(model, node) else 2.0 ** -round(math.log2(magnitude * math.sqrt(fan_in)))
    border = rule.border if rule.border is not None else (0 if kind is None else kind.pad)
    return evolving_layer(module, scale, kind is not None, border)


def _input_kind(model: nn.Module, node: fx.Node, rules: Rules) -> ActivationKind | None:
    """The kind of activations that a layer reads, seen before or after the swap."""
    while node.op in ("call_module", "call_function", "call_method"):
        if node.op == "call_module":
            module = module_at(model, node)
            kind = (
                module.kind if isinstance(module, EvolvingAct) else kind_of(rules, str(node.target), module)
            )
            if kind is not None:
                return kind
        if node.target in CONCATENATIONS:
            kinds = {_input_kind(model, part, rules) for part in tensors_in(node)}
            return kinds.pop() if len(kinds) == 1 else None
        if not passes_values(model, node):
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


@torch.no_grad()
def _spread(model: nn.Module, node: fx.Node, kind: ActivationKind) -> None:
    """Few-bit activations need larger values: a fresh normalisation in front starts with such a slope."""
    source = next(tensors_in(node))
    norm = module_at(model, source) if source.op == "call_module" else None
    if isinstance(norm, ChannelNorm) and bool((norm.weight == 1).all()):
        norm.weight.fill_(kind.magnitude)


def _aliases(model: nn.Module, module: nn.Module) -> Iterator[str]:
    """All paths under which a module is found."""
    return iter([path for path, found in model.named_modules(remove_duplicate=False) if found is module])


def _device(model: nn.Module) -> torch.device:
    return next((tensor.device for tensor in model.parameters()), torch.device("cpu"))
