"""``Course``: a prepared network on its way from ternary to binary or zero, one call a training step.

What a user's loop calls ``Evolution`` is a course, and so is what a flow trains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from numbers import Real
from typing import Any, TypeAlias

import torch
import torch.distributed as dist
from torch import Tensor
from torch.optim import Optimizer

from etb_hw.errors import BadInput
from etb_hw.evolution.controller import Controller
from etb_hw.evolution.cut import cut
from etb_hw.evolution.net import PreparedNet
from etb_hw.evolution.stillness import Stillness
from etb_hw.evolution.team import Team

# around a move that changes no output: it is told the stage and what the network was before
Witness: TypeAlias = Callable[[str, str], AbstractContextManager[None]]


def unwatched(stage: str, before: str) -> AbstractContextManager[None]:
    """A witness that does not look."""
    return nullcontext()


class Course:
    """The evolution of one prepared network by a controller, from its first step or from any other.

    Args:
        net: on its device.
        controller: of the groups of ``net`` at their first widths.
        steps_done: steps that the network and the controller have behind them.
        unchanged: looks at the network before and after everything that must change no output.
    """

    def __init__(
        self, net: PreparedNet, controller: Controller, steps_done: int = 0, unchanged: Witness = unwatched
    ) -> None:
        self.net, self.controller, self.unchanged = net, controller, unchanged
        self.schedule = controller.schedule
        self.steps_done = steps_done
        # whether all that was given up is zero, so that it can be cut out
        self.slimmable = steps_done >= self.schedule.slim
        self.adam: torch.optim.Adam | None = None  # of the thresholds
        self._stillness = Stillness()
        self._reached = False  # whether gradients are known to reach the thresholds
        controller.to(self._device)
        self._adopt_thresholds()

    def _adopt_thresholds(self) -> None:
        """Train the thresholds that there are; moments that are known go on."""
        thresholds = [quantizer.threshold for quantizer in self.net.quantizers if not quantizer.is_hard]
        self._thresholds = thresholds
        self._values = [threshold.detach().clone() for threshold in thresholds]
        if not thresholds:
            self.adam = None
        elif self.adam is None:
            self.adam = torch.optim.Adam(thresholds, lr=self.controller.config.threshold_lr, foreach=True)

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

    @torch.no_grad()
    def step(self, lr: float = 1.0, optimizers: Iterable[Optimizer] | Optimizer | None = None) -> None:
        """One step: thresholds learn, filters are given up and fade, and at the set time all become hard.

        Args:
            lr: factor on the thresholds' learning rate, such as a schedule gives.
            optimizers: the one that knows the model, or all; with these, zero filters are cut out as soon as
                they are (see ``slim``). Without, that is left to a call of ``slim``.

        Raises BadInput where there are no gradients to learn from, or no weight changes.
        """
        if not isinstance(lr, Real):
            raise BadInput(
                "Evolution.step: lr", f"is {type(lr).__name__}, no number",
                "name the other one: evolution.step(optimizers=optimizer)",
            )  # fmt: skip
        if isinstance(optimizers, Optimizer):
            optimizers = (optimizers,)
        if self.done:
            self.net.project()
            return
        self._stillness.look(self.net.module)
        if not self.hard:
            self._learn(lr)
            self.controller.observe(self.net)
            self.controller.after_step(self.net, self.steps_done)
            for threshold in self._thresholds:
                threshold.grad = None  # an optimizer that does not know them would not clear them
            self._remember()
        else:
            self.net.project()
        self._stillness.remember(self.net.module)
        self.steps_done += 1
        if self.steps_done == self.schedule.slim and not self.hard:
            self._zero()
            if optimizers is not None:
                self.slim(*optimizers)
        if self.steps_done >= self.schedule.harden and not self.hard:
            self.finish()

    def _remember(self) -> None:
        if self._thresholds:
            torch._foreach_copy_(self._values, self._thresholds)

    def _learn(self, lr: float) -> None:
        """The thresholds' own optimizer step; whatever another optimizer did to them is undone."""
        if all(threshold.grad is None for threshold in self._thresholds):
            raise BadInput(
                "Evolution.step",
                "the network has no gradients",
                "call it after loss.backward() and before optimizer.zero_grad(); freeze no thresholds",
            )
        ranks = Team.present().ranks
        if ranks > 1:
            self._average(ranks)
        if not self._reached:
            self._check_reached()
        torch._foreach_copy_(self._thresholds, self._values)
        for threshold in self._thresholds:
            if threshold.grad is not None:
                torch.nan_to_num_(threshold.grad, 0.0, 0.0, 0.0)
        assert self.adam is not None
        for group in self.adam.param_groups:
            group["lr"] = self.controller.config.threshold_lr * lr
        self.adam.step()

    def _check_reached(self) -> None:
        """Once only, since to look waits for a GPU. Without gradients a training looks like any other."""
        if not any(bool(t.grad.any()) for t in self._thresholds if t.grad is not None):
            raise BadInput(
                "Evolution.step",
                "all gradients of the thresholds are zero, so nothing would be learned",
                "check that the loss depends on the output; where it does, do without torch.compile, "
                "or take a newer torch",
            )
        self._reached = True

    def _average(self, ranks: int) -> None:
        """Means of the thresholds' gradients over all processes: DistributedDataParallel leaves them out."""
        grads = [threshold.grad for threshold in self._thresholds if threshold.grad is not None]
        flat = torch.cat([grad.flatten() for grad in grads])
        dist.all_reduce(flat)
        flat /= ranks
        for grad, mean in zip(grads, flat.split([grad.numel() for grad in grads]), strict=True):
            grad.copy_(mean.view_as(grad))

    @torch.no_grad()
    def finish(self) -> None:
        """Make all weights and activations binary or zero now; the target is met first."""
        if not self.hard:
            if not self.slimmable:
                self._zero()
            self.controller.open_no_more(self.net)
            with self.unchanged("harden", "evolved to binary, before thresholds go"):
                self.net.set_hard()
            self._adopt_thresholds()

    def _zero(self) -> None:
        self.controller.zero(self.net, self.steps_done)
        with self.unchanged("slim", "evolved to zero, before they are masked"):
            self.controller.kill(self.net)
        self.slimmable = True
        self._remember()

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
        with self.unchanged("slim", "masked, before they are cut out"):
            self._cut(optimizers)

    def _cut(self, optimizers: Iterable[Optimizer]) -> None:
        own = () if self.adam is None else (self.adam,)
        self.net = cut(self.net, self.net.keep(), (*optimizers, *own))
        self._adopt_thresholds()

    # --- saving

    def state_dict(self) -> dict[str, Any]:
        """All that a later ``load_state_dict`` needs beside the model's own state."""
        return {
            "steps_done": self.steps_done,
            **{kind: dict(values) for kind, values in self.controller.state.items()},
            "faded": dict(self.net.faded),
            "widths": dict(self.net.plan.widths),
            "adam": None if self.adam is None else self.adam.state_dict(),
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
            self._cut(optimizers)
        self.net.faded = {group: value.to(self._device) for group, value in state["faded"].items()}
        self._adopt_thresholds()
        if self.adam is not None and state["adam"] is not None:
            self.adam.load_state_dict(state["adam"])
            for threshold, value in zip(self._thresholds, state["thresholds"], strict=True):
                threshold.copy_(value)
            self._remember()
