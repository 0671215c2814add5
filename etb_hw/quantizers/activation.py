"""Activation quantizers whose channels evolve: ternary to binary or zero, few-bit ones to zero."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from etb_hw.quantizers.functions import (
    BinaryActivation,
    Stream,
    TernaryActivation,
    dead_zones,
    per_channel,
)
from etb_hw.quantizers.kinds import BIPOLAR, ActivationKind


class ChannelQuant(nn.Module):
    """Base: values (N, C, ...) with a trainable threshold in [0, 1] a channel.

    Attributes:
        threshold: (C,) share of the dead zone, trained; its gradient ranks the channels.
        alive: (C,) 1, or 0 for removed channels, which are 0 everywhere.
        gain: (C,) factor on the gradients that go back, falling to 0 for channels that fade. Their sums get
            ever smaller, and the normalisation would return ever larger gradients to everything before it.
        hard: scalar, 1 once thresholds are ignored.
    """

    threshold: Tensor
    alive: Tensor
    gain: Tensor
    hard: Tensor

    initial = 0.05

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.threshold = nn.Parameter(torch.full((channels,), self.initial))
        self.register_buffer("alive", torch.ones(channels))
        self.register_buffer("gain", torch.ones(channels))
        self.register_buffer("hard", torch.zeros(()))
        # mirrors of ``hard`` and ``alive``: reading a device scalar each step is slow
        self.is_hard = False
        self.all_alive = True

    def soft_values(self, y: Tensor) -> Tensor:
        """Values while evolving."""
        raise NotImplementedError

    def hard_values(self, y: Tensor) -> Tensor:
        """Values once hard."""
        raise NotImplementedError

    def forward(self, y: Tensor) -> Tensor:
        a = self.hard_values(y) if self.is_hard else self.soft_values(y)
        if not self.all_alive:
            a = a * per_channel(self.alive, a, 1)
        return a

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self.read_mirrors()

    def read_mirrors(self) -> None:
        """Follow the buffers after a state was loaded."""
        self.is_hard = bool(self.hard.item())
        self.all_alive = bool(self.alive.min().item() == 1)

    def set_hard(self) -> None:
        """Thresholds are ignored from now on."""
        self.hard.fill_(1.0)
        self.is_hard = True
        self.threshold.requires_grad_(False)

    def set_alive(self, alive: Tensor) -> None:
        """Remove the channels where ``alive`` (C,) is 0."""
        self.alive.copy_(alive)
        self.all_alive = bool(self.alive.min().item() == 1)


class EvolvingActivationQuant(ChannelQuant):
    """Pre-activations to {-1, 0, +1}, in the end to {-1, +1}."""

    dead_zone = 2.5  # at threshold 1 (pre-activations are normalised)

    def soft_values(self, y: Tensor) -> Tensor:
        a: Tensor = TernaryActivation.apply(y, dead_zones(self.threshold, self.dead_zone), self.gain)
        return a

    def hard_values(self, y: Tensor) -> Tensor:
        a: Tensor = BinaryActivation.apply(y)
        return a


class EvolvingLevelsQuant(ChannelQuant):
    """Normalised sums to the few-bit integers of a kind; channels may evolve to zero."""

    initial = 0.0

    def __init__(self, channels: int, kind: ActivationKind) -> None:
        super().__init__(channels)
        self.kind = kind

    def soft_values(self, y: Tensor) -> Tensor:
        return self._levels(y, dead_zones(self.threshold, self.kind.bound))

    def hard_values(self, y: Tensor) -> Tensor:
        return self._levels(y, torch.zeros_like(self.threshold))

    def _levels(self, y: Tensor, dead_zone: Tensor) -> Tensor:
        a: Tensor = Stream.apply(y, dead_zone, self.gain, self.kind.low, self.kind.high)
        return a


def evolving(kind: ActivationKind, channels: int) -> ChannelQuant:
    """The quantizer of activations of a kind."""
    return EvolvingActivationQuant(channels) if kind == BIPOLAR else EvolvingLevelsQuant(channels, kind)
