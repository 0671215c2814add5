"""Batch normalisation whose evaluation is two plain float32 operations, so that everyone can repeat it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

SMALLEST_SLOPE = 1e-2


class ChannelNorm(nn.BatchNorm2d):
    """Normalises (N, C, ...) a channel.

    Evaluation computes fl(fl(x * slope) + shift). Library kernels fuse or reorder this as they like, which
    may move an integer sum across a threshold; these two steps are the same bits everywhere. Slopes are kept
    positive, so that the map is increasing and commutes with max-pooling.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        assert input.ndim >= 2

    def affine_terms(self) -> tuple[Tensor, Tensor]:
        """Slope and shift, (C,) each, of the evaluated map."""
        assert self.running_var is not None
        assert self.running_mean is not None
        slope = self.weight / torch.sqrt(self.running_var + self.eps)
        return slope, self.bias - self.running_mean * slope

    def forward(self, input: Tensor) -> Tensor:
        if self.training:
            return super().forward(input)
        slope, shift = self.affine_terms()
        view = (1, -1, *(1,) * (input.ndim - 2))
        return input * slope.view(view) + shift.view(view)

    @torch.no_grad()
    def project(self) -> None:
        """Keep the map increasing."""
        self.weight.clamp_(min=SMALLEST_SLOPE)


class SyncedNorm(ChannelNorm, nn.SyncBatchNorm):
    """In training it normalises by the batches of all processes, as nn.SyncBatchNorm does."""
