"""The pruning-ratio controller: which filters evolve to zero, and when each of the others becomes binary."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from etb_hw.config import EvolutionConfig
from etb_hw.evolution.allocation import Limits, choose, reached
from etb_hw.evolution.budget import FAR, LOOKS, Budget, corrected
from etb_hw.evolution.net import PreparedNet
from etb_hw.evolution.schedule import Schedule
from etb_hw.models.groups import Groups
from etb_hw.pruning.sizes import Cost

GRADUAL = ("gradient", "magnitude")  # criteria by which filters are given up while evolving


@dataclass
class Controller:
    """State of the evolution, a channel group.

    Attributes:
        importance: (C,) running mean of dL/dt of the activations' thresholds: the first-order change of the
            loss when the channel goes.
        given_up_at: (C,) step of the irrevocable decision, -1 for channels that stay so far.
        closing_at: (C,) step at which a channel that stays began to become binary, -1 before.
        goal: what is to be cut: ``ratio``; with a ``budget`` also ``saved`` and ``used`` when its design was
            last looked at. Each is a () tensor.

    All are of the network's first widths; the network itself may have been slimmed since.
    """

    spec: Groups
    config: EvolutionConfig
    schedule: Schedule
    cost: Cost
    limits: Limits
    seed: int = 0
    importance: dict[str, Tensor] = field(default_factory=dict)
    given_up_at: dict[str, Tensor] = field(default_factory=dict)
    closing_at: dict[str, Tensor] = field(default_factory=dict)
    _survivors: dict[str, Tensor] = field(default_factory=dict)
    goal: dict[str, Tensor] = field(default_factory=dict)
    budget: Budget | None = None

    def __post_init__(self) -> None:
        if self.budget is not None:
            for name, value in (("saved", 0.0), ("used", self.budget.used(self.spec.widths))):
                self.goal.setdefault(name, torch.tensor(value, dtype=torch.float64))
        for group in self.spec.prunable:
            self.importance.setdefault(group, torch.zeros(self.spec.widths[group]))
            for decided in (self.given_up_at, self.closing_at):
                decided.setdefault(group, torch.full((self.spec.widths[group],), -1, dtype=torch.int64))
        self.goal.setdefault("ratio", torch.tensor(self.config.ratio, dtype=torch.float64))

    @property
    def state(self) -> dict[str, dict[str, Tensor]]:
        """What has to be saved, by kind and group."""
        kinds = ("importance", "given_up_at", "closing_at", "goal")
        return {kind: getattr(self, kind) for kind in kinds}

    @property
    def stays(self) -> dict[str, Tensor]:
        """Channels (C,) a group that are not given up."""
        return {group: since < 0 for group, since in self.given_up_at.items()}

    @property
    def widths(self) -> dict[str, int]:
        """Channels a group that are not given up."""
        return {group: int((since < 0).sum()) for group, since in self.given_up_at.items()}

    @property
    def saved(self) -> float:
        """Share of the cost that is given up so far."""
        return reached(self.cost, self.spec, self.widths)

    @property
    def ratio(self) -> float:
        """Share of the cost that is to be given up in all, as far as is known by now."""
        return float(self.goal["ratio"])

    def to(self, device: torch.device) -> None:
        """Move the state."""
        for values in self.state.values():
            for group, value in values.items():
                values[group] = value.to(device)

    @torch.no_grad()
    def observe(self, net: PreparedNet) -> None:
        """Take in the thresholds' gradients of this step (after backward)."""
        for group, mean in self.importance.items():
            found = net.sensitivity(group)
            if found is not None:
                rows = self._rows(group, len(found))
                mean[rows] = mean[rows].mul(self.config.memory).add(found, alpha=1 - self.config.memory)

    def _rows(self, group: str, count: int) -> Tensor | slice:
        """The channels that a network with ``count`` of them has."""
        since = self.given_up_at[group]
        if count == len(since):
            return slice(None)
        if group not in self._survivors:  # nothing is given up any more, and to look waits for a GPU
            self._survivors[group] = torch.nonzero(since < 0).flatten()
        return self._survivors[group]

    def ranking(self, net: PreparedNet) -> dict[str, NDArray[np.float64]]:
        """Importance (C,) a group, in units of its mean magnitude (gradients differ between layers)."""
        ranks: dict[str, NDArray[np.float64]] = {}
        for group, mean in self.importance.items():
            match self.config.criterion:
                case "gradient":
                    values = mean
                case "magnitude":
                    values = mean.abs()
                case "l1":
                    values = _l1(net, group)
                case "random":
                    generator = torch.Generator().manual_seed(self.seed * 1009 + len(ranks))
                    values = torch.rand(mean.numel(), generator=generator)
            magnitude = values.abs().mean().clamp(min=1e-30)
            ranks[group] = (values / magnitude).double().cpu().numpy()
        return ranks

    def after_step(self, net: PreparedNet, step: int) -> None:
        """What evolves in a step, after the optimizer's."""
        net.project()
        if self.due(step):
            self.control(net, step)
        elif step >= self.schedule.close:
            self._hold(net, step)

    def due(self, step: int) -> bool:
        """Whether the controller acts after this step."""
        return step % self.config.interval == 0 or step + 1 in (self.schedule.slim, self.schedule.harden)

    @torch.no_grad()
    def control(self, net: PreparedNet, step: int) -> None:
        """Give up filters as the budget demands, let them fade, and close the others one after another."""
        if step < self.schedule.slim:
            if self.ratio > 0 and self.config.criterion in GRADUAL and step >= self.schedule.warmup:
                self.give_up(net, step, self.ratio * self.schedule.budget(step))
                self._look(self.ratio / LOOKS)
            self._fade(net, step)
        if step >= self.schedule.close:
            self._close(net, step)

    def _fade(self, net: PreparedNet, step: int) -> None:
        """Thresholds of what was given up rise to 1; activations lead, weights lag by half."""
        for group, since in self.given_up_at.items():
            gone = since >= 0
            if not bool(gone.any()):
                continue
            fading = ((step - since + 1) / self.schedule.fade).clamp(0, 1)
            for layer in net.producers(group):
                act, weights = layer.act_quant(), layer.weight_quant()
                for quantizer, level in ((act, fading), (weights, (2 * fading - 1).clamp(min=0))):
                    if quantizer is not None:
                        t = quantizer.threshold
                        t.copy_(torch.where(gone, torch.maximum(t, level), t))
                if act is not None:
                    act.gain.copy_(torch.where(gone, (1 - 2 * fading).clamp(min=0), torch.ones_like(fading)))
            net.fade_borders(group, torch.where(gone, 1 - fading, torch.ones_like(fading)))

    def _close(self, net: PreparedNet, step: int) -> None:
        """The most important channels that have not yet begun to close begin; thresholds shrink to 0."""
        share = self.schedule.closing_share(step)
        for group, since in self.closing_at.items():
            stays = self.given_up_at[group] < 0
            missing = round(share * int(stays.sum())) - int((stays & (since >= 0)).sum())
            if missing > 0:
                importance = self.importance[group].masked_fill(~stays | (since >= 0), -torch.inf)
                since[importance.topk(missing).indices] = step
        self._hold(net, step, self.config.interval)

    @torch.no_grad()
    def _hold(self, net: PreparedNet, step: int, passed: int = 0) -> None:
        """Keep closed what is closed; shrink what is closing by the share of ``passed`` steps."""
        for group, since in self.closing_at.items():
            closing = (since >= 0) & (self.given_up_at[group] < 0)
            left = 1 - ((step - since + 1) / self.schedule.closing).clamp(0, 1)
            before = 1 - ((step - since + 1 - passed) / self.schedule.closing).clamp(0, 1)
            factor = torch.where(closing, left / before.clamp(min=1e-6), torch.ones_like(left))
            for layer in net.producers(group):
                for quantizer in (layer.weight_quant(), layer.act_quant()):
                    if quantizer is not None:
                        rows = self._rows(group, len(quantizer.threshold))
                        quantizer.threshold.mul_(factor[rows])
        opening = 1 - self.schedule.closed_whole(step)
        for layer in net.whole():
            for whole in (layer.weight_quant(), layer.act_quant()):
                if whole is not None:
                    whole.threshold.clamp_(max=whole.initial * opening)

    @torch.no_grad()
    def zero(self, net: PreparedNet, step: int) -> None:
        """All that is to go is given up, and every one of its weights lies in its dead zone."""
        if self.ratio > 0 and self.budget is None:
            self.give_up(net, step, self.ratio)
        elif self.ratio > 0:
            before = -1.0
            while self._look(0.0) and self.saved > before:
                before = self.saved
                far = self.ratio - before > FAR  # what was given up does not come back: look again half way
                self.give_up(net, step, (before + self.ratio) / 2 if far else self.ratio)
        for group, since in self.given_up_at.items():
            gone = since >= 0
            for layer in net.producers(group):
                for quantizer in (layer.weight_quant(), layer.act_quant()):
                    if quantizer is not None:
                        quantizer.threshold.masked_fill_(gone, 1.0)
            if bool(gone.any()):
                net.fade_borders(group, (~gone).float())

    @property
    def most(self) -> float:
        """Share of the cost that the limits allow to give up."""
        return reached(self.cost, self.spec, self.limits.keep)

    def _look(self, since: float) -> bool:
        """Correct the ratio by a look at the design, if more than ``since`` was saved since the last one.

        Returns whether the design is still larger than the budget.
        """
        if self.budget is None:
            return False
        before = {name: float(value) for name, value in self.goal.items()}
        saved = self.saved
        if saved - before["saved"] < since or (saved == before["saved"] and before["used"] <= 1):
            return False
        used = self.budget.used({**self.spec.widths, **self.widths})
        ratio = corrected(before, saved, used, self.most)
        for name, value in (("ratio", ratio), ("saved", saved), ("used", used)):
            self.goal[name].fill_(value)
        return used > 1

    @torch.no_grad()
    def kill(self, net: PreparedNet) -> None:
        """What was given up is masked from now on."""
        for group, since in self.given_up_at.items():
            net.set_alive(group, (since < 0).float())

    @torch.no_grad()
    def open_no_more(self, net: PreparedNet) -> None:
        """No dead zone is left: by now all have closed, but for runs of few steps."""
        for layers in (*map(net.producers, self.given_up_at), net.whole()):
            for layer in layers:
                for quantizer in (layer.weight_quant(), layer.act_quant()):
                    if quantizer is not None:
                        quantizer.threshold.zero_()

    @torch.no_grad()
    def give_up(self, net: PreparedNet, step: int, target: float) -> None:
        """Decide on further channels until ``target`` of the cost is saved."""
        alive = {group: (since < 0).cpu().numpy() for group, since in self.given_up_at.items()}
        chosen = choose(self.spec, self.cost, self.limits, alive, self.ranking(net), target, self.ratio)
        for group, channels in chosen.items():
            if channels.size:
                self.given_up_at[group][torch.from_numpy(channels).to(self.given_up_at[group].device)] = step

    def keep(self) -> dict[str, Tensor]:
        """The channels that stay, a group, sorted."""
        return {group: torch.nonzero(since < 0).flatten().cpu() for group, since in self.given_up_at.items()}


def _l1(net: PreparedNet, group: str) -> Tensor:
    """Mean magnitude (C,) of the latent weights of a group's filters."""
    total: Tensor | None = None
    for layer in net.producers(group):
        latent = layer.latent()
        if latent is not None:
            norm = latent.detach().abs().flatten(1).mean(1)
            total = norm if total is None else total + norm
    assert total is not None
    return total
