"""What becomes of a layer: rules that a user gives by module path, and the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal, TypeAlias

import torch
import torch.nn.functional as F
from brevitas.nn.quant_layer import QuantNonLinearActLayer
from torch import nn

from etb_hw.errors import BadInput
from etb_hw.quantizers import BIPOLAR, KINDS, ActivationKind


@dataclass(frozen=True)
class Rule:
    """How ``prepare`` treats the modules that a pattern names. None means: as usual.

    Attributes:
        weights: ``binary``, or ``keep`` to leave a layer's own weights as they are.
        activation: what an activation becomes, a kind of quantizers/kinds.py (``bipolar``, ``uint2``), or
            ``keep``. It also makes one activation of a module that prepare cannot look into.
        prune: False keeps all of a layer's output channels.
        border: what a convolution pads with; by default -1 around signs, which a stream of signs in hardware
            can carry, and 0 around everything else.
    """

    weights: Literal["binary", "keep"] | None = None
    activation: str | None = None
    prune: bool = True
    border: Literal[-1, 0] | None = None

    def __post_init__(self) -> None:
        if self.weights not in (None, "binary", "keep"):
            raise BadInput("Rule.weights", f"{self.weights!r} is unknown", "use 'binary' or 'keep'")
        if self.activation is not None and self.activation not in (*KINDS, "keep"):
            kinds = ", ".join(repr(kind) for kind in (*KINDS, "keep"))
            raise BadInput("Rule.activation", f"{self.activation!r} is unknown", f"use one of {kinds}")


ACTIVATIONS = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.Hardtanh, nn.Tanh, nn.Sigmoid, nn.SiLU, nn.GELU, nn.ELU,
    nn.Hardswish, nn.Hardsigmoid, nn.Softsign, nn.SELU, nn.Mish, nn.Softplus, nn.CELU, nn.RReLU, nn.Threshold,
    nn.LogSigmoid,
)  # fmt: skip
ACTIVATION_FUNCTIONS: frozenset[Any] = frozenset(
    {
        torch.sign, torch.sgn, torch.relu, torch.relu_, torch.tanh, torch.tanh_, torch.sigmoid,
        torch.sigmoid_, torch.prelu, torch.selu, torch.selu_, torch.celu, torch.celu_, torch.rrelu,
        torch.rrelu_, torch.threshold, torch.threshold_, F.relu, F.relu6, F.leaky_relu, F.leaky_relu_,
        F.hardtanh, F.hardtanh_, F.tanh, F.silu, F.gelu, F.sigmoid, F.elu, F.elu_, F.hardswish, F.hardsigmoid,
        F.selu, F.mish, F.softplus, F.softsign, F.prelu, F.celu, F.rrelu, F.threshold, F.logsigmoid,
        "sign", "sign_", "sgn", "sgn_", "relu", "relu_", "tanh", "tanh_", "sigmoid", "sigmoid_", "prelu",
    }
)  # fmt: skip
LIBRARIES = ("torch.nn.", "brevitas.nn.")  # modules of others, whose insides are theirs

Rules: TypeAlias = Mapping[str, Rule]
USUAL = Rule()


def rule_of(rules: Rules, path: str) -> Rule:
    """The first rule whose pattern (``conv1``, ``layer2.*.conv1``) matches a module path."""
    pattern = _pattern_of(rules, path)
    return USUAL if pattern is None else rules[pattern]


def _pattern_of(rules: Rules, path: str) -> str | None:
    return next((pattern for pattern in rules if fnmatchcase(path, pattern)), None)


def library_class(module: nn.Module) -> type[nn.Module]:
    """The class of torch's or Brevitas' that a module is of; nn.Module for what is all the user's."""
    return next(kind for kind in type(module).__mro__ if kind.__module__.startswith(LIBRARIES))


def activation_of(rules: Rules, path: str, module: nn.Module) -> str | None:
    """What a rule makes of a module as an activation; None where none does.

    A pattern means the activations among the modules that it matches, and the user's own without parameters
    and parts; one that says more than ``*`` also an nn.Identity, which stands for nothing else.
    Raises BadInput where the very path of another module of torch's was given.
    """
    wanted = rule_of(rules, path).activation
    if wanted is None:
        return None
    if isinstance(module, (*ACTIVATIONS, QuantNonLinearActLayer)):
        return wanted
    alone = library_class(module) is nn.Identity and _pattern_of(rules, path) != "*"
    meant = _is_activation(module) or alone
    if meant and (path in rules or _simple(module)):
        return wanted
    if path in rules and rules[path].activation == wanted:
        raise BadInput(
            f"rule {path!r}", f"makes an activation of a {type(module).__name__}",
            "name the activation behind it, or put an nn.Identity there",
        )  # fmt: skip
    return None


def check_rules(rules: Rules | None) -> None:
    """Raise BadInput for rules that are no dict of Rules."""
    if rules is None:
        return
    if not isinstance(rules, Mapping):
        raise BadInput("rules", f"is a {type(rules).__name__}", 'give a dict: {"conv1": etb_hw.Rule(...)}')
    for pattern, rule in rules.items():
        if not isinstance(pattern, str):
            raise BadInput(f"rule {pattern!r}", "is no module path", f"write it as text: {str(pattern)!r}")
        if not isinstance(rule, Rule):
            said = rule if isinstance(rule, dict) else {}
            options = ", ".join(f"{key}={value!r}" for key, value in said.items()) or "..."
            raise BadInput(f"rule {pattern!r}", f"is a {type(rule).__name__}", f"give etb_hw.Rule({options})")


def may_activate(module: nn.Module) -> bool:
    """Whether a pattern in a rule may mean a module as an activation."""
    return _is_activation(module) and _simple(module)


def _is_activation(module: nn.Module) -> bool:
    """Whether a module is one of torch's activations, or all the user's."""
    kind = library_class(module)
    return kind is nn.Module or kind.__module__ == nn.modules.activation.__name__


def _simple(module: nn.Module) -> bool:
    return not (any(True for _ in module.children()) or any(True for _ in module.parameters()))


def check_patterns(rules: Rules, paths: list[str]) -> None:
    """Raise BadInput for a pattern that matches no module."""
    for pattern in rules:
        if not any(fnmatchcase(path, pattern) for path in paths):
            near = ", ".join(path for path in paths if path)[:200]
            raise BadInput(
                f"rule {pattern!r}", "matches no module of the network", f"its modules are: {near}"
            )


def kind_of(rules: Rules, path: str, module: nn.Module) -> ActivationKind | None:
    """What an activation becomes; None for modules that stay as they are."""
    wanted = activation_of(rules, path, module)
    if wanted == "keep":
        return None
    if wanted is not None:
        return KINDS[wanted]
    if isinstance(module, QuantNonLinearActLayer):
        return BIPOLAR if bits_of(module.act_quant) == 1 else None
    return BIPOLAR if isinstance(module, ACTIVATIONS) else None


def bits_of(proxy: Any) -> float | None:
    """Bits of a Brevitas quantizer; None without one."""
    if proxy is None or not proxy.is_quant_enabled:
        return None
    try:
        return float(proxy.bit_width())
    except Exception:  # proxies without a width raise what they like
        return None
