"""A float teacher: the same topology in real numbers, trained first by the same batches."""

from __future__ import annotations

import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from etb_hw.artifacts.run_files import TEACHER_STATE
from etb_hw.artifacts.training import Shares
from etb_hw.config import ModelConfig, TrainingConfig
from etb_hw.data import Dataset
from etb_hw.evolution.schedule import cosine, epoch_steps
from etb_hw.evolution.team import Team, total
from etb_hw.training.batches import Batches
from etb_hw.training.common_state import common_snapshot
from etb_hw.training.compiled import compiled
from etb_hw.training.devices import halved, prepare
from etb_hw.training.distributed import share_buffers, wrapped
from etb_hw.training.loss import check_loss
from etb_hw.training.metrics import Callback, Progress
from etb_hw.training.optim import float_optimizer
from etb_hw.training.pixels import tensor_of
from etb_hw.training.state import Snapshot, key_of, save_snapshot
from etb_hw.training.trainee import Trainee
from etb_hw.training.trainees import trainee_of
from etb_hw.training.whole_steps import whole_steps

UPDATE_STEPS = 10
FLAT = 0.2  # share of the teacher's training before its learning rate falls


def teach(
    model: ModelConfig,
    training: TrainingConfig,
    dataset: Dataset,
    out_dir: Path | None = None,
    progress: Callback | None = None,
    team: Team = Team(),  # noqa: B008 (frozen)
) -> nn.Module | None:
    """The teacher that ``training.teacher`` asks for, in evaluation mode; None where it asks for none.

    One that lies finished in ``out_dir`` is read, one that was interrupted goes on from there.

    Args:
        model: the unpruned network that is to be taught.
        progress: called every few steps.

    Raises BadInput where its training diverges.
    """
    config = training.teacher
    if not config.epochs:
        return None
    device = prepare(training)
    trainee = trainee_of(_widened(model, config.width), dataset)
    key = _key(trainee, training, dataset)
    snapshot = common_snapshot(None if out_dir is None else out_dir / TEACHER_STATE, (key,), team)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        net = trainee.float_net()
    if snapshot is not None:
        net.load_state_dict(dict(snapshot.net))
    net.to(device)
    steps = config.epochs * epoch_steps(training, len(dataset.train_y))
    if snapshot is None or snapshot.step < steps:
        path = out_dir / TEACHER_STATE if out_dir is not None and team.leads else None
        _train(net, trainee, snapshot, steps, training, dataset, path, key, progress, team)
    return net.eval()


def _train(
    net: nn.Module,
    trainee: Trainee,
    snapshot: Snapshot | None,
    steps: int,
    training: TrainingConfig,
    dataset: Dataset,
    path: Path | None,
    key: str,
    progress: Callback | None,
    team: Team,
) -> None:
    """Train to the last of ``steps``, from the snapshot on; the state goes to ``path`` now and then."""
    device = next(net.parameters()).device
    x, y = tensor_of(dataset.train_x).to(device), torch.from_numpy(dataset.train_y).to(device)
    batches = Batches(x, y, training, team.rank, team.ranks)
    optimizers = float_optimizer(net, training.teacher)
    step = 0
    if snapshot is not None:
        optimizers.load(snapshot.optimizer)
        step = snapshot.step

    def save() -> None:
        if path is not None:
            form = trainee.about()
            state = Snapshot(step, form, False, key, net.state_dict(), optimizers.state(), {}, extra={})
            save_snapshot(path, state)

    trained = wrapped(net.train(), team, training.compile)
    saved = time.monotonic()
    with whole_steps(team.ranks == 1) as whole:
        try:
            while step < steps:
                with whole.one():
                    x, y = batches.batch(step)
                    with halved(x, training.amp):
                        output = trained(x)
                    loss = F.cross_entropy(output.float(), y, label_smoothing=training.label_smoothing)
                    value, asked = total(team, device, float(loss.detach()), float(whole.asked))
                    whole.agree(asked > 0)
                    value /= team.ranks
                    check_loss("training.teacher.lr", value, step)
                    loss.backward()
                    optimizers.step(cosine(step, FLAT * steps, steps))
                    step += 1
                if time.monotonic() - saved >= training.checkpoint_seconds:
                    save()
                    saved = time.monotonic()
                if progress is not None and (step % UPDATE_STEPS == 0 or step == steps):
                    nothing = Shares(0.0, 0.0, 0.0)
                    progress(Progress(step, steps, "teacher", value, None, nothing, 0.0))
        finally:
            if whole.whole:
                share_buffers(net, team)
                save()


class Lessons:
    """What a finished teacher says of batches.

    Compiled where the steps are: eagerly they take a quarter of a step (see EXPERIMENTS.md).
    """

    def __init__(self, teacher: nn.Module, training: TrainingConfig) -> None:
        self._called = compiled(teacher) if training.compile else teacher
        self._half = training.amp

    @torch.no_grad()
    def of(self, x: Tensor) -> Tensor:
        """The teacher's logits (B, classes) for a batch of pixels."""
        with halved(x, self._half):
            logits: Tensor = self._called(x)
        return logits.float()


def _widened(model: ModelConfig, factor: float) -> ModelConfig:
    widths = model.widths and tuple(max(1, round(count * factor)) for count in model.widths)
    return model.model_copy(update={"width": model.width * factor, "widths": widths})


def _key(trainee: Trainee, training: TrainingConfig, dataset: Dataset) -> str:
    """Everything that decides what a teacher learns."""
    batches = {"batch", "flip", "shift", "cutout", "seed", "amp", "compile", "label_smoothing", "device"}
    settings = {
        "spec": trainee.about(),
        "batches": training.model_dump(include=batches),
        "teacher": training.teacher.model_dump(include={"epochs", "lr", "weight_decay"}),
    }
    return key_of(settings, dataset)
