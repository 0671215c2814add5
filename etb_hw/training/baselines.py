"""Honest baselines: the same recipe, budget and seeds for ETB and for what it must beat."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import mean, stdev
from typing import Any, Literal, TypeAlias

import numpy as np

from etb_hw.config import EvolutionConfig, ModelConfig, TrainingConfig
from etb_hw.data import Dataset
from etb_hw.errors import BadInput
from etb_hw.files import write_json, write_text
from etb_hw.models import NetSpec, specify
from etb_hw.pruning.hard import HardNet
from etb_hw.pruning.sizes import Cost, cost_function, macs, parameters, size_bytes
from etb_hw.training.loop import TrainResult, train
from etb_hw.training.metrics import Callback
from etb_hw.training.state import key_of
from etb_hw.training.teacher import teach

Method: TypeAlias = Literal["dense", "small", "l1", "random", "etb", "etb widths"]
Estimate: TypeAlias = Callable[[HardNet], Mapping[str, float]]

METHODS: tuple[Method, ...] = ("dense", "small", "l1", "random", "etb")
TITLES: Mapping[Method, str] = {
    "dense": "dense, unpruned",
    "small": "small dense, same size, from scratch",
    "l1": "L1-ranked pruning",
    "random": "random pruning",
    "etb": "ETB",
    "etb widths": "dense with the widths ETB found, from scratch",
}


@dataclass(frozen=True)
class Run:
    """One training run. ``estimate`` holds what the injected hardware estimate says (lut, fps, ...)."""

    method: Method
    seed: int
    accuracy: float
    parameters: int
    bytes: int
    macs: int
    widths: Mapping[str, int]
    seconds: float
    estimate: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Baselines:
    """All runs of a comparison, and the settings they share."""

    source: str
    model: str
    epochs: int
    ratio: float
    count: str
    runs: tuple[Run, ...]

    def of(self, method: Method) -> tuple[Run, ...]:
        return tuple(run for run in self.runs if run.method == method)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def markdown(self) -> str:
        """A table of means; accuracies with their standard deviation over the seeds."""
        extra = sorted({key for run in self.runs for key in run.estimate})
        head = ["method", "seeds", "accuracy %", "parameters", "bytes", "MACs", *extra, "seconds"]
        lines = [
            f"{self.source}, {self.model}, {self.epochs} epochs, {self.ratio:.1%} of {self.count} to cut",
            "",
            "| " + " | ".join(head) + " |",
            "|" + "|".join(" --- " for _ in head) + "|",
        ]
        for method, title in TITLES.items():
            runs = self.of(method)
            if runs:
                found = [100 * run.accuracy for run in runs]
                spread = f" ± {stdev(found):.2f}" if len(found) > 1 else ""
                values = [
                    title,
                    str(len(runs)),
                    f"{mean(found):.2f}{spread}",
                    *(
                        f"{mean(getattr(run, key) for run in runs):,.0f}"
                        for key in ("parameters", "bytes", "macs")
                    ),
                    *(f"{mean(run.estimate.get(key, float('nan')) for run in runs):,.0f}" for key in extra),
                    f"{mean(run.seconds for run in runs):.0f}",
                ]
                lines.append("| " + " | ".join(values) + " |")
        return "\n".join(lines) + "\n"


def run(
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
) -> Baselines:
    """Train every method with every seed and compare.

    Writes baselines.json and baselines.md after each run; runs that are already there are not repeated, so a
    comparison that was cut off goes on, and several processes may share a folder, each with seeds of its own.

    Args:
        progress: called with a title before each run; yields the callback of that run.
        cost: see ``train``. estimate: hardware numbers of a finished network, added to its row.
    """
    spec = specify(model, dataset.shape, len(dataset.classes))
    counting = cost or cost_function(spec, evolution.count)
    path = out_dir / "baselines.json"
    key = _key(spec, training, evolution, dataset)
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
                teacher = teach(model, recipe, dataset, out_dir / f"seed-{seed}", show)
                result = train(settings[0], recipe, settings[1], dataset, folder, show, cost, teacher=teacher)
                assert result is not None
                done |= {(run.method, run.seed): run for run in _load(path, key)}
                done[method, seed] = _row(method, seed, result, estimate)
                table = _table(spec, training, evolution, dataset, tuple(done.values()))
                write_json(path, {"key": key, **table.to_json()})
                write_text(out_dir / "baselines.md", table.markdown())
    return _table(spec, training, evolution, dataset, tuple(done.values()))


def _settings(
    method: Method,
    model: ModelConfig,
    evolution: EvolutionConfig,
    spec: NetSpec,
    cost: Cost,
    etb: Run | None,
) -> tuple[ModelConfig, EvolutionConfig]:
    """What a method changes in the flow's settings."""
    match method:
        case "dense":
            evolution = evolution.model_copy(update={"ratio": 0.0})
        case "small" | "etb widths":
            if method == "small":
                widths = same_size(spec, cost, evolution.ratio)
            elif etb is not None:
                widths = tuple(etb.widths[group] for group in spec.prunable)
            else:
                raise BadInput("methods", "'etb widths' needs the run of 'etb'", "put it after 'etb'")
            model = model.model_copy(update={"widths": widths})
            evolution = evolution.model_copy(update={"ratio": 0.0})
        case "l1" | "random":
            evolution = evolution.model_copy(update={"criterion": method})
    return model, evolution


def same_size(spec: NetSpec, cost: Cost, ratio: float) -> tuple[int, ...]:
    """Uniformly scaled widths whose cost is as close as possible to (1 - ratio) of the network's."""
    wanted = (1 - ratio) * cost(spec.widths)
    candidates = [
        tuple(max(1, round(spec.widths[group] * factor)) for group in spec.prunable)
        for factor in np.linspace(0.05, 1.0, 1901)
    ]

    def miss(widths: tuple[int, ...]) -> float:
        return abs(cost({**spec.widths, **dict(zip(spec.prunable, widths, strict=True))}) - wanted)

    return min(candidates, key=miss)


def _row(method: Method, seed: int, result: TrainResult, estimate: Estimate | None) -> Run:
    spec = result.hard.spec
    return Run(
        method,
        seed,
        result.accuracy,
        parameters(spec),
        size_bytes(spec),
        macs(spec),
        dict(spec.widths),
        result.seconds,
        dict(estimate(result.hard)) if estimate else {},
    )


def _table(
    spec: NetSpec,
    training: TrainingConfig,
    evolution: EvolutionConfig,
    dataset: Dataset,
    runs: tuple[Run, ...],
) -> Baselines:
    return Baselines(dataset.source, spec.name, training.epochs, evolution.ratio, evolution.count, runs)


def _key(spec: NetSpec, training: TrainingConfig, evolution: EvolutionConfig, dataset: Dataset) -> str:
    settings = [
        spec.to_json(),
        training.model_dump(exclude={"seed", "threads", "checkpoint_seconds"}),
        evolution.model_dump(),
        dataset.source,
    ]
    return key_of(settings, dataset)


def _load(path: Path, key: str) -> tuple[Run, ...]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return tuple(Run(**run) for run in values["runs"]) if values["key"] == key else ()
    except (OSError, ValueError, KeyError, TypeError):
        return ()
