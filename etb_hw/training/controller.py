"""The pruning-ratio controller: which filters evolve to zero, and how fast the rest becomes binary."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from etb_hw.config import EvolutionConfig
from etb_hw.models.evolving import EvolvingNet, Groups
from etb_hw.pruning.sizes import Cost
from etb_hw.training.allocation import Limits, choose
from etb_hw.training.schedule import Schedule

GRADUAL = ("gradient", "magnitude")  # criteria by which filters are given up while evolving


@dataclass
class Controller:
    """State of the evolution, a channel group.

    Attributes:
        importance: (C,) running mean of dL/dt of the activations' thresholds: the first-order change of the
            loss when the channel goes.
        given_up_at: (C,) step of the irrevocable decision, -1 for channels that stay so far.
    """

    spec: Groups
    config: EvolutionConfig
    schedule: Schedule
    cost: Cost
    limits: Limits
    seed: int = 0
    importance: dict[str, Tensor] = field(default_factory=dict)
    given_up_at: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for group in self.spec.prunable:
            self.importance.setdefault(group, torch.zeros(self.spec.widths[group]))
            self.given_up_at.setdefault(group, torch.full((self.spec.widths[group],), -1, dtype=torch.int64))

    def to(self, device: torch.device) -> None:
        """Move the state."""
        for state in (self.importance, self.given_up_at):
            for group, value in state.items():
                state[group] = value.to(device)

    @torch.no_grad()
    def observe(self, net: EvolvingNet) -> None:
        """Take in the thresholds' gradients of this step (after backward)."""
        for group, mean in self.importance.items():
            found = net.sensitivity(group)
            if found is not None:
                mean.mul_(self.config.memory).add_(found, alpha=1 - self.config.memory)

    def ranking(self, net: EvolvingNet) -> dict[str, NDArray[np.float64]]:
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

    def after_step(self, net: EvolvingNet, step: int) -> None:
        """What evolves in a step, after the optimizer's."""
        net.project()
        if self.due(step):
            self.control(net, step)

    @torch.no_grad()
    def harden(self, net: EvolvingNet, step: int) -> None:
        """Everything becomes binary or zero for good; filters are given up until the ratio is met."""
        if self.config.ratio > 0:
            self.give_up(net, step, self.config.ratio)
        self.kill(net)
        net.set_hard()

    def kill(self, net: EvolvingNet) -> None:
        """What was given up is zero from now on."""
        for group, since in self.given_up_at.items():
            net.set_alive(group, (since < 0).float())

    def due(self, step: int) -> bool:
        """Whether the controller acts after this step."""
        return step % self.config.interval == 0 or step + 1 >= self.schedule.harden

    @torch.no_grad()
    def control(self, net: EvolvingNet, step: int) -> None:
        """Give up filters as the budget demands, let them fade, and anneal the others to binary."""
        if self.config.ratio > 0 and self.config.criterion in GRADUAL and step >= self.schedule.warmup:
            self.give_up(net, step, self.config.ratio * self.schedule.budget(step))
        ceiling = 1 - self.schedule.evolved(step)
        for group, since in self.given_up_at.items():
            gone = since >= 0
            fading = ((step - since + 1) / self.schedule.fade).clamp(0, 1)
            for layer in net.producers(group):
                act, weights = layer.act_quant(), layer.weight_quant()
                # activations lead, weights lag by half
                for quantizer, level in ((act, fading), (weights, (2 * fading - 1).clamp(min=0))):
                    if quantizer is not None:
                        t = quantizer.threshold
                        t.copy_(torch.where(gone, torch.maximum(t, level), t.clamp(max=ceiling)))
                if act is not None:
                    act.gain.copy_(torch.where(gone, (1 - 2 * fading).clamp(min=0), torch.ones_like(fading)))
            if bool(gone.any()):
                net.fade_borders(group, torch.where(gone, 1 - fading, torch.ones_like(fading)))
        for layer in net.whole():
            for whole in (layer.weight_quant(), layer.act_quant()):
                if whole is not None:
                    whole.threshold.clamp_(max=ceiling)

    def give_up(self, net: EvolvingNet, step: int, target: float) -> None:
        """Decide on further channels until ``target`` of the cost is saved."""
        alive = {group: (since < 0).cpu().numpy() for group, since in self.given_up_at.items()}
        chosen = choose(
            self.spec, self.cost, self.limits, alive, self.ranking(net), target, self.config.ratio
        )
        for group, channels in chosen.items():
            if channels.size:
                self.given_up_at[group][torch.from_numpy(channels).to(self.given_up_at[group].device)] = step

    def keep(self) -> dict[str, Tensor]:
        """The channels that stay, a group, sorted."""
        return {group: torch.nonzero(since < 0).flatten().cpu() for group, since in self.given_up_at.items()}


def _l1(net: EvolvingNet, group: str) -> Tensor:
    """Mean magnitude (C,) of the latent weights of a group's filters."""
    total: Tensor | None = None
    for layer in net.producers(group):
        latent = layer.latent()
        if latent is not None:
            norm = latent.detach().abs().flatten(1).mean(1)
            total = norm if total is None else total + norm
    assert total is not None
    return total
