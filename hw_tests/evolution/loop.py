"""A user's training loop at its shortest."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import etb_hw as etb


def train_to_the_end(model: nn.Module, evolution: etb.Evolution, x: Tensor) -> None:
    """All steps of an evolution on one batch, each of whose images is of a class of its own."""
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    while not evolution.done:
        optimizer.zero_grad()
        F.cross_entropy(model(x), torch.arange(len(x))).backward()
        optimizer.step()
        evolution.step()
