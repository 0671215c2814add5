"""``Evolution``: what makes a prepared network evolve, one call a training step, in anybody's loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import nn

from etb_hw.artifacts.sizes import Count
from etb_hw.config import EvolutionConfig
from etb_hw.errors import BadInput, EtbError, InfeasibleTarget
from etb_hw.evolution.allocation import Limits, make_limits
from etb_hw.evolution.budget import Budget, agreed, first_ratio, remembered
from etb_hw.evolution.controller import Controller
from etb_hw.evolution.course import Course
from etb_hw.evolution.net import PreparedNet, check_floats
from etb_hw.evolution.plan import Plan
from etb_hw.evolution.schedule import schedule_of
from etb_hw.evolution.shares import shares, thresholds, zero_weights
from etb_hw.evolution.team import Team
from etb_hw.pruning.sizes import Cost, cost_function

CostOf: TypeAlias = Callable[[Plan], Cost]
BudgetOf: TypeAlias = Callable[[PreparedNet], tuple[Cost, Budget]]
_BY_ARGUMENT = ("ratio", "count", "target_luts", "target_share")  # keys that target and count stand for
OPTIONS = tuple(key for key in EvolutionConfig.model_fields if key not in _BY_ARGUMENT)


class Evolution(Course):
    """The evolution of one prepared network from ternary to binary or zero.

    Call ``step()`` after every step of the optimizer, before gradients are cleared. Thresholds have an
    optimizer of their own here, and what a user's optimizer does to them is undone; so it may have
    ``model.parameters()`` as usual.

    Args:
        model: from ``prepare``, on its device; also behind torch.compile or DistributedDataParallel.
        target: share of ``count`` to cut; or what the hardware may take, such as
            ``etb_hw.budget(fps=1000, luts=4000)``, and ``count`` is left out.
        count: ``parameters``, ``filters``, ``macs``, or a cost such as ``etb_hw.luts(fps=1000)``.
        steps: optimizer steps of the whole training.
        seed: of random importance. options: any other key of a flow file's [evolution] section, such as
            ``harden=0.9`` or ``multiple=4``; caps are one a group that may lose channels.

    Raises:
        BadInput: the model is not prepared, or an option is not known.
        InfeasibleTarget: caps and floors do not allow the target.
    """

    def __init__(
        self,
        model: nn.Module,
        target: float | BudgetOf,
        count: str | CostOf = "parameters",
        *,
        steps: int,
        seed: int = 0,
        **options: Any,
    ) -> None:
        self.net = PreparedNet(model)
        check_floats(self.net.module)
        if steps < 1:
            raise BadInput("Evolution", f"steps is {steps}", "give the number of optimizer steps in all")
        named = count if isinstance(count, str) else "luts"
        self.config = _config(0.0 if callable(target) else target, named, options)
        if count == "luts":
            raise BadInput(
                "Evolution: count", "LUTs depend on the frame rate", "give count=etb_hw.luts(fps=...)"
            )
        self.original = self.net.note.original
        budget: Budget | None = None
        if callable(target):
            cost, budget = target(self.net)
            self.config = self.config.model_copy(update={"count": "luts"})
            target, budget = self._first(cost, budget)
        else:
            cost = cost_function(self.original, count) if isinstance(count, str) else count(self.original)
        schedule, limits = schedule_of(steps, 1, self.config), self._limits(cost)
        controller = Controller(self.original, self.config, schedule, cost, limits, seed, budget=budget)
        super().__init__(self.net, controller)

    def _first(self, cost: Cost, budget: Budget) -> tuple[float, Budget]:
        """The ratio to begin with, and the budget as all processes see it."""
        budget = replace(budget, used=remembered(agreed(Team.present(), self._device, budget.used)))
        with _arguments_named():
            ratio = first_ratio(self.original, self.config, cost, budget)
        self.config = self.config.at_ratio(ratio)
        return ratio, budget

    def _limits(self, cost: Cost) -> Limits:
        try:
            with _arguments_named():
                return make_limits(self.original, self.config, cost)
        except InfeasibleTarget as error:
            raise InfeasibleTarget(
                "Evolution: target",
                error.reason,
                "lower the target, floor or multiple, raise caps, or let more groups be cut (etb_hw.groups)",
            ) from None

    def savings(self) -> dict[str, Count]:
        """Parameters, filters and MACs of layers with weights, before and without what is given up by now."""
        plan, widths = self.original, {**self.original.widths, **self.widths}
        counters = {count: cost_function(plan, count) for count in ("parameters", "filters", "macs")}
        return {
            count: Count(int(counter(plan.widths)), int(counter(widths)))
            for count, counter in counters.items()
        }

    def figures(self) -> dict[str, float]:
        """What a log may want to know of the evolution now, by name; reads all weights.

        Shares of filters that are ``binary``, ``ternary`` and ``zero``, the share of ``zero weights`` in
        those that stay, what is ``pruned``, and the ``channels/<group>`` that stay.
        """
        counted = shares(self.net, self.original)
        return {
            "binary": counted.binary,
            "ternary": counted.ternary,
            "zero": counted.zero,
            "zero weights": zero_weights(self.net, self.controller.stays),
            "pruned": self.pruned,
            **{f"channels/{group}": float(count) for group, count in self.widths.items()},
        }

    def thresholds(self) -> dict[str, NDArray[np.float32]]:
        """Thresholds (C,) that are still trained, by module path and ``weights`` or ``activations``."""
        return thresholds(self.net)


def _config(ratio: float, count: str, options: Mapping[str, Any]) -> EvolutionConfig:
    """The section of a flow file that these arguments stand for. Raises BadInput, in words of arguments."""
    if "ratio" in options:
        raise BadInput("Evolution: ratio", "is called target here", f"give target={options['ratio']!r}")
    for key in ("target_luts", "target_share"):
        if options.get(key) is not None:
            remedy = "give target=etb_hw.budget(fps=..., luts=...)"
            raise BadInput(f"Evolution: {key}", "target_luts and target_share are for flow files", remedy)
    try:
        return EvolutionConfig(ratio=ratio, count=count, **options)
    except ValidationError as error:
        first = error.errors()[0]
    key, reason = ".".join(str(part) for part in first["loc"]), first["msg"]
    remedy = f"known options: {', '.join(OPTIONS)}"
    if key == "ratio":
        key, reason = "target", f"is {ratio!r}"
        remedy = "give the share of count to cut, at least 0 and less than 1 (0.4), or etb_hw.budget(...)"
    elif key == "count":
        reason, remedy = f"is {count!r}", "use parameters, filters, macs, or etb_hw.luts(fps=...)"
    elif key in OPTIONS:
        about = EvolutionConfig.model_fields[key].description
        remedy = f"give another value{f'; {key}: {about}' if about else ''}"
    raise BadInput(f"Evolution: {key}", reason, remedy)


@contextmanager
def _arguments_named() -> Iterator[None]:
    """Errors about keys of a flow file name the arguments here that stand for them."""
    try:
        yield
    except EtbError as error:
        section, _, key = error.where.partition(".")
        if section != "evolution":
            raise
        remedy = error.remedy.replace("build.target_fps", "fps").replace("evolution.", "")
        where = f"Evolution: {key if key in OPTIONS else 'target'}"
        raise type(error)(where, error.reason, remedy) from None
