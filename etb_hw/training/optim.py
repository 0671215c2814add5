"""Optimizers whose state has names, so that it can be saved without pickle and sliced with the network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from etb_hw.config import TrainingConfig
from etb_hw.models import BinaryNet
from etb_hw.pruning.slim import Keep, full_keep, slice_tensor

THRESHOLD = "tensor_quant.threshold"


class Optimizers:
    """One optimizer for latent weights and normalisations, and Adam for the thresholds.

    Build it after loading a network's state: loading re-creates the quantizers' parameters.
    """

    def __init__(self, net: BinaryNet, config: TrainingConfig, threshold_lr: float) -> None:
        named = {name: p for name, p in net.layers.named_parameters() if p.requires_grad}
        self.names: dict[Tensor, str] = {p: name for name, p in named.items()}
        thresholds = [p for name, p in named.items() if name.endswith(THRESHOLD)]
        decayed = [p for name, p in named.items() if name.endswith("core.weight")]
        rest = [p for name, p in named.items() if not name.endswith((THRESHOLD, "core.weight"))]
        groups: list[dict[str, Any]] = [
            {"params": decayed, "weight_decay": config.weight_decay},
            {"params": rest},
        ]
        self.all: list[tuple[Optimizer, float]] = []
        if config.optimizer == "sgd":
            sgd = torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum, foreach=True)
            self.all.append((sgd, config.lr))
        else:
            self.all.append((torch.optim.Adam(groups, lr=config.lr, foreach=True), config.lr))
        if thresholds:
            self.all.append((torch.optim.Adam(thresholds, lr=threshold_lr, foreach=True), threshold_lr))

    def step(self, factor: float) -> None:
        """Update all parameters at ``factor`` times the learning rates, then drop the gradients."""
        for optimizer, lr in self.all:
            for group in optimizer.param_groups:
                group["lr"] = lr * factor
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def state(self) -> dict[str, Tensor]:
        """Moments and step counts under ``<parameter>/<moment>``."""
        return {
            f"{self.names[p]}/{key}": value
            for optimizer, _ in self.all
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
        for optimizer, p in self._parameters():
            for key, value in moments.get(self.names[p], {}).items():
                # step counts stay on the CPU, as torch keeps them
                optimizer.state[p][key] = value.clone().to(p.device if value.ndim else value.device)

    def _parameters(self) -> Iterator[tuple[Optimizer, Tensor]]:
        for optimizer, _ in self.all:
            for group in optimizer.param_groups:
                for p in group["params"]:
                    yield optimizer, p


def slice_state(net: BinaryNet, state: Mapping[str, Tensor], keep: Keep) -> dict[str, Tensor]:
    """The optimizer state of ``net`` for its slim version."""
    kept = full_keep(net.spec, keep)
    return {
        name: value.clone()
        if not value.ndim
        else slice_tensor(net.spec, name.rpartition("/")[0], value, kept)
        for name, value in state.items()
    }
