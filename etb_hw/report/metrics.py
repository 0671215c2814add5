"""``metrics.jsonl``: a line an epoch, written by ``etb_hw.training``."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError


class Shares(BaseModel):
    """Shares of the original prunable filters in each state."""

    model_config = ConfigDict(frozen=True)

    binary: float
    ternary: float
    zero: float


class Epoch(BaseModel):
    """One epoch (``etb_hw.training.Row`` says what the fields are; read here without loading torch)."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    epoch: float
    phase: str
    loss: float
    train_accuracy: float
    accuracy: float | None
    shares: Shares
    pruned: float
    widths: dict[str, int]
    activation_thresholds: dict[str, float]
    weight_thresholds: dict[str, float]
    images_per_second: float


def read_metrics(path: Path) -> tuple[Epoch, ...] | None:
    """All readable lines, None where there is no file (a run that was cut off may end in half a line)."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    epochs = []
    for line in lines:
        try:
            epochs.append(Epoch.model_validate_json(line))
        except ValidationError:
            continue
    return tuple(epochs)
