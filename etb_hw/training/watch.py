"""What a run of training shows and records of itself as it goes on."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from etb_hw.artifacts.run_files import METRICS
from etb_hw.artifacts.training import Epoch, Phase, Shares
from etb_hw.config import TrainingConfig
from etb_hw.evolution.shares import mean_thresholds, shares, zero_weights
from etb_hw.models.groups import Groups
from etb_hw.training import metrics
from etb_hw.training.distributed import share_buffers
from etb_hw.training.evaluate import accuracy
from etb_hw.training.metrics import Progress
from etb_hw.training.run import Run


@dataclass
class Watch:
    """What a run shows and records of itself as it goes on."""

    run: Run
    dense: Groups
    training: TrainingConfig
    test_x: Tensor
    test_y: Tensor
    images: int  # an epoch
    out_dir: Path | None
    found: float | None = None

    def __post_init__(self) -> None:
        self.epoch_begun = time.monotonic()
        self.counts = shares(self.run.evolution.net, self.dense)

    def stepped(self) -> None:
        """After a step: at the end of an epoch, evaluate and append its row."""
        run, schedule = self.run, self.run.schedule
        if run.step in (schedule.slim, schedule.harden):
            self.counts = shares(run.evolution.net, self.dense)
        if run.step % schedule.an_epoch:
            return
        epoch = run.step // schedule.an_epoch
        share_buffers(run.net, run.team)
        if epoch % self.training.evaluate_every == 0 or run.step == schedule.steps:
            self.found = accuracy(run.net, self.test_x, self.test_y)
        self.counts = shares(run.evolution.net, self.dense)
        now = time.monotonic()
        row = _row(run, self.training, self.images, epoch, self.found, self.counts, now - self.epoch_begun)
        run.rows = (*run.rows, row)
        self.epoch_begun = now
        run.loss_sum, run.correct = 0.0, 0
        if self.out_dir is not None:
            metrics.append(METRICS.path(self.out_dir), row)

    def progress(self, loss: float) -> Progress:
        """For the observer."""
        run, controller = self.run, self.run.controller
        phase: Phase = "binary" if run.hard else "evolving"
        return Progress(run.step, run.schedule.steps, phase, loss, self.found, self.counts, controller.saved)


def _row(
    run: Run,
    training: TrainingConfig,
    images: int,
    epoch: int,
    found: float | None,
    counts: Shares,
    seconds: float,
) -> Epoch:
    an_epoch = run.schedule.an_epoch
    acts, weights = mean_thresholds(run.evolution.net)
    return Epoch(
        epoch=epoch,
        step=run.step,
        phase="binary" if run.hard else "evolving",
        loss=run.loss_sum / an_epoch,
        train_accuracy=run.correct / images,
        accuracy=found if epoch % training.evaluate_every == 0 else None,
        lr=training.lr * run.schedule.learning_rate(run.step - 1),
        shares=counts,
        pruned=run.controller.saved,
        widths=run.controller.widths,
        activation_thresholds=acts,
        weight_thresholds=weights,
        images_per_second=images / max(seconds, 1e-9),
        zero_weights=zero_weights(run.evolution.net, run.controller.stays),
    )
