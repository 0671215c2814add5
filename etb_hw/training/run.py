"""A run of training: its moving parts, as they start, are saved, and go on from what was saved."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

from etb_hw.artifacts.run_files import TRAINING_STATE
from etb_hw.artifacts.training import Epoch, Shares
from etb_hw.config import TrainingConfig
from etb_hw.models import BinaryNet, NetSpec
from etb_hw.training.common_state import common_snapshot
from etb_hw.training.controller import Controller
from etb_hw.training.distributed import Team, wrapped
from etb_hw.training.optim import Optimizers, evolving_optimizers
from etb_hw.training.schedule import Schedule
from etb_hw.training.state import Snapshot, save_snapshot
from etb_hw.verification import Proof


@dataclass
class Run:
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


def start(
    spec: NetSpec, training: TrainingConfig, controller: Controller, device: torch.device,
    out_dir: Path | None, key: str, team: Team = Team(),  # noqa: B008 (frozen)
) -> Run:  # fmt: skip
    """A fresh run, or the one whose state lies in ``out_dir``."""
    snapshot = common_snapshot(None if out_dir is None else out_dir / TRAINING_STATE, key, team)
    threshold_lr = controller.config.threshold_lr
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        net = BinaryNet(snapshot.spec if snapshot else spec)
    net.to(device).train()
    if snapshot is None:
        return Run(
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
    return Run(
        net, wrapped(net, team, training.compile), optimizers, controller, controller.schedule, team,
        snapshot.step, snapshot.hard, **extra,
    )  # fmt: skip


def save(run: Run, out_dir: Path, key: str) -> None:
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
