"""What a run reports while it goes on: rows of metrics.jsonl and updates for a progress bar."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

from etb_hw.artifacts.training import Epoch, Phase, Shares
from etb_hw.evolution.net import PreparedNet
from etb_hw.files import append_line, write_text


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
EpochCallback: TypeAlias = Callable[[Epoch, PreparedNet], None]


def append(path: Path, row: Epoch) -> None:
    """Add a row to metrics.jsonl."""
    append_line(path, _line(row))


def rewrite(path: Path, rows: Sequence[Epoch]) -> None:
    """Make metrics.jsonl what the training state remembers, whatever has become of the file since."""
    write_text(path, "".join(_line(row) + "\n" for row in rows))


def _line(row: Epoch) -> str:
    return json.dumps(asdict(row))
