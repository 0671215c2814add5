"""What becomes of a layer: rules that a user gives by module path, and the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, TypeAlias

from etb_hw.errors import BadInput
from etb_hw.quantizers import KINDS


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


Rules: TypeAlias = Mapping[str, Rule]
USUAL = Rule()


def rule_of(rules: Rules, path: str) -> Rule:
    """The first rule whose pattern (``conv1``, ``layer2.*.conv1``) matches a module path."""
    return next((rule for pattern, rule in rules.items() if fnmatchcase(path, pattern)), USUAL)


def check_patterns(rules: Rules, paths: list[str]) -> None:
    """Raise BadInput for a pattern that matches no module."""
    for pattern in rules:
        if not any(fnmatchcase(path, pattern) for path in paths):
            near = ", ".join(path for path in paths if path)[:200]
            raise BadInput(
                f"rule {pattern!r}", "matches no module of the network", f"its modules are: {near}"
            )
