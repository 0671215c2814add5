"""One training run, from random weights to a hardened, slim, integer network."""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from etb_hw.artifacts.run_files import METRICS, TRAINING_STATE
from etb_hw.artifacts.sizes import PruningReport
from etb_hw.artifacts.training import Epoch, Phase, Shares
from etb_hw.config import EvolutionConfig, ModelConfig, TrainingConfig
from etb_hw.data import Dataset
from etb_hw.errors import BadInput
from etb_hw.models import BinaryNet, FloatTwin, NetSpec, specify
from etb_hw.pruning.hard import HardNet, harden
from etb_hw.pruning.sizes import Cost, cost_function, report
from etb_hw.pruning.slim import Keep, slim
from etb_hw.training import metrics
from etb_hw.training.allocation import make_limits, reached
from etb_hw.training.batches import Batches
from etb_hw.training.budget import Budget, agreed, first_ratio, remembered
from etb_hw.training.common_state import common_snapshot
from etb_hw.training.controller import Controller
from etb_hw.training.devices import prepare
from etb_hw.training.distributed import Team, check_batch, joined, share_buffers, total, wrapped
from etb_hw.training.evaluate import accuracy, logits
from etb_hw.training.loss import loss_of
from etb_hw.training.metrics import Callback, EpochCallback, Progress
from etb_hw.training.optim import Optimizers, evolving_optimizers, slice_state
from etb_hw.training.schedule import Schedule, make_schedule
from etb_hw.training.state import Snapshot, key_of, save_snapshot
from etb_hw.training.teacher import lesson, teach
from etb_hw.training.whole_steps import WholeSteps, whole_steps
from etb_hw.verification import Proof, prove

PROOF_IMAGES = 256
UPDATE_STEPS = 10
LOSS_SCALE = 1024.0  # keeps float16 gradients out of underflow; fixed, so that resuming needs no state


@dataclass(frozen=True)
class TrainResult:
    """A finished run.

    Attributes:
        hard: the slim integer network. dense: the specification before pruning.
        keep: the channels that stayed, a group.
        report: what pruning saved. accuracy: of ``hard`` on the test set.
        proofs: rows of verification.json about hardening and slimming.
        seconds: training time over all sessions of the run, without the teacher's.
        teacher_accuracy: of the float teacher on the test set, if there was one.
    """

    hard: HardNet
    dense: NetSpec
    keep: Keep
    report: PruningReport
    accuracy: float
    proofs: tuple[Proof, ...]
    seconds: float
    teacher_accuracy: float | None = None


@dataclass
class _Run:
    """The moving parts of a run."""

    net: BinaryNet
    trained: nn.Module  # net, or net behind what makes its training step parallel
    optimizers: Optimizers
    controller: Controller
    schedule: Schedule
    team: Team
    step: int = 0
    hard: bool = False
    loss_sum: float = 0.0
    correct: int = 0
    seconds: float = 0.0
    proofs: tuple[Proof, ...] = ()
    rows: tuple[Epoch, ...] = ()


def train(
    model: ModelConfig,
    training: TrainingConfig,
    evolution: EvolutionConfig,
    dataset: Dataset,
    out_dir: Path | None = None,
    progress: Callback | None = None,
    cost: Cost | None = None,
    stop_after: int | None = None,
    teacher: FloatTwin | None = None,
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
            progress = None
        if teacher is None:
            teacher = teach(model, training, dataset, out_dir, progress, team)
        return _train(
            team, model, training, evolution, dataset, out_dir, progress, cost, stop_after, teacher, budget,
            on_epoch if team.leads else None,
        )  # fmt: skip


def _train(
    team: Team,
    model: ModelConfig,
    training: TrainingConfig,
    evolution: EvolutionConfig,
    dataset: Dataset,
    out_dir: Path | None,
    progress: Callback | None,
    cost: Cost | None,
    stop_after: int | None,
    teacher: FloatTwin | None,
    budget: Budget | None,
    on_epoch: EpochCallback | None,
) -> TrainResult | None:
    device = prepare(training)
    spec = specify(model, dataset.shape, len(dataset.classes), dataset.dtype)
    schedule = make_schedule(training, evolution, len(dataset.train_y))
    counting = _cost(spec, evolution, cost)
    key = _key(spec, training, evolution, dataset, teacher, counting, budget)
    if budget is not None:
        budget = replace(budget, used=remembered(agreed(team, device, budget.used)))
        evolution = evolution.at_ratio(first_ratio(spec, evolution, counting, budget))
    limits = make_limits(spec, evolution, counting)
    controller = Controller(spec, evolution, schedule, counting, limits, training.seed, budget=budget)
    controller.to(device)
    batches = Batches(
        torch.from_numpy(dataset.train_x).to(device),
        torch.from_numpy(dataset.train_y).to(device),
        training,
        team.rank,
        team.ranks,
    )
    test_x, test_y = torch.from_numpy(dataset.test_x).to(device), torch.from_numpy(dataset.test_y)
    if not team.leads:
        out_dir = None
    run = _start(spec, training, controller, device, out_dir, key, team)
    if out_dir is not None:
        metrics.rewrite(METRICS.path(out_dir), run.rows)
    watch = _Watch(run, spec, training, test_x, test_y, out_dir)
    saved = begun = time.monotonic()
    earlier = run.seconds
    with whole_steps(team.ranks == 1) as steps:
        try:
            while run.step < schedule.steps:
                if stop_after is not None and run.step >= stop_after:
                    return None
                with steps.one():
                    loss = _train_step(run, batches, training, teacher, steps)
                    if run.step == schedule.slim:
                        _slim(run, training, batches.x[:PROOF_IMAGES])
                    if run.step == schedule.harden:
                        _harden(run, training, batches.x[:PROOF_IMAGES])
                    watch.stepped()
                    run.seconds = earlier + time.monotonic() - begun
                if out_dir is not None and time.monotonic() - saved >= training.checkpoint_seconds:
                    _save(run, out_dir, key)
                    saved = time.monotonic()
                if on_epoch is not None and run.step % schedule.an_epoch == 0:
                    on_epoch(run.rows[-1], run.net)
                if progress is not None and (run.step % UPDATE_STEPS == 0 or run.step == schedule.steps):
                    progress(watch.progress(loss))
        finally:
            if out_dir is not None and steps.whole:
                _save(run, out_dir, key)
    taught = None if teacher is None else accuracy(teacher, test_x, test_y)
    return _finish(run, spec, evolution, batches.x[:PROOF_IMAGES], test_x, test_y, taught)


@dataclass
class _Watch:
    """What a run shows and records of itself as it goes on."""

    run: _Run
    dense: NetSpec
    training: TrainingConfig
    test_x: Tensor
    test_y: Tensor
    out_dir: Path | None
    found: float | None = None

    def __post_init__(self) -> None:
        self.epoch_begun = time.monotonic()
        self.counts = metrics.shares(self.run.net, self.dense)

    def stepped(self) -> None:
        """After a step: at the end of an epoch, evaluate and append its row."""
        run, schedule = self.run, self.run.schedule
        if run.step in (schedule.slim, schedule.harden):
            self.counts = metrics.shares(run.net, self.dense)
        if run.step % schedule.an_epoch:
            return
        epoch = run.step // schedule.an_epoch
        share_buffers(run.net, run.team)
        if epoch % self.training.evaluate_every == 0 or run.step == schedule.steps:
            self.found = accuracy(run.net, self.test_x, self.test_y)
        self.counts = metrics.shares(run.net, self.dense)
        now = time.monotonic()
        row = _row(run, self.training, epoch, self.found, self.counts, now - self.epoch_begun)
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


def _cost(spec: NetSpec, evolution: EvolutionConfig, cost: Cost | None) -> Cost:
    if cost is not None:
        return cost
    if evolution.count == "luts" or evolution.budgeted:
        raise BadInput(
            "evolution.target_luts" if evolution.budgeted else "evolution.count",
            "luts need the hardware's estimate",
            "train through a flow, or count parameters",
        )
    return cost_function(spec, evolution.count)


def _key(
    spec: NetSpec,
    training: TrainingConfig,
    evolution: EvolutionConfig,
    dataset: Dataset,
    teacher: FloatTwin | None,
    cost: Cost,
    budget: Budget | None,
) -> str:
    """Everything that decides a run's result; where it ran and how often it was saved does not."""
    ignored = {"checkpoint_seconds", "threads"}
    settings: dict[str, object] = {
        "spec": spec.to_json(),
        "training": training.model_dump(exclude=ignored),
        "evolution": evolution.model_dump(),
    }
    if evolution.count == "luts" or budget is not None:  # they follow the hardware that is asked for
        settings["hardware"] = [cost(spec.widths), "" if budget is None else budget.words]
    if teacher is not None:
        weights = hashlib.sha256()
        for value in teacher.state_dict().values():
            weights.update(value.cpu().numpy().tobytes())
        settings["teacher"] = weights.hexdigest()
    return key_of(settings, dataset)


def _start(
    spec: NetSpec, training: TrainingConfig, controller: Controller, device: torch.device,
    out_dir: Path | None, key: str, team: Team = Team(),  # noqa: B008 (frozen)
) -> _Run:  # fmt: skip
    """A fresh run, or the one whose state lies in ``out_dir``."""
    snapshot = common_snapshot(None if out_dir is None else out_dir / TRAINING_STATE, key, team)
    threshold_lr = controller.config.threshold_lr
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        net = BinaryNet(snapshot.spec if snapshot else spec)
    net.to(device).train()
    if snapshot is None:
        return _Run(
            net,
            wrapped(net, team, training.compile),
            evolving_optimizers(net, training, threshold_lr),
            controller,
            controller.schedule,
            team,
        )
    net.load_state_dict(dict(snapshot.net))
    net.to(device)
    if snapshot.hard:
        net.set_hard()
    net.read_mirrors()
    optimizers = evolving_optimizers(net, training, threshold_lr)
    optimizers.load(snapshot.optimizer)
    for name, value in snapshot.controller.items():
        kind, _, group = name.partition(".")
        controller.state[kind][group] = value.to(device)
    extra = dict(snapshot.extra)
    extra["proofs"] = tuple(Proof(**proof) for proof in extra["proofs"])
    extra["rows"] = tuple(Epoch(**{**row, "shares": Shares(**row["shares"])}) for row in extra["rows"])
    return _Run(
        net, wrapped(net, team, training.compile), optimizers, controller, controller.schedule, team,
        snapshot.step, snapshot.hard, **extra,
    )  # fmt: skip


def _train_step(
    run: _Run, batches: Batches, training: TrainingConfig, teacher: FloatTwin | None, steps: WholeSteps
) -> float:
    """One step; returns the mean loss of all processes."""
    x, y = batches.batch(run.step)
    taught = lesson(teacher, x, training.amp)
    # float16 holds sums below 2048 exactly; evaluation, hardening and all decisions use float32
    with torch.autocast(x.device.type, torch.float16, enabled=training.amp and x.is_cuda):
        output = run.trained(x)
    loss = loss_of(output.float(), y, taught, training)
    right = float((output.detach().argmax(1) == y).sum())
    # all processes count the same, and end with the same step
    value, right, asked = total(run.team, x.device, float(loss.detach()), right, float(steps.asked))
    steps.agree(asked > 0)
    value /= run.team.ranks
    if value != value:  # before it reaches the weights: what was saved stays fit to go on from
        raise BadInput("training.lr", f"training diverged at step {run.step} (loss is NaN)", "lower it")
    if training.amp and x.is_cuda:
        (loss * LOSS_SCALE).backward()
        torch._foreach_mul_([p.grad for p in run.net.parameters() if p.grad is not None], 1 / LOSS_SCALE)
    else:
        loss.backward()
    if not run.hard:
        run.controller.observe(run.net)
    run.optimizers.step(run.schedule.learning_rate(run.step))
    if run.hard:
        run.net.project()
    else:
        run.controller.after_step(run.net, run.step)
    run.loss_sum += value
    run.correct += int(right)
    run.step += 1
    return value


def _slim(run: _Run, training: TrainingConfig, sample: Tensor) -> None:
    """Zero filters leave, together with their share of the optimizer's state."""
    controller = run.controller
    share_buffers(run.net, run.team)
    controller.zero(run.net, run.step)
    evolved = logits(run.net, sample).numpy()
    controller.kill(run.net)
    masked = logits(run.net, sample).numpy()
    keep = controller.keep()
    state = slice_state(run.net, run.optimizers.state(), keep)
    slimmed = slim(run.net, keep)
    run.proofs = (
        *run.proofs,
        prove("slim", "evolved to zero, before they are masked", masked, evolved),
        prove("slim", "masked, before they are cut out", logits(slimmed, sample).numpy(), masked),
    )
    _go_on(run, slimmed, state, training)


def _harden(run: _Run, training: TrainingConfig, sample: Tensor) -> None:
    """Binary from here on, where no dead zone is left; the thresholds leave the optimizer."""
    share_buffers(run.net, run.team)
    run.controller.open_no_more(run.net)
    evolved = logits(run.net, sample).numpy()
    run.net.set_hard()
    run.proofs = (
        *run.proofs,
        prove("harden", "evolved to binary, before thresholds go", logits(run.net, sample).numpy(), evolved),
    )
    run.hard = True
    _go_on(run, run.net, run.optimizers.state(), training)


def _go_on(run: _Run, net: BinaryNet, state: dict[str, Tensor], training: TrainingConfig) -> None:
    run.net, run.trained = net, wrapped(net, run.team, training.compile)
    run.optimizers = evolving_optimizers(net, training, run.controller.config.threshold_lr)
    run.optimizers.load(state)


def _row(
    run: _Run, training: TrainingConfig, epoch: int, found: float | None, counts: Shares, seconds: float
) -> Epoch:
    an_epoch = run.schedule.an_epoch
    images = an_epoch * training.batch
    acts, weights = metrics.mean_thresholds(run.net)
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
        zero_weights=metrics.zero_weights(run.net, run.controller.stays),
    )


def _save(run: _Run, out_dir: Path, key: str) -> None:
    controller = {
        f"{kind}.{group}": value
        for kind, values in run.controller.state.items()
        for group, value in values.items()
    }
    extra = {
        "loss_sum": run.loss_sum,
        "correct": run.correct,
        "seconds": run.seconds,
        "proofs": [asdict(proof) for proof in run.proofs],
        "rows": [asdict(row) for row in run.rows],
    }
    state = Snapshot(
        run.step, run.net.spec, run.hard, key, run.net.state_dict(), run.optimizers.state(), controller, extra
    )
    save_snapshot(out_dir / TRAINING_STATE, state)


def _finish(
    run: _Run,
    dense: NetSpec,
    evolution: EvolutionConfig,
    sample: Tensor,
    test_x: Tensor,
    test_y: Tensor,
    taught: float | None,
) -> TrainResult:
    share_buffers(run.net, run.team)
    hard = harden(run.net)
    keep = run.controller.keep()
    widened = hard.widened(dense, keep)
    slim_logits = logits(hard, sample).numpy()
    proofs = (
        *run.proofs,
        prove(
            "slim", "hardened, at full width with zero filters", slim_logits, logits(widened, sample).numpy()
        ),
    )
    cut = reached(run.controller.cost, dense, hard.spec.widths)
    budget = run.controller.budget
    count, words = (evolution.count, None) if budget is None else ("luts", budget.words)
    sizes = report(dense, hard.spec, count, run.controller.ratio, cut, words)
    found = accuracy(hard, test_x, test_y)
    return TrainResult(hard, dense, keep, sizes, found, proofs, run.seconds, taught)
