"""Honest baselines: the same recipe, budget and seeds for ETB and for what it must beat."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from pydantic import TypeAdapter

from etb_hw.artifacts.run_file import read_json
from etb_hw.artifacts.study import TITLES, BaselineRun, Baselines, Method
from etb_hw.config import EvolutionConfig, ModelConfig, TrainingConfig
from etb_hw.data import Dataset
from etb_hw.errors import BadInput
from etb_hw.evolution.allocation import HIGHEST_CAP, profile_of
from etb_hw.files import locked, remove_leftovers, write_json
from etb_hw.models.groups import Sized
from etb_hw.pruning.sizes import Cost, cost_function, macs, parameters
from etb_hw.training.loop import TrainResult, train
from etb_hw.training.metrics import Callback
from etb_hw.training.state import key_of
from etb_hw.training.teacher import teach
from etb_hw.training.trainee import Trained, Trainee
from etb_hw.training.trainees import trainee_of

Estimate: TypeAlias = Callable[[Trained], Mapping[str, float]]

METHODS: tuple[Method, ...] = ("dense", "small", "l1", "random", "etb")
UNMOVED = 1e-12  # a learning rate at which a threshold stays where it starts
log = logging.getLogger("etb_hw")


@dataclass(frozen=True)
class _Kept:
    """What of baselines.json tells a later call which runs are done."""

    key: str
    runs: tuple[BaselineRun, ...]


_KEPT: TypeAdapter[_Kept] = TypeAdapter(_Kept)


def compare_methods(
    model: ModelConfig,
    training: TrainingConfig,
    evolution: EvolutionConfig,
    dataset: Dataset,
    out_dir: Path,
    seeds: Sequence[int] = (0, 1, 2),
    methods: Sequence[Method] = METHODS,
    progress: Callable[[str], Callback | None] | None = None,
    cost: Cost | None = None,
    estimate: Estimate | None = None,
    on_result: Callable[[Baselines], None] | None = None,
) -> Baselines:
    """Train every method with every seed and compare.

    Writes baselines.json after each run; runs that are already there are not repeated, so a
    comparison that was cut off goes on, and several processes may share a folder, each with seeds of its own.

    Args:
        progress: called with a title before each run; yields the callback of that run.
        cost: see ``train``. estimate: hardware numbers of a finished network, added to its row.
        on_result: called after each run with the table so far.
    """
    trainee = trainee_of(model, dataset)
    spec = trainee.groups
    counting = cost or cost_function(spec, evolution.count)
    path = out_dir / "baselines.json"
    remove_leftovers(out_dir)
    key = _key(trainee, training, evolution, dataset)
    done = {(run.method, run.seed): run for run in _load(path, key)}
    for seed in seeds:
        for method in methods:
            if (method, seed) not in done:
                done |= {(run.method, run.seed): run for run in _load(path, key)}  # of other processes
            if (method, seed) not in done:
                recipe = training.model_copy(update={"seed": seed})
                settings = _settings(method, model, evolution, spec, counting, done.get(("etb", seed)))
                folder = out_dir / f"{method.replace(' ', '_')}-{seed}"
                show = progress(f"{TITLES[method]}, seed {seed}") if progress else None
                # one teacher for all: that of the unpruned network
                taught = out_dir / f"seed-{seed}"
                with locked(taught, wait=True):
                    teacher = teach(model, recipe, dataset, taught, show)
                with locked(folder) as mine:
                    if not mine:
                        remedy = "wait for it, or give each process seeds of its own"
                        raise BadInput(str(folder), "is trained by another process", remedy)
                    result = train(
                        settings[0], recipe, settings[1], dataset, folder, show, cost, teacher=teacher
                    )
                assert result is not None
                with locked(out_dir, wait=True):
                    done |= {(run.method, run.seed): run for run in _load(path, key)}
                    done[method, seed] = _row(method, seed, result, estimate)
                    table = _table(spec, training, evolution, dataset, tuple(done.values()))
                    write_json(path, {"key": key, **asdict(table)})
                if on_result is not None:
                    on_result(table)
    return _table(spec, training, evolution, dataset, tuple(done.values()))


def _settings(
    method: Method,
    model: ModelConfig,
    evolution: EvolutionConfig,
    spec: Sized,
    cost: Cost,
    etb: BaselineRun | None,
) -> tuple[ModelConfig, EvolutionConfig]:
    """What a method changes in the flow's settings."""
    match method:
        case "dense":
            evolution = evolution.at_ratio(0.0)
        case "small" | "shaped" | "etb widths":
            if method == "small":
                widths = same_size(spec, cost, evolution.ratio, [1.0] * len(spec.prunable))
            elif method == "shaped":
                widths = same_size(spec, cost, evolution.ratio, profile_of(spec, evolution))
            elif etb is not None:
                widths = tuple(etb.widths[group] for group in spec.prunable)
            else:
                raise BadInput("methods", "'etb widths' needs the run of 'etb'", "put it after 'etb'")
            model = model.model_copy(update={"widths": widths})
            evolution = evolution.at_ratio(0.0)
        case "l1" | "random":
            evolution = evolution.model_copy(update={"criterion": method})
        case "l1 open" | "random open":
            open_caps = (HIGHEST_CAP,) * len(spec.prunable)
            evolution = evolution.model_copy(update={"criterion": method.split()[0], "caps": open_caps})
        case "etb fixed":
            evolution = evolution.model_copy(update={"threshold_lr": UNMOVED})
    return model, evolution


def same_size(spec: Sized, cost: Cost, ratio: float, profile: Sequence[float]) -> tuple[int, ...]:
    """Widths whose cost is as close as possible to (1 - ratio) of the network's.

    Args:
        profile: how large a share each prunable group loses, relative to the others.
    """
    wanted = (1 - ratio) * cost(spec.widths)
    candidates = [
        tuple(
            max(1, round(spec.widths[group] * max(1 - HIGHEST_CAP, 1 - scale * part)))
            for group, part in zip(spec.prunable, profile, strict=True)
        )
        for scale in np.linspace(0.0, 0.95, 1901)
    ]

    def miss(widths: tuple[int, ...]) -> float:
        return abs(cost({**spec.widths, **dict(zip(spec.prunable, widths, strict=True))}) - wanted)

    return min(candidates, key=miss)


def _row(method: Method, seed: int, result: TrainResult, estimate: Estimate | None) -> BaselineRun:
    spec = result.trained.groups
    return BaselineRun(
        method,
        seed,
        result.accuracy,
        parameters(spec),
        result.trained.bytes(),
        macs(spec),
        dict(spec.widths),
        result.seconds,
        dict(estimate(result.trained)) if estimate else {},
    )


def _table(
    spec: Sized,
    training: TrainingConfig,
    evolution: EvolutionConfig,
    dataset: Dataset,
    runs: tuple[BaselineRun, ...],
) -> Baselines:
    return Baselines(dataset.source, spec.name, training.all_epochs, evolution.ratio, evolution.count, runs)


def _key(trainee: Trainee, training: TrainingConfig, evolution: EvolutionConfig, dataset: Dataset) -> str:
    settings = [
        trainee.about(),
        training.model_dump(exclude={"seed", "threads", "checkpoint_seconds"}),
        evolution.model_dump(),
        dataset.source,
    ]
    return key_of(settings, dataset)


def _load(path: Path, key: str) -> tuple[BaselineRun, ...]:
    """The runs that are done by these settings. What a damaged file held is known from the runs' folders."""
    try:
        kept = read_json(path, _KEPT)
    except BadInput as error:
        log.warning("%s is damaged (%s): its rows are made again", error.where, error.reason)
        return ()
    return () if kept is None or kept.key != key else kept.runs
