"""A run of training: its moving parts, as they start, are saved, and go on from what was saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from etb_hw.artifacts.run_files import TRAINING_STATE
from etb_hw.artifacts.training import Epoch, Shares
from etb_hw.config import TrainingConfig
from etb_hw.evolution.controller import Controller
from etb_hw.evolution.course import Course
from etb_hw.evolution.net import PreparedNet
from etb_hw.evolution.schedule import Schedule
from etb_hw.evolution.team import Team
from etb_hw.models.layers import set_hard
from etb_hw.training.common_state import common_snapshot
from etb_hw.training.distributed import wrapped
from etb_hw.training.optim import Optimizers, evolving_optimizers
from etb_hw.training.state import Snapshot, save_snapshot
from etb_hw.training.trainee import Trainee
from etb_hw.verification import Proof

_FADED = "faded"  # what channels that leave have faded to, beside the controller's own values


@dataclass
class Run:
    """The moving parts of a run."""

    trainee: Trainee
    evolution: Course
    trained: nn.Module  # net, or net behind what makes its training step parallel
    optimizers: Optimizers
    team: Team
    loss_sum: float = 0.0
    correct: int = 0
    seconds: float = 0.0
    proofs: tuple[Proof, ...] = ()
    rows: tuple[Epoch, ...] = ()

    @property
    def net(self) -> nn.Module:
        """The network that is trained."""
        return self.evolution.net.module

    @property
    def root(self) -> nn.Module:
        """The part of it by which its parameters are named."""
        return self.trainee.root(self.net)

    @property
    def controller(self) -> Controller:
        return self.evolution.controller

    @property
    def schedule(self) -> Schedule:
        return self.evolution.schedule

    @property
    def step(self) -> int:
        """Steps done."""
        return self.evolution.steps_done

    @property
    def hard(self) -> bool:
        """Whether the network is binary for good."""
        return self.evolution.hard


def start(
    trainee: Trainee, training: TrainingConfig, controller: Controller, device: torch.device,
    out_dir: Path | None, keys: Sequence[str], team: Team = Team(),  # noqa: B008 (frozen)
) -> Run:  # fmt: skip
    """A fresh run, or the one whose state lies in ``out_dir``."""
    snapshot = common_snapshot(None if out_dir is None else out_dir / TRAINING_STATE, keys, team)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        net = trainee.fresh(snapshot.form if snapshot else None)
    net.to(device).train()
    faded: dict[str, Tensor] = {}
    if snapshot is not None:
        net.load_state_dict(dict(snapshot.net))
        if snapshot.hard:
            set_hard(net)
        for name, value in snapshot.controller.items():
            kind, _, group = name.partition(".")
            (faded if kind == _FADED else controller.state[kind])[group] = value.to(device)
    evolution = Course(PreparedNet(net), controller, 0 if snapshot is None else snapshot.step)
    evolution.net.faded = faded
    optimizers = evolving_optimizers(trainee.root(net), training, evolution.adam)
    run = Run(trainee, evolution, wrapped(net, team, training.compile), optimizers, team)
    if snapshot is not None:
        optimizers.load(snapshot.optimizer)
        extra = snapshot.extra
        run.loss_sum, run.correct, run.seconds = extra["loss_sum"], extra["correct"], extra["seconds"]
        run.proofs = tuple(Proof(**proof) for proof in extra["proofs"])
        run.rows = tuple(Epoch(**{**row, "shares": Shares(**row["shares"])}) for row in extra["rows"])
    return run


def save(run: Run, out_dir: Path, key: str) -> None:
    controller = {
        f"{kind}.{group}": value
        for kind, values in run.controller.state.items()
        for group, value in values.items()
    }
    controller |= {f"{_FADED}.{group}": value for group, value in run.evolution.net.faded.items()}
    extra = {
        "loss_sum": run.loss_sum,
        "correct": run.correct,
        "seconds": run.seconds,
        "proofs": [asdict(proof) for proof in run.proofs],
        "rows": [asdict(row) for row in run.rows],
    }
    state = Snapshot(
        run.step,
        run.trainee.form(run.net),
        run.hard,
        key,
        run.net.state_dict(),
        run.optimizers.state(),
        controller,
        extra,
    )
    save_snapshot(out_dir / TRAINING_STATE, state)
