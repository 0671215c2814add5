"""What a module remembers of its preparation; it survives deepcopy, of graph modules too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, fx, nn

from etb_hw.errors import BadInput
from etb_hw.evolution.plan import Plan

_PREPARED = "_etb_prepared"
_SLIM = "_etb_slim"


@dataclass(frozen=True)
class Note:
    """What a prepared module remembers.

    Attributes:
        plan: groups at the present widths. original: at those before any cut.
        example: the input that it was prepared with, for proofs and export.
        names: what modules are called in logs, by path, where not by their paths.
    """

    plan: Plan
    original: Plan
    example: Tensor
    names: Mapping[str, str] = field(default_factory=dict)


def note_of(model: nn.Module) -> Note | None:
    """The note of a prepared module; None for other modules. Raises BadInput for what is no module."""
    if isinstance(model, type):
        raise BadInput(
            "model", f"is the class {model.__name__}", f"make a module of it: {model.__name__}(...)"
        )
    if not isinstance(model, nn.Module):
        raise BadInput("model", f"is a {type(model).__name__}", "give a torch.nn.Module")
    note: Note | None = _memory(unwrapped(model)).get(_PREPARED)
    return note


def write_note(model: nn.Module, note: Note) -> None:
    _memory(model)[_PREPARED] = note


def example_of(model: nn.Module) -> Tensor | None:
    """The example input of a slim module; None for other modules."""
    example: Tensor | None = _memory(unwrapped(model)).get(_SLIM)
    return example


def write_slim(model: nn.Module, example: Tensor) -> None:
    """The module is slim now, and no longer prepared."""
    _memory(model).pop(_PREPARED, None)
    _memory(model)[_SLIM] = example


def _memory(model: nn.Module) -> dict[str, Any]:
    # a copied GraphModule keeps this and no other attribute
    return model.meta if isinstance(model, fx.GraphModule) else model.__dict__


def unwrapped(model: nn.Module) -> nn.Module:
    """The module behind torch.compile and DistributedDataParallel."""
    inner = getattr(model, "_orig_mod", None) or (
        model.module if isinstance(model, nn.parallel.DistributedDataParallel | nn.DataParallel) else None
    )
    return model if inner is None else unwrapped(inner)
