"""Optimizers whose state has names, so that it can be saved without pickle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from etb_hw.config import TeacherConfig, TrainingConfig
from etb_hw.models.layers import Evolving

THRESHOLD = "quant.threshold"
SCALE = "log_scale"
SCALE_LR = 0.01


class Optimizers:
    """Several optimizers, each with its highest learning rate, over the parameters of a module.

    Args:
        stepped_elsewhere: others whose state is kept here.
    """

    def __init__(
        self,
        module: nn.Module,
        optimizers: Sequence[tuple[Optimizer, float]],
        stepped_elsewhere: Sequence[Optimizer] = (),
    ) -> None:
        self._module = module
        self._stepped = tuple(optimizers)
        self.all = (*(optimizer for optimizer, _ in optimizers), *stepped_elsewhere)

    def _names(self) -> dict[Tensor, str]:
        """The parameters that there are now: cutting makes new ones."""
        return {p: name for name, p in self._module.named_parameters()}

    def step(self, factor: float) -> None:
        """Update all parameters at ``factor`` times the learning rates, then drop the gradients."""
        for optimizer, lr in self._stepped:
            for group in optimizer.param_groups:
                group["lr"] = lr * factor * group.get("scale", 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def state(self) -> dict[str, Tensor]:
        """Moments and step counts under ``<parameter>/<moment>``."""
        names = self._names()
        return {
            f"{names[p]}/{key}": value
            for optimizer in self.all
            for p, values in optimizer.state.items()
            for key, value in values.items()
            if isinstance(value, Tensor)
        }

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over what ``state`` returned, without moments of parameters that are no longer trained."""
        moments: dict[str, dict[str, Tensor]] = {}
        for name, value in state.items():
            parameter, _, key = name.rpartition("/")
            moments.setdefault(parameter, {})[key] = value
        names = self._names()
        for optimizer, p in self._parameters():
            for key, value in moments.get(names[p], {}).items():
                # step counts stay on the CPU, as torch keeps them
                optimizer.state[p][key] = value.clone().to(p.device if value.ndim else value.device)

    def _parameters(self) -> Iterator[tuple[Optimizer, Tensor]]:
        for optimizer in self.all:
            for group in optimizer.param_groups:
                for p in group["params"]:
                    yield optimizer, p


def evolving_optimizers(
    root: nn.Module, config: TrainingConfig, of_thresholds: Optimizer | None = None
) -> Optimizers:
    """One optimizer for latent weights and normalisations.

    With SGD the logits' common scale has Adam: its gradient is as large as the logits themselves, and in
    plain steps it would run away to 0 and stop all learning.

    Args:
        root: the network, or the part of it by which states name its parameters.
        of_thresholds: what trains the thresholds, which the evolution steps; None where none are trained.
    """
    sgd = config.optimizer == "sgd"
    scales: list[Tensor] = []
    latent: list[Tensor] = []
    rest: list[Tensor] = []
    of_layers = {module.latent for module in root.modules() if isinstance(module, Evolving)}
    for name, p in root.named_parameters():
        if name.endswith(THRESHOLD) or not p.requires_grad:
            continue
        if sgd and name.endswith(SCALE):
            scales.append(p)
        else:
            (latent if p in of_layers else rest).append(p)
    main: Optimizer
    if sgd:
        groups = [{"params": rest}, *(_as_kaiming(p, config.weight_decay) for p in latent)]
        main = torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum, foreach=True)
    else:
        groups = [{"params": latent, "weight_decay": config.weight_decay}, {"params": rest}]
        main = torch.optim.Adam(groups, lr=config.lr, foreach=True)
    optimizers = [(main, config.lr)]
    if scales:
        optimizers.append((torch.optim.Adam(scales, lr=SCALE_LR, foreach=True), SCALE_LR))
    return Optimizers(root, optimizers, [] if of_thresholds is None else [of_thresholds])


def _as_kaiming(latent: Tensor, weight_decay: float) -> dict[str, Any]:
    """SGD steps for weights of unit deviation that equal those for a Kaiming initialisation s = (2/n)^0.5.

    With w = s v, a step of w by the rate lr is one of v by lr / s^2, and a decay of w one of v by s^2. So the
    usual rates of the literature apply.
    """
    squared = 2.0 / latent[0].numel()
    return {"params": [latent], "scale": 1 / squared, "weight_decay": weight_decay * squared}


def float_optimizer(net: nn.Module, config: TeacherConfig) -> Optimizers:
    """AdamW for a float network."""
    adam = torch.optim.AdamW(net.parameters(), lr=config.lr, weight_decay=config.weight_decay, foreach=True)
    return Optimizers(net, [(adam, config.lr)])
