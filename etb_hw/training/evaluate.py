"""Logits and accuracy over a data set."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from etb_hw.training.devices import exact


@torch.no_grad()
def logits(net: nn.Module, x: Tensor, batch: int = 500) -> Tensor:
    """Logits (N, classes) on the CPU, in evaluation mode; the mode is restored."""
    training = net.training
    net.eval()
    device = next((p.device for p in (*net.parameters(), *net.buffers())), torch.device("cpu"))
    with exact():
        parts = [net(part.to(device).float()).cpu() for part in x.split(batch)]
    net.train(training)
    return torch.cat(parts)


def accuracy(net: nn.Module, x: Tensor, y: Tensor) -> float:
    """Share of images (N, C, H, W) whose largest logit (the first of equals) is at their label."""
    return float((logits(net, x).argmax(1) == y.cpu()).double().mean())
