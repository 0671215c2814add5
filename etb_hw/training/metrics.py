"""What a run reports while it goes on: rows of metrics.jsonl and updates for a progress bar."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import torch

from etb_hw.files import write_text
from etb_hw.models import BinaryNet, NetSpec

Phase: TypeAlias = Literal["teacher", "evolving", "binary"]


@dataclass(frozen=True)
class Shares:
    """Shares of the original prunable filters: all weights binary, some still zero, all zero or removed."""

    binary: float
    ternary: float
    zero: float


@dataclass(frozen=True)
class Row:
    """One row of metrics.jsonl: the state after an epoch.

    Attributes:
        step: optimizer steps so far. loss: mean over the epoch's batches; train_accuracy likewise.
        accuracy: on the test set, None between evaluations.
        pruned: share of the target's quantity that is given up so far.
        activation_thresholds, weight_thresholds: mean a layer, in [0, 1]; empty once binary.
        widths: channels not given up, a group.
        images_per_second: training speed of the epoch.
    """

    epoch: int
    step: int
    phase: Phase
    loss: float
    train_accuracy: float
    accuracy: float | None
    lr: float
    shares: Shares
    pruned: float
    widths: Mapping[str, int]
    activation_thresholds: Mapping[str, float]
    weight_thresholds: Mapping[str, float]
    images_per_second: float


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


@torch.no_grad()
def shares(net: BinaryNet, original: NetSpec) -> Shares:
    """Count filters by what their quantized weights are."""
    total = binary = zero = 0
    for name, layer in net.weighted().items():
        group = net.spec.by_name[name].group
        if group not in original.prunable:
            continue
        q = layer.quantized().flatten(1)
        zeros = (q == 0).sum(1)
        total += original.widths[group]
        zero += int((zeros == q.shape[1]).sum()) + original.widths[group] - q.shape[0]
        binary += int((zeros == 0).sum())
    if not total:
        return Shares(1.0, 0.0, 0.0)
    return Shares(binary / total, (total - binary - zero) / total, zero / total)


@torch.no_grad()
def mean_thresholds(net: BinaryNet) -> tuple[dict[str, float], dict[str, float]]:
    """Mean activation and weight threshold a layer, of layers that are still ternary."""
    of_acts, of_weights = {}, {}
    for name in net.layers:
        layer = net.layer(name)
        act, weights = layer.act_quant(), layer.weight_quant()
        if act is not None and not act.is_hard:
            of_acts[name] = float(act.threshold.mean())
        if weights is not None and not weights.is_hard:
            of_weights[name] = float(weights.threshold.mean())
    return of_acts, of_weights


def append(path: Path, row: Row) -> None:
    """Add a row to metrics.jsonl."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(row)) + "\n")


def rewind(path: Path, step: int) -> None:
    """Drop rows after ``step``, and a last row that a kill cut short."""
    kept = []
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                values = json.loads(line)
            except ValueError:
                break
            if values["step"] <= step:
                kept.append(line)
    write_text(path, "".join(line + "\n" for line in kept))
