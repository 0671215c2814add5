"""``Evolution``: what makes a prepared network evolve, one call a training step, in anybody's loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import Tensor, nn
from torch.optim import Optimizer

from etb_hw.artifacts.sizes import Count
from etb_hw.config import EvolutionConfig
from etb_hw.errors import BadInput, InfeasibleTarget
from etb_hw.evolution.cut import cut
from etb_hw.evolution.net import PreparedNet
from etb_hw.evolution.plan import Plan
from etb_hw.pruning.sizes import Cost, cost_function
from etb_hw.training.allocation import Limits, make_limits
from etb_hw.training.budget import Budget, agreed, first_ratio, remembered
from etb_hw.training.controller import Controller
from etb_hw.training.distributed import Team
from etb_hw.training.metrics import shares, thresholds, zero_weights
from etb_hw.training.schedule import schedule_of

CostOf: TypeAlias = Callable[[Plan], Cost]
BudgetOf: TypeAlias = Callable[[PreparedNet], tuple[Cost, Budget]]


class Evolution:
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
        if steps < 1:
            raise BadInput("Evolution", f"steps is {steps}", "give the number of optimizer steps in all")
        named = count if isinstance(count, str) else "luts"
        try:
            ratio = 0.0 if callable(target) else target
            self.config = EvolutionConfig(ratio=ratio, count=named, **options)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            known = ", ".join(EvolutionConfig.model_fields)
            raise BadInput(f"Evolution: {key}", first["msg"], f"known options: {known}") from None
        if self.config.budgeted:
            remedy = "give target=etb_hw.budget(fps=..., luts=...)"
            raise BadInput("Evolution", "target_luts and target_share are for flow files", remedy)
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
        self.schedule = schedule_of(steps, 1, self.config)
        if target and not self.original.prunable:
            reasons = "; ".join(f"{group}: {why}" for group, why in self.original.whole.items())
            raise BadInput("Evolution", f"no group of channels may be cut ({reasons})", "set target=0")
        limits = self._limits(cost)
        self.controller = Controller(
            self.original, self.config, self.schedule, cost, limits, seed, budget=budget
        )
        self.controller.to(self._device)
        self.steps_done = 0
        self.slimmable = False  # whether all that was given up is zero, so that it can be cut out
        self._adopt_thresholds()

    def _first(self, cost: Cost, budget: Budget) -> tuple[float, Budget]:
        """The ratio to begin with, and the budget as all processes see it."""
        shared = dist.is_available() and dist.is_initialized()
        team = Team(dist.get_rank(), dist.get_world_size()) if shared else Team()
        budget = replace(budget, used=remembered(agreed(team, self._device, budget.used)))
        ratio = first_ratio(self.original, self.config, cost, budget)
        self.config = self.config.at_ratio(ratio)
        return ratio, budget

    def _limits(self, cost: Cost) -> Limits:
        try:
            return make_limits(self.original, self.config, cost)
        except InfeasibleTarget as error:
            whole = [g for g, why in self.original.whole.items() if not why.startswith("it is the network's")]
            because = f"; these groups stay whole: {', '.join(whole)}" if whole else ""
            raise InfeasibleTarget(
                "Evolution: target",
                error.reason + because,
                "lower the target, floor or multiple, raise caps, or let more groups be cut (etb_hw.groups)",
            ) from None

    def _adopt_thresholds(self) -> None:
        thresholds = [quantizer.threshold for quantizer in self.net.quantizers() if not quantizer.is_hard]
        self._thresholds = thresholds
        self._values = [threshold.detach().clone() for threshold in thresholds]
        self._adam = torch.optim.Adam(thresholds, lr=self.config.threshold_lr) if thresholds else None

    @property
    def _device(self) -> torch.device:
        return next(self.net.module.parameters()).device

    @property
    def done(self) -> bool:
        """Whether all steps are done."""
        return self.steps_done >= self.schedule.steps

    @property
    def hard(self) -> bool:
        """Whether everything is binary or zero for good."""
        return self.net.hard

    @property
    def widths(self) -> dict[str, int]:
        """Channels a group that are not given up."""
        return self.controller.widths

    @property
    def pruned(self) -> float:
        """Share of the target's quantity that is given up so far."""
        return self.controller.saved

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

    @torch.no_grad()
    def step(self) -> None:
        """One step: thresholds learn, filters are given up and fade, and at the set time all become hard.

        Raises BadInput where there are no gradients to learn from.
        """
        if self.done:
            self.net.project()
            return
        if not self.hard:
            self._learn()
            self.controller.observe(self.net)
            self.controller.after_step(self.net, self.steps_done)
            for threshold in self._thresholds:
                threshold.grad = None  # an optimizer that does not know them would not clear them
            self._values = [threshold.detach().clone() for threshold in self._thresholds]
        else:
            self.net.project()
        self.steps_done += 1
        if self.steps_done == self.schedule.slim and not self.hard:
            self._zero()
        if self.steps_done >= self.schedule.harden and not self.hard:
            self.finish()

    def _learn(self) -> None:
        """The thresholds' own optimizer step; whatever another optimizer did to them is undone."""
        if all(threshold.grad is None for threshold in self._thresholds):
            raise BadInput(
                "Evolution.step",
                "the network has no gradients",
                "call it after loss.backward() and before optimizer.zero_grad(); freeze no thresholds",
            )
        if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
            self._average()
        for threshold, value in zip(self._thresholds, self._values, strict=True):
            threshold.copy_(value)
            if threshold.grad is not None:
                torch.nan_to_num_(threshold.grad, 0.0, 0.0, 0.0)
        assert self._adam is not None
        self._adam.step()

    def _average(self) -> None:
        """Means of the thresholds' gradients over all processes: DistributedDataParallel leaves them out."""
        grads = [threshold.grad for threshold in self._thresholds if threshold.grad is not None]
        flat = torch.cat([grad.flatten() for grad in grads])
        dist.all_reduce(flat)
        flat /= dist.get_world_size()
        for grad, mean in zip(grads, flat.split([grad.numel() for grad in grads]), strict=True):
            grad.copy_(mean.view_as(grad))

    @torch.no_grad()
    def finish(self) -> None:
        """Make all weights and activations binary or zero now; the target is met first."""
        if not self.hard:
            if not self.slimmable:
                self._zero()
            self.controller.open_no_more(self.net)
            self.net.set_hard()

    def _zero(self) -> None:
        self.controller.zero(self.net, self.steps_done)
        self.controller.kill(self.net)
        self.slimmable = True

    def slim(self, *optimizers: Optimizer) -> None:
        """Cut the dead channels out of the model in place, for the rest of the training.

        No output changes. Optimizers that are given go on with the smaller parameters, their state cut
        likewise; give all that know the model. A DistributedDataParallel wrapper must be made anew.

        Raises BadInput before all that is to go is zero (``evolution.slimmable``).
        """
        if not self.slimmable:
            raise BadInput(
                "Evolution.slim", "filters are still evolving to zero", "wait until evolution.slimmable"
            )
        self.net = cut(self.net, self.net.keep(), optimizers)
        self._adopt_thresholds()

    # --- saving

    def state_dict(self) -> dict[str, Any]:
        """All that a later ``load_state_dict`` needs beside the model's own state."""
        return {
            "steps_done": self.steps_done,
            **{kind: dict(values) for kind, values in self.controller.state.items()},
            "faded": dict(self.net.faded),
            "widths": dict(self.net.plan.widths),
            "adam": None if self._adam is None else self._adam.state_dict(),
            "thresholds": [value.clone() for value in self._values],
            "hard": self.hard,
            "slimmable": self.slimmable,
        }

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Any], *optimizers: Optimizer) -> None:
        """Go on where ``state_dict`` was taken.

        Call it before ``load_state_dict`` of the model and of its optimizers: where the network was slim it
        is cut to the same channels, with the optimizers that are given, so that their states fit.
        """
        given_up: Mapping[str, Tensor] = state["given_up_at"]
        if list(given_up) != list(self.controller.given_up_at):
            raise BadInput(
                "Evolution.load_state_dict", "the state is of another network", "prepare the same network"
            )
        for kind, values in self.controller.state.items():
            for group, value in state.get(kind, {}).items():
                values[group] = value.to(self._device)
        self.steps_done = int(state["steps_done"])
        if state["slimmable"] and not self.slimmable:
            self.controller.kill(self.net)
            self.slimmable = True
        if state["hard"] and not self.hard:
            self.net.set_hard()
        if state["widths"] != self.net.plan.widths:
            self.net = cut(self.net, self.net.keep(), optimizers)
        self.net.faded = {group: value.to(self._device) for group, value in state["faded"].items()}
        self._adopt_thresholds()
        if self._adam is not None and state["adam"] is not None:
            self._adam.load_state_dict(state["adam"])
            for threshold, value in zip(self._thresholds, state["thresholds"], strict=True):
                threshold.copy_(value)
            self._values = [threshold.detach().clone() for threshold in self._thresholds]
