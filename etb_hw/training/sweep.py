"""A sweep over pruning ratios and seeds as an Optuna study that several processes or machines can share."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from etb_hw.config import EvolutionConfig, ModelConfig, TrainingConfig
from etb_hw.data import Dataset
from etb_hw.errors import BadInput
from etb_hw.files import write_json
from etb_hw.models import specify
from etb_hw.pruning.sizes import Cost, parameters, size_bytes
from etb_hw.training.baselines import Estimate
from etb_hw.training.loop import train
from etb_hw.training.metrics import Callback
from etb_hw.training.state import key_of
from etb_hw.training.teacher import teach

JOURNAL_FILE = "study.log"
RESULT_FILE = "sweep.json"
PICTURE_FILE = "pareto.png"


@dataclass(frozen=True)
class Task:
    """What a sweep trains: one flow's settings. ``cost`` and ``estimate`` as in ``baselines.run``; with
    several jobs they must be functions that other processes can import."""

    model: ModelConfig
    training: TrainingConfig
    evolution: EvolutionConfig
    dataset: Dataset
    cost: Cost | None = None
    estimate: Estimate | None = None


@dataclass(frozen=True)
class Point:
    """One finished run of the sweep."""

    ratio: float
    seed: int
    accuracy: float
    parameters: int
    bytes: int
    estimate: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Sweep:
    """All points, and the Pareto fronts of accuracy against bytes and, if estimated, LUT."""

    source: str
    model: str
    points: tuple[Point, ...]
    fronts: Mapping[str, tuple[Point, ...]]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def run(
    task: Task,
    out_dir: Path,
    ratios: Sequence[float],
    seeds: Sequence[int] = (0,),
    jobs: int = 1,
    progress: Callable[[str], Callback | None] | None = None,
) -> Sweep:
    """Train every ratio with every seed that nobody has done yet, and write sweep.json and pareto.png.

    The study lies in ``out_dir/study.log`` (Optuna's journal storage). Processes that run the same sweep on
    the same folder, also over a network drive, share its trials; one that was killed is picked up by the next
    call on the same machine.

    Args:
        jobs: processes that this call starts; with 1 it trains here.
        progress: called with a title before each run (only where this process trains).
    """
    if not ratios or min(ratios) < 0 or max(ratios) >= 1:
        raise BadInput("--ratios", f"{list(ratios)} are no shares of 0 to 1", "give for example 0.2,0.4,0.6")
    out_dir.mkdir(parents=True, exist_ok=True)
    study = _study(out_dir, task)
    _enqueue(study, ratios, seeds)
    if jobs > 1:
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            for done in [pool.submit(_work, task, out_dir, None) for _ in range(jobs)]:
                done.result()
    else:
        _work(task, out_dir, progress)
    found = collect(task, study)
    write_json(out_dir / RESULT_FILE, found.to_json())
    draw(found, out_dir / PICTURE_FILE)
    return found


def _study(out_dir: Path, task: Task) -> optuna.Study:
    """The study of a task; other settings or data in the same folder have studies of their own."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = JournalStorage(JournalFileBackend(str(out_dir / JOURNAL_FILE)))
    return optuna.create_study(
        storage=storage, study_name=_key(task), directions=["maximize", "minimize"], load_if_exists=True
    )


def _key(task: Task) -> str:
    """Everything that decides a point's result, but for its ratio and seed."""
    settings = [
        task.model.model_dump(),
        task.training.model_dump(exclude={"seed", "threads", "checkpoint_seconds"}),
        task.evolution.model_dump(exclude={"ratio"}),
        task.dataset.source,
    ]
    return key_of(settings, task.dataset)


def _enqueue(study: optuna.Study, ratios: Sequence[float], seeds: Sequence[int]) -> None:
    """Add the runs that are missing; runs of processes that died on this machine are taken back first."""
    open_or_done = set()
    for trial in study.get_trials(deepcopy=False):
        wanted = trial.params or trial.system_attrs.get("fixed_params", {})
        if trial.state == TrialState.RUNNING and _is_dead(trial.user_attrs.get("worker", "")):
            study.tell(trial.number, state=TrialState.FAIL)
        elif trial.state != TrialState.FAIL:
            open_or_done.add((wanted.get("ratio"), wanted.get("seed")))
    for seed in seeds:
        for ratio in ratios:
            if (ratio, seed) not in open_or_done:
                study.enqueue_trial({"ratio": ratio, "seed": seed})


def _is_dead(worker: str) -> bool:
    host, _, process = worker.partition(":")
    if host != socket.gethostname() or not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _work(task: Task, out_dir: Path, progress: Callable[[str], Callback | None] | None) -> None:
    """Take waiting trials until none is left."""
    study = _study(out_dir, task)
    while any(t.state == TrialState.WAITING for t in study.get_trials(deepcopy=False)):
        trial = study.ask()
        trial.set_user_attr("worker", f"{socket.gethostname()}:{os.getpid()}")
        ratio = trial.suggest_float("ratio", 0.0, 1.0)
        seed = trial.suggest_int("seed", 0, 2**31 - 1)
        if not {"ratio", "seed"} <= set(_fixed(study, trial.number)):
            study.tell(trial, state=TrialState.FAIL)  # another process was faster: this one is made up
            continue
        show = progress(f"ratio {ratio:.0%}, seed {seed}") if progress else None
        try:
            point = _train(task, ratio, seed, out_dir / f"ratio-{ratio:g}-seed-{seed}", show)
        except BaseException:
            study.tell(trial, state=TrialState.FAIL)
            raise
        trial.set_user_attr("point", asdict(point))
        study.tell(trial, [point.accuracy, float(point.bytes)])


def _fixed(study: optuna.Study, number: int) -> Mapping[str, Any]:
    """The parameters that a trial was enqueued with; none if it was not."""
    fixed: Mapping[str, Any] = study.get_trials(deepcopy=False)[number].system_attrs.get("fixed_params", {})
    return fixed


def _train(task: Task, ratio: float, seed: int, out_dir: Path, progress: Callback | None) -> Point:
    training = task.training.model_copy(update={"seed": seed})
    evolution = task.evolution.model_copy(update={"ratio": ratio})
    # one teacher for all ratios; processes that train it at once end with the same bits
    teacher = teach(task.model, training, task.dataset, out_dir.parent / f"seed-{seed}", progress)
    result = train(
        task.model, training, evolution, task.dataset, out_dir, progress, task.cost, teacher=teacher
    )
    assert result is not None
    spec = result.hard.spec
    estimate = dict(task.estimate(result.hard)) if task.estimate else {}
    return Point(ratio, seed, result.accuracy, parameters(spec), size_bytes(spec), estimate)


def collect(task: Task, study: optuna.Study) -> Sweep:
    """The finished points of a study."""
    points = {}
    for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        point = _point(trial)
        points[point.ratio, point.seed] = point
    ordered = tuple(points[key] for key in sorted(points))
    spec = specify(task.model, task.dataset.shape, len(task.dataset.classes))
    fronts = {"bytes": pareto(ordered, lambda point: point.bytes)}
    if ordered and all("lut" in point.estimate for point in ordered):
        fronts["lut"] = pareto(ordered, lambda point: point.estimate["lut"])
    return Sweep(task.dataset.source, spec.name, ordered, fronts)


def _point(trial: FrozenTrial) -> Point:
    return Point(**json.loads(json.dumps(trial.user_attrs["point"])))


def pareto(points: Sequence[Point], price: Callable[[Point], float]) -> tuple[Point, ...]:
    """The points that no other point beats in both price and accuracy, by rising price."""
    front: list[Point] = []
    for point in sorted(points, key=lambda point: (price(point), -point.accuracy)):
        if not front or point.accuracy > front[-1].accuracy:
            front.append(point)
    return tuple(front)


def draw(sweep: Sweep, path: Path) -> None:
    """Accuracy against each price: all points, and the front as a line."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5 * len(sweep.fronts), 4), layout="constrained")
    FigureCanvasAgg(figure)
    for i, (price, front) in enumerate(sweep.fronts.items()):
        axes = figure.add_subplot(1, len(sweep.fronts), i + 1)

        def value(point: Point, price: str = price) -> float:
            return float(point.bytes) if price == "bytes" else point.estimate[price]

        axes.scatter(
            [value(p) for p in sweep.points],
            [100 * p.accuracy for p in sweep.points],
            alpha=0.6,
            label="runs",
        )
        axes.step(
            [value(p) for p in front],
            [100 * p.accuracy for p in front],
            where="post",
            color="tab:red",
            label="Pareto front",
        )
        axes.set_xlabel(
            {"bytes": "bytes of weights and thresholds", "lut": "estimated LUT"}.get(price, price)
        )
        axes.set_ylabel("test accuracy %")
        axes.set_title(f"{sweep.model}, {sweep.source}")
        axes.grid(alpha=0.3)
        axes.legend(loc="lower right")
    figure.savefig(path, dpi=120)
