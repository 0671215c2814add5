"""Weight quantizer whose values evolve from ternary to binary, or to zero with their filter."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from etb_hw.quantizers.functions import BinaryWeight, TernaryWeight, dead_zones, per_channel

DEAD_ZONE_A_THRESHOLD = 3.0  # standard deviations, just below threshold 1; at 1 no weight is left


class EvolvingWeightQuant(nn.Module):
    """Latent weights (O, ...) to {-1, 0, +1}, with a trainable threshold in [0, 1] a filter.

    Latent weights are standardised a filter (zero mean, unit deviation).

    Attributes:
        threshold: (O,) share of the dead zone, trained; at 1 the filter is zero.
        alive: (O,) 1, or 0 for removed filters, whose weights are all 0.
        hard: scalar, 1 once weights are binary and thresholds are ignored.
        offset: (O,) added after standardising, so that slimming changes no sign.
    """

    threshold: Tensor
    alive: Tensor
    hard: Tensor
    offset: Tensor

    initial = 0.05  # threshold

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.threshold = nn.Parameter(torch.full((channels,), self.initial))
        self.register_buffer("alive", torch.ones(channels))
        self.register_buffer("hard", torch.zeros(()))
        self.register_buffer("offset", torch.zeros(channels))
        self.is_hard = False  # mirror of ``hard``: reading a device scalar each step is slow

    def standardise(self, latent: Tensor) -> Tensor:
        """Zero mean and unit deviation a filter, plus the filter's offset."""
        deviation, mean = torch.std_mean(latent.flatten(1), dim=1, correction=0)
        inverse = per_channel(1 / (deviation + 1e-5), latent, 0)
        v = (latent - per_channel(mean, latent, 0)) * inverse
        return v + per_channel(self.offset, latent, 0)

    def dead_zone(self) -> Tensor:
        """Half width (O,) of the zone of zeros, in deviations."""
        return dead_zones(self.threshold, DEAD_ZONE_A_THRESHOLD)

    def forward(self, latent: Tensor) -> Tensor:
        v = self.standardise(latent)
        q: Tensor = BinaryWeight.apply(v) if self.is_hard else TernaryWeight.apply(v, self.dead_zone())
        return q * per_channel(self.alive, q, 0)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self.read_mirrors()

    def read_mirrors(self) -> None:
        """Follow the buffers after a state was loaded."""
        self.is_hard = bool(self.hard.item())

    def set_hard(self) -> None:
        """Make the values binary for good."""
        self.hard.fill_(1.0)
        self.is_hard = True
        self.threshold.requires_grad_(False)
