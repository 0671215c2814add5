"""What a run reports while it goes on: rows of metrics.jsonl and updates for a progress bar."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from etb_hw.artifacts.training import Epoch, Phase, Shares
from etb_hw.files import append_line, write_text
from etb_hw.models import BinaryNet
from etb_hw.models.evolving import EvolvingNet, Groups


@dataclass(frozen=True)
class Progress:
    """An update for a progress bar."""

    step: int
    steps: int
    phase: Phase
    loss: float
    accuracy: float | None
    shares: Shares
    pruned: float


Callback: TypeAlias = Callable[[Progress], None]
EpochCallback: TypeAlias = Callable[[Epoch, BinaryNet], None]


@torch.no_grad()
def shares(net: EvolvingNet, original: Groups) -> Shares:
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
def zero_weights(net: EvolvingNet, stays: Mapping[str, torch.Tensor]) -> float:
    """Share of zero weights in filters that stay: ``stays[group]`` (C,), of the groups that may lose some."""
    zeros = weights = 0
    for group, q in net.filters():
        if group in stays:
            q = q[stays[group]] if len(q) == len(stays[group]) else q  # slim, all of them stay
            zeros, weights = zeros + int((q == 0).sum()), weights + q.numel()
    return zeros / max(1, weights)


@torch.no_grad()
def mean_thresholds(net: EvolvingNet) -> tuple[dict[str, float], dict[str, float]]:
    """Mean activation and weight threshold a layer, of layers that are still ternary."""
    found: dict[str, dict[str, float]] = {"activations": {}, "weights": {}}
    for name, kind, threshold in net.ternary():
        found[kind][name] = float(threshold.mean())
    return found["activations"], found["weights"]


@torch.no_grad()
def thresholds(net: EvolvingNet) -> dict[str, NDArray[np.float32]]:
    """All thresholds (C,) of layers that are still ternary, as ``<layer> activations`` and ``weights``."""
    return {
        f"{name} {kind}": threshold.detach().float().cpu().numpy() for name, kind, threshold in net.ternary()
    }


def append(path: Path, row: Epoch) -> None:
    """Add a row to metrics.jsonl."""
    append_line(path, _line(row))


def rewrite(path: Path, rows: Sequence[Epoch]) -> None:
    """Make metrics.jsonl what the training state remembers, whatever has become of the file since."""
    write_text(path, "".join(_line(row) + "\n" for row in rows))


def _line(row: Epoch) -> str:
    return json.dumps(asdict(row))
