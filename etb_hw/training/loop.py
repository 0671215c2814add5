"""One training run, from random weights to a hardened, slim, integer network."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from etb_hw.artifacts.run_files import METRICS, TRAINING_STATE
from etb_hw.artifacts.sizes import PruningReport
from etb_hw.config import EvolutionConfig, ModelConfig, TrainingConfig
from etb_hw.data import Dataset
from etb_hw.evolution.allocation import reached
from etb_hw.evolution.budget import Budget
from etb_hw.models.groups import Sized
from etb_hw.pruning.hard import HardNet
from etb_hw.pruning.sizes import Cost
from etb_hw.training import metrics
from etb_hw.training.distributed import check_batch, joined, share_buffers
from etb_hw.training.evaluate import accuracy
from etb_hw.training.metrics import Callback, EpochCallback
from etb_hw.training.norms import estimate_norms
from etb_hw.training.phases import refitted
from etb_hw.training.run import Run, save
from etb_hw.training.set_up import SetUp, set_up
from etb_hw.training.state import keep_finished
from etb_hw.training.step import train_step
from etb_hw.training.teacher import teach
from etb_hw.training.trainee import Trained
from etb_hw.training.watch import Watch
from etb_hw.training.whole_steps import whole_steps
from etb_hw.verification import Proof

UPDATE_STEPS = 10


@dataclass(frozen=True)
class TrainResult:
    """A finished run.

    Attributes:
        trained: the slim network, with what it was before pruning.
        report: what pruning saved. accuracy: of the slim network on the test set.
        proofs: rows of verification.json about hardening and slimming.
        seconds: training time over all sessions of the run, without the teacher's.
        teacher_accuracy: of the float teacher on the test set, if there was one.
    """

    trained: Trained
    report: PruningReport
    accuracy: float
    proofs: tuple[Proof, ...]
    seconds: float
    teacher_accuracy: float | None = None

    @property
    def hard(self) -> HardNet:
        """The slim integer network that a topology leaves."""
        net = self.trained.net
        assert isinstance(net, HardNet), "a module of the user's stays a module: see trained.net"
        return net

    @property
    def dense(self) -> Sized:
        """The network before pruning."""
        return self.trained.dense


def train(
    model: ModelConfig,
    training: TrainingConfig,
    evolution: EvolutionConfig,
    dataset: Dataset,
    out_dir: Path | None = None,
    progress: Callback | None = None,
    cost: Cost | None = None,
    stop_after: int | None = None,
    teacher: nn.Module | None = None,
    budget: Budget | None = None,
    on_epoch: EpochCallback | None = None,
) -> TrainResult | None:
    """Train by evolution from ternary to binary or zero.

    Until ``evolution.slim`` of the run some filters evolve to zero; these are then cut out exactly. Until
    ``evolution.harden`` the others become binary one after another, and the rest of the run trains the slim
    binary network. Both steps change no logit, which is proved on data.

    Args:
        out_dir: where metrics.jsonl and the resumable state go; a run found there that has the same settings
            and data goes on where it stopped, with identical results. None: nothing is written.
        progress: called every few steps.
        cost: what ``evolution.ratio`` counts, as a function of the widths a group; needed for ``luts``.
        budget: what the design may take, instead of a ratio; needed where ``evolution`` has such a target,
            and ``cost`` with it, by which progress is counted.
        on_epoch: called after every epoch with its row of metrics.jsonl and the network, between two steps.
        stop_after: leave after this many steps in all with the state saved; returns None.
        teacher: a trained float network, see ``teach``; without it, where ``training.teacher`` asks for one,
            it is trained first, in ``out_dir``.

    Under torchrun all processes call this alike and share the work (see distributed.py).

    Raises:
        InfeasibleTarget: the ratio, or the budget, cannot be reached within the limits.
        BadInput: the settings do not fit the data, or training diverged.
        ProofFailed: slimming changed a logit (never seen).
    """
    with joined(training.device) as team:
        check_batch(team, training.batch)
        if not team.leads:
            progress, on_epoch = None, None
        if teacher is None:
            teacher = teach(model, training, dataset, out_dir, progress, team)
        made, run = set_up(team, model, training, evolution, dataset, out_dir, cost, teacher, budget)
        if not _go_on(made, run, stop_after, progress, on_epoch):
            return None
        return _finish(made, run)


def _go_on(
    made: SetUp,
    run: Run,
    stop_after: int | None,
    progress: Callback | None,
    on_epoch: EpochCallback | None,
) -> bool:
    """Take the steps that are left, saved as they go. Whether all were taken."""
    training, schedule, out_dir = made.training, run.schedule, made.out_dir
    if out_dir is not None:
        metrics.rewrite(METRICS.path(out_dir), run.rows)
    watch = Watch(run, made.trainee.groups, training, made.test_x, made.test_y, made.batches.images, out_dir)
    saved = begun = time.monotonic()
    earlier = run.seconds
    with whole_steps(run.team.ranks == 1) as steps:
        try:
            while run.step < schedule.steps:
                if stop_after is not None and run.step >= stop_after:
                    return False
                if schedule.restarts_at(run.step) and out_dir is not None:
                    save(run, out_dir, made.key(run))
                    keep_finished(out_dir / TRAINING_STATE)
                with steps.one():
                    loss = train_step(run, made.batches, training, made.lessons, steps)
                    if run.step in (schedule.slim, schedule.harden):
                        refitted(run, training)
                    watch.stepped()
                    run.seconds = earlier + time.monotonic() - begun
                if out_dir is not None and time.monotonic() - saved >= training.checkpoint_seconds:
                    save(run, out_dir, made.key(run))
                    saved = time.monotonic()
                if on_epoch is not None and run.step % schedule.an_epoch == 0:
                    on_epoch(run.rows[-1], run.evolution.net)
                if progress is not None and (run.step % UPDATE_STEPS == 0 or run.step == schedule.steps):
                    progress(watch.progress(loss))
        finally:
            if out_dir is not None and steps.whole:
                save(run, out_dir, made.key(run))
    return True


def _finish(made: SetUp, run: Run) -> TrainResult:
    """The slim integer network, proved equal to the evolved one at full width, and what is known of it.

    Its batch normalisation is estimated here and not in the run's state, so that a restart goes on as if the
    run had not ended.
    """
    share_buffers(run.net, run.team)
    if made.training.norm_batches:
        estimate_norms(run.net, made.batches, run.step, made.training.norm_batches)
    trained, proof = made.trainee.finished(run.net, run.controller.keep(), made.sample)
    cut = reached(run.controller.cost, trained.dense, trained.groups.widths)
    budget = run.controller.budget
    count, words = (made.evolution.count, None) if budget is None else ("luts", budget.words)
    sizes = trained.report(count, run.controller.ratio, cut, words)
    found = accuracy(trained.net, made.test_x, made.test_y)
    if made.out_dir is not None:
        last = replace(run.rows[-1], accuracy=found)
        metrics.rewrite(METRICS.path(made.out_dir), (*run.rows[:-1], last))
    teacher = made.teacher
    taught = None if teacher is None else accuracy(teacher, made.test_x, made.test_y)
    return TrainResult(trained, sizes, found, (*run.proofs, proof), run.seconds, taught)
