"""Brevitas activation quantizer whose channels evolve from ternary to binary or to zero."""

from __future__ import annotations

import torch
from brevitas.inject import ExtendedInjector
from brevitas.proxy.runtime_quant import ActQuantProxyFromInjector
from torch import Tensor, nn

from etb_hw.quantizers.functions import BinaryActivation, TernaryActivation, per_channel

DEAD_ZONE_A_THRESHOLD = 2.5  # threshold 1 puts the dead zone at 2.5 (normalised pre-activations)
INITIAL_THRESHOLD = 0.05


class EvolvingActivationQuant(nn.Module):
    """Pre-activations (N, C, ...) to {-1, 0, +1}, with a trainable threshold in [0, 1] a channel.

    Attributes:
        threshold: (C,) share of the dead zone, trained; its gradient ranks the channels.
        alive: (C,) 1, or 0 for removed channels, which are 0 everywhere.
        hard: scalar, 1 once values are binary and thresholds are ignored.
    """

    threshold: Tensor
    alive: Tensor
    hard: Tensor
    scale: Tensor
    zero_point: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.threshold = nn.Parameter(torch.full((channels,), INITIAL_THRESHOLD))
        self.register_buffer("alive", torch.ones(channels))
        self.register_buffer("hard", torch.zeros(()))
        self.register_buffer("scale", torch.ones(()), persistent=False)
        self.register_buffer("zero_point", torch.zeros(()), persistent=False)
        self.is_hard: bool | None = None
        self.all_alive: bool | None = None

    def forward(self, y: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        if self.is_hard is None or self.all_alive is None:
            self.is_hard = bool(self.hard.item())
            self.all_alive = bool(self.alive.min().item() == 1)
        if self.is_hard:
            a = BinaryActivation.apply(y)
        else:
            a = TernaryActivation.apply(y, DEAD_ZONE_A_THRESHOLD * self.threshold)
        if not self.all_alive:
            a = a * per_channel(self.alive, a, 1)
        return a, self.scale, self.zero_point, self.scale if self.is_hard else self.scale + 1

    def set_hard(self) -> None:
        """Make the values binary for good."""
        self.hard.fill_(1.0)
        self.is_hard = True
        self.threshold.requires_grad_(False)

    def set_alive(self, alive: Tensor) -> None:
        """Remove the channels where ``alive`` (C,) is 0."""
        self.alive.copy_(alive)
        self.all_alive = bool(self.alive.min().item() == 1)


class EvolvingActivation(ExtendedInjector):
    """Pass ``EvolvingActivation.let(channels=C)`` as ``act_quant`` of a Brevitas QuantIdentity."""

    tensor_quant = EvolvingActivationQuant
    proxy_class = ActQuantProxyFromInjector
    signed = True
    narrow_range = True
