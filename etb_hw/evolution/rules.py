"""What becomes of a layer: rules that a user gives by module path, and the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal, TypeAlias

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
    nn.Hardswish, nn.Hardsigmoid, nn.Softsign, nn.SELU, nn.Mish, nn.Softplus,
)  # fmt: skip
NO_ACTIVATIONS = (
    nn.modules.conv._ConvNd, nn.Linear, nn.modules.batchnorm._NormBase, nn.modules.pooling._MaxPoolNd,
    nn.modules.pooling._AvgPoolNd, nn.modules.pooling._AdaptiveAvgPoolNd, nn.modules.padding._ConstantPadNd,
    nn.Flatten, nn.modules.dropout._DropoutNd, nn.Sequential, nn.ModuleList, nn.ModuleDict,
)  # fmt: skip

Rules: TypeAlias = Mapping[str, Rule]
USUAL = Rule()


def rule_of(rules: Rules, path: str) -> Rule:
    """The first rule whose pattern (``conv1``, ``layer2.*.conv1``) matches a module path."""
    return next((rule for pattern, rule in rules.items() if fnmatchcase(path, pattern)), USUAL)


def activation_of(rules: Rules, path: str, module: nn.Module) -> str | None:
    """What a rule makes of a module as an activation; None where none does.

    A pattern means the activations among the modules that it matches, and those without parameters and parts.
    Raises BadInput where the very path of a layer was given.
    """
    wanted = rule_of(rules, path).activation
    layer = isinstance(module, NO_ACTIVATIONS)
    if wanted is None:
        return None
    if path in rules and not layer:
        return wanted
    simple = isinstance(module, (*ACTIVATIONS, QuantNonLinearActLayer)) or not (
        any(True for _ in module.children()) or any(True for _ in module.parameters())
    )
    if simple and not layer:
        return wanted
    if path in rules and rules[path].activation == wanted:
        raise BadInput(
            f"rule {path!r}", f"makes an activation of a {type(module).__name__}",
            "name the activation behind it, or put an nn.Identity there",
        )  # fmt: skip
    return None


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
