"""From training's progress to what an observer of a run sees, and what its loggers are told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from etb_hw.artifacts.training import Epoch
from etb_hw.evolution.net import PreparedNet
from etb_hw.evolution.shares import thresholds
from etb_hw.flow.loggers import Loggers
from etb_hw.flow.step import Context
from etb_hw.training import Progress
from etb_hw.training.distributed import leads


@dataclass(frozen=True)
class Watch:
    """Callbacks of a training."""

    context: Context
    loggers: Loggers | None

    def progress(self, progress: Progress) -> None:
        shares = progress.shares
        fields = {"loss": progress.loss}
        if progress.accuracy is not None:
            fields["accuracy"] = progress.accuracy
        if progress.phase != "teacher":
            fields |= {"binary": shares.binary, "ternary": shares.ternary, "zero": shares.zero}
        self.context.observer.progress(progress.step, progress.steps, fields, progress.phase)
        if self.loggers is not None and progress.phase != "teacher":
            fields.pop("accuracy", None)  # of the last evaluation: after the epoch
            self.loggers.scalars(progress.step, {**fields, "pruned": progress.pruned})

    def epoch(self, row: Epoch, net: PreparedNet) -> None:
        if self.loggers is None:
            return
        found = {"lr": row.lr, "epoch loss": row.loss, "training accuracy": row.train_accuracy}
        if row.accuracy is not None:
            found["accuracy"] = row.accuracy
        if row.zero_weights is not None:
            found["zero weights in filters that stay"] = row.zero_weights
        found |= {f"channels/{group}": float(count) for group, count in row.widths.items()}
        self.loggers.scalars(row.step, found)
        for name, values in thresholds(net).items():
            self.loggers.histogram(row.step, f"thresholds/{name}", values)


@contextmanager
def watch(context: Context, part: str) -> Iterator[Watch]:
    """Watch a training of a step; ``part`` as of a Logger. Only the process that leads tells loggers."""
    if not leads():
        yield Watch(context, None)
        return
    with Loggers(context.flow, context.run_dir, part) as loggers:
        yield Watch(context, loggers)
