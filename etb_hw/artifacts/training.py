"""What training leaves of every epoch: the rows of ``metrics.jsonl``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Phase: TypeAlias = Literal["teacher", "evolving", "binary"]


@dataclass(frozen=True)
class Shares:
    """Shares of the original prunable filters: all weights binary, some still zero, all zero or removed."""

    binary: float
    ternary: float
    zero: float


@dataclass(frozen=True)
class Epoch:
    """The state after an epoch.

    Attributes:
        step: optimizer steps so far. loss: mean over the epoch's batches; train_accuracy likewise.
        accuracy: on the test set, None between evaluations.
        pruned: share of the target's quantity that is given up so far.
        activation_thresholds, weight_thresholds: mean a layer, in [0, 1]; empty once binary.
        widths: channels not given up, a group.
        images_per_second: training speed of the epoch.
        zero_weights: share of the weights of filters that stay which are 0; None in older files.
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
    zero_weights: float | None = None
