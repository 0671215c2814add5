"""From what ``train`` is asked for to a run that can take its first step, or its next one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from etb_hw.config import EvolutionConfig, ModelConfig, TrainingConfig
from etb_hw.data import Dataset
from etb_hw.errors import BadInput
from etb_hw.evolution.allocation import make_limits
from etb_hw.evolution.budget import Budget, agreed, first_ratio, remembered
from etb_hw.evolution.controller import Controller
from etb_hw.evolution.schedule import make_schedule
from etb_hw.evolution.team import Team
from etb_hw.models.groups import Sized
from etb_hw.pruning.sizes import Cost, cost_function
from etb_hw.training.batches import Batches
from etb_hw.training.devices import prepare
from etb_hw.training.phases import PROOF_IMAGES, Unchanged
from etb_hw.training.pixels import tensor_of
from etb_hw.training.run import Run, start
from etb_hw.training.state import key_of
from etb_hw.training.teacher import Lessons
from etb_hw.training.trainee import Trainee
from etb_hw.training.trainees import trainee_of


@dataclass(frozen=True, eq=False)
class SetUp:
    """What a run needs and does not change.

    Attributes:
        trainee: the network before pruning. test_x, test_y: the test set.
        lessons: what the teacher says in a step.
        out_dir: where this process writes; None for those that do not.
        keys: everything that decides the result, without restarts, with the first one, and so on.
    """

    trainee: Trainee
    training: TrainingConfig
    evolution: EvolutionConfig
    batches: Batches
    test_x: Tensor
    test_y: Tensor
    teacher: nn.Module | None
    lessons: Lessons | None
    out_dir: Path | None
    keys: tuple[str, ...]

    def key(self, run: Run) -> str:
        """Of what the run has become by now."""
        return self.keys[run.schedule.restarted(run.step)]

    @property
    def sample(self) -> Tensor:
        """The images that proofs are made with."""
        return self.batches.x[:PROOF_IMAGES]


def set_up(
    team: Team,
    model: ModelConfig,
    training: TrainingConfig,
    evolution: EvolutionConfig,
    dataset: Dataset,
    out_dir: Path | None,
    cost: Cost | None,
    teacher: nn.Module | None,
    budget: Budget | None,
) -> tuple[SetUp, Run]:
    """The run that ``train`` describes, from its first step or from what ``out_dir`` holds of it."""
    device = prepare(training)
    trainee = trainee_of(model, dataset)
    groups = trainee.groups
    schedule = make_schedule(training, evolution, len(dataset.train_y))
    counting = _cost(groups, evolution, cost)
    keys = _keys(trainee, training, evolution, dataset, teacher, counting, budget)
    if budget is not None:
        budget = replace(budget, used=remembered(agreed(team, device, budget.used)))
        evolution = evolution.at_ratio(first_ratio(groups, evolution, counting, budget))
    limits = make_limits(groups, evolution, counting)
    controller = Controller(groups, evolution, schedule, counting, limits, training.seed, budget=budget)
    train_x, train_y = tensor_of(dataset.train_x), torch.from_numpy(dataset.train_y)
    batches = Batches(train_x.to(device), train_y.to(device), training, team.rank, team.ranks)
    test_x, test_y = tensor_of(dataset.test_x).to(device), torch.from_numpy(dataset.test_y)
    if not team.leads:
        out_dir = None
    lessons = None if teacher is None else Lessons(teacher, training)
    made = SetUp(trainee, training, evolution, batches, test_x, test_y, teacher, lessons, out_dir, keys)
    run = start(trainee, training, controller, device, out_dir, keys, team)
    run.evolution.unchanged = Unchanged(run, made.sample)
    return made, run


def _cost(groups: Sized, evolution: EvolutionConfig, cost: Cost | None) -> Cost:
    if cost is not None:
        return cost
    if evolution.count == "luts" or evolution.budgeted:
        raise BadInput(
            "evolution.target_luts" if evolution.budgeted else "evolution.count",
            "luts need the hardware's estimate",
            "train through a flow, or count parameters",
        )
    return cost_function(groups, evolution.count)


def _keys(
    trainee: Trainee,
    training: TrainingConfig,
    evolution: EvolutionConfig,
    dataset: Dataset,
    teacher: nn.Module | None,
    cost: Cost,
    budget: Budget | None,
) -> tuple[str, ...]:
    """Everything that decides a run's result, with none of its restarts, with the first one, and so on.

    Where it ran and how often it was saved does not, nor what is done with its last state.
    """
    ignored = {"checkpoint_seconds", "threads", "norm_batches"}
    settings: dict[str, object] = {
        "spec": trainee.about(),
        "evolution": evolution.model_dump(),
    }
    if evolution.count == "luts" or budget is not None:  # they follow the hardware that is asked for
        settings["hardware"] = [cost(trainee.groups.widths), "" if budget is None else budget.words]
    if teacher is not None:
        weights = hashlib.sha256()
        for value in teacher.state_dict().values():
            weights.update(value.cpu().numpy().tobytes())
        settings["teacher"] = weights.hexdigest()
    parts = (
        training.model_copy(update={"restarts": training.restarts[:count]})
        for count in range(len(training.restarts) + 1)
    )
    return tuple(
        key_of({**settings, "training": part.model_dump(exclude=ignored)}, dataset) for part in parts
    )
