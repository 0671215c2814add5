"""How far a network has evolved: shares of its filters and weights, and its thresholds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from etb_hw.artifacts.training import Shares
from etb_hw.evolution.net import PreparedNet
from etb_hw.models.groups import Groups


@torch.no_grad()
def shares(net: PreparedNet, original: Groups) -> Shares:
    """Count filters by what their quantized weights are."""
    total = binary = zero = 0
    for group, q in net.filters():
        if group not in original.prunable:
            continue
        zeros = (q.flatten(1) == 0).sum(1)
        total += original.widths[group]
        zero += int((zeros == q[0].numel()).sum()) + original.widths[group] - len(q)
        binary += int((zeros == 0).sum())
    if not total:
        return Shares(1.0, 0.0, 0.0)
    return Shares(binary / total, (total - binary - zero) / total, zero / total)


@torch.no_grad()
def zero_weights(net: PreparedNet, stays: Mapping[str, torch.Tensor]) -> float:
    """Share of zero weights in filters that stay: ``stays[group]`` (C,), of the groups that may lose some."""
    zeros = weights = 0
    for group, q in net.filters():
        if group in stays:
            q = q[stays[group]] if len(q) == len(stays[group]) else q  # slim, all of them stay
            zeros, weights = zeros + int((q == 0).sum()), weights + q.numel()
    return zeros / max(1, weights)


@torch.no_grad()
def mean_thresholds(net: PreparedNet) -> tuple[dict[str, float], dict[str, float]]:
    """Mean activation and weight threshold a layer, of layers that are still ternary."""
    found: dict[str, dict[str, float]] = {"activations": {}, "weights": {}}
    for name, kind, threshold in net.ternary():
        found[kind][name] = float(threshold.mean())
    return found["activations"], found["weights"]


@torch.no_grad()
def thresholds(net: PreparedNet) -> dict[str, NDArray[np.float32]]:
    """All thresholds (C,) of layers that are still ternary, as ``<layer> activations`` and ``weights``."""
    return {
        f"{name} {kind}": threshold.detach().float().cpu().numpy() for name, kind, threshold in net.ternary()
    }
