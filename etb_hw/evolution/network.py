"""``Network``: a module with what a flow cannot see of it, such as rules for single layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from etb_hw.errors import BadInput
from etb_hw.evolution.note import note_of
from etb_hw.evolution.prepare import check_additions
from etb_hw.evolution.rewrite import Additions
from etb_hw.evolution.rules import Rules, check_rules
from etb_hw.models.own import REMEDY


@dataclass(frozen=True, eq=False)
class Network:
    """What the function of a flow file's ``model.function`` may return instead of a module alone.

    Attributes:
        module: with weights as they start, before ``prepare``.
        rules, additions: as of ``prepare``.
        teacher: a float network of the same inputs and classes that ``training.teacher`` trains; by default
            the module itself, as it is. Give one where that has signs or Brevitas' quantizers.
    """

    module: nn.Module
    rules: Rules | None = None
    additions: Additions = "keep"
    teacher: nn.Module | None = None

    def __post_init__(self) -> None:
        check_rules(self.rules)
        check_additions(self.additions)


def network_of(where: str, made: Any) -> Network:
    """What a function gave, or BadInput, about ``where``, for anything else."""
    network = made if isinstance(made, Network) else Network(made)
    if not isinstance(network.module, nn.Module):
        raise BadInput(where, f"gives a {type(network.module).__name__}", REMEDY)
    if note_of(network.module) is not None:
        remedy = "return the module as it was before, with its rules: etb_hw.Network(module, rules)"
        raise BadInput(where, "gives a module that is prepared already", remedy)
    return network
