"""A sweep over pruning ratios and seeds that several processes or machines can share.

Every point has a folder of its own and is trained by the process that holds its lock. The lock ends with its
process, so a point whose process died is simply open again, and the next one goes on from its training state.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

from pydantic import TypeAdapter

from etb_hw.artifacts.run_file import read_json
from etb_hw.artifacts.study import Point, Sweep
from etb_hw.config import EvolutionConfig, ModelConfig, TrainingConfig
from etb_hw.data import Dataset
from etb_hw.errors import BadInput, EtbError
from etb_hw.files import locked, remove_leftovers, write_json
from etb_hw.pruning.sizes import Cost, parameters
from etb_hw.training.baselines import Estimate
from etb_hw.training.loop import train
from etb_hw.training.metrics import Callback
from etb_hw.training.state import key_of
from etb_hw.training.teacher import teach
from etb_hw.training.trainees import trainee_of
from etb_hw.training.workers import ProcessDied, in_processes

RESULT_FILE = "sweep.json"
ATTEMPTS = 3  # of processes that die without finishing a point
POLL_SECONDS = 0.5
LOCKS = ".trials"  # a run holds its own folder, so whose a trial is stands beside it

# what makes a point of a ratio and a seed, in a folder of its own
Trial: TypeAlias = Callable[[float, int, Path, Callback | None], Point]
Place: TypeAlias = tuple[float, int]  # ratio and seed
Announce: TypeAlias = Callable[[str], Callback | None]
_POINT: TypeAdapter[Point] = TypeAdapter(Point)


class WorkersDied(EtbError):
    """The processes of a sweep were killed again and again."""

    exit_code = 1


@dataclass(frozen=True)
class Task:
    """What a sweep trains: one flow's settings. With several jobs functions must be such that other processes
    can import.

    Attributes:
        cost, estimate: as in ``compare_methods``.
        trial: makes a point, instead of a training that keeps nothing but its figures.
        settings: JSON-able values that decide a point beside those here, such as the hardware of a trial.
    """

    model: ModelConfig
    training: TrainingConfig
    evolution: EvolutionConfig
    dataset: Dataset
    cost: Cost | None = None
    estimate: Estimate | None = None
    trial: Trial | None = None
    settings: object = None

    @cached_property
    def key(self) -> str:
        """Everything that decides a point's result, but for its ratio and seed."""
        settings = [
            self.model.model_dump(),
            self.training.model_dump(exclude={"seed", "threads", "checkpoint_seconds"}),
            self.evolution.model_dump(exclude={"ratio"}),
            self.dataset.source,
            self.settings,
        ]
        if self.model.function is not None:  # its code may give something else than before
            settings.append(trainee_of(self.model, self.dataset).about())
        return key_of(settings, self.dataset)


def sweep_ratios(
    task: Task,
    out_dir: Path,
    ratios: Sequence[float],
    seeds: Sequence[int] = (0,),
    jobs: int = 1,
    progress: Announce | None = None,
) -> Sweep:
    """Train every ratio with every seed that nobody has done yet, and write sweep.json.

    Processes that run the same sweep on the same folder, also over a network drive whose locks work, share
    its points; each returns when all points it was asked for are there. What a killed one had begun is taken
    over.

    Args:
        jobs: processes that this call starts; with 1 it trains here. A process that is killed is replaced;
            where a run fails, the others stop, and go on when the sweep is called again.
        progress: called with a title before each run (only where this process trains).

    Raises:
        BadInput: no shares of 0 to 1. What a run raises, told with the run's folder.
        WorkersDied: the processes were killed ``ATTEMPTS`` times in a row before they finished a point.
    """
    if not ratios or not all(0 <= ratio < 1 for ratio in ratios):
        raise BadInput("--ratios", f"{list(ratios)} are no shares of 0 to 1", "give for example 0.2,0.4,0.6")
    out_dir.mkdir(parents=True, exist_ok=True)
    remove_leftovers(out_dir)
    wanted = [(float(ratio), seed) for seed in seeds for ratio in ratios]
    if jobs > 1:
        _train_in_processes(task, out_dir, wanted, jobs)
    else:
        _train_open(task, out_dir, wanted, progress)
    found = collect(task, out_dir)
    write_json(out_dir / RESULT_FILE, asdict(found))
    return found


def _train_in_processes(task: Task, out_dir: Path, wanted: Sequence[Place], jobs: int) -> None:
    attempts = 0
    while True:
        before = len(_open(task, out_dir, wanted))
        try:
            in_processes(jobs, _train_open, (task, out_dir, wanted, None))
            return
        except ProcessDied:
            attempts = attempts + 1 if len(_open(task, out_dir, wanted)) == before else 0
        if attempts == ATTEMPTS:
            reason = f"its processes were killed {ATTEMPTS} times in a row, perhaps for want of memory"
            raise WorkersDied(str(out_dir), reason, "give fewer --jobs; the same command goes on from here")


def _train_open(task: Task, out_dir: Path, wanted: Sequence[Place], progress: Announce | None) -> None:
    """Train points that are open and that no other process holds, until none is open."""
    waiting = False
    while places := _open(task, out_dir, wanted):
        trained = False
        for place in places:
            folder = _folder(out_dir, place)
            with locked(out_dir / LOCKS / folder.name) as mine:
                if mine and _finished(task, folder, place) is None:
                    show = progress(f"ratio {place[0]:.0%}, seed {place[1]}") if progress else None
                    try:
                        point = _train(task, place, folder, show)
                    except EtbError as error:
                        where = f"{folder.name}: {error.where}"
                        raise type(error)(where, error.reason, error.remedy) from error
                    write_json(_file(task, folder), asdict(point))
                    trained, waiting = True, False
        if not trained:
            if progress is not None and not waiting:
                progress(f"waiting for {len(places)} that other processes train")
            waiting = True
            time.sleep(POLL_SECONDS)


def _train(task: Task, place: Place, folder: Path, progress: Callback | None) -> Point:
    ratio, seed = place
    if task.trial is not None:
        return task.trial(ratio, seed, folder, progress)
    training = task.training.model_copy(update={"seed": seed})
    evolution = task.evolution.at_ratio(ratio)
    taught = folder.parent / f"seed-{seed}"  # one teacher for all ratios
    with locked(taught, wait=True):
        teacher = teach(task.model, training, task.dataset, taught, progress)
    result = train(
        task.model, training, evolution, task.dataset, folder, progress, task.cost, teacher=teacher
    )
    assert result is not None
    trained = result.trained
    estimate = dict(task.estimate(trained)) if task.estimate else {}
    return Point(ratio, seed, result.accuracy, parameters(trained.groups), trained.bytes(), estimate)


def _folder(out_dir: Path, place: Place) -> Path:
    return out_dir / f"ratio-{place[0]!r}-seed-{place[1]}"


def _file(task: Task, folder: Path) -> Path:
    """Where a point's result lies; other settings in the same folder have results of their own."""
    return folder / f"point-{task.key[:16]}.json"


def _open(task: Task, out_dir: Path, wanted: Sequence[Place]) -> list[Place]:
    return [place for place in wanted if _finished(task, _folder(out_dir, place), place) is None]


def _finished(task: Task, folder: Path, place: Place) -> Point | None:
    point = _read(_file(task, folder))
    return point if point is not None and (point.ratio, point.seed) == place else None


def _read(path: Path) -> Point | None:
    """A finished point; None where there is none, or a damaged one: it is trained again."""
    try:
        return read_json(path, _POINT)
    except BadInput:
        return None


def collect(task: Task, out_dir: Path) -> Sweep:
    """The finished points of a folder."""
    files = out_dir.glob(f"ratio-*-seed-*/{_file(task, Path()).name}")
    points = [point for point in map(_read, files) if point is not None]
    ordered = tuple(sorted(points, key=lambda point: (point.ratio, point.seed)))
    fronts = {"bytes": pareto(ordered, lambda point: point.bytes)}
    if ordered and all("lut" in point.estimate for point in ordered):
        fronts["lut"] = pareto(ordered, lambda point: point.estimate["lut"])
    return Sweep(task.dataset.source, trainee_of(task.model, task.dataset).groups.name, ordered, fronts)


def pareto(points: Sequence[Point], price: Callable[[Point], float]) -> tuple[Point, ...]:
    """The points that no other point beats in both price and accuracy, by rising price."""
    front: list[Point] = []
    for point in sorted(points, key=lambda point: (price(point), -point.accuracy)):
        if not front or point.accuracy > front[-1].accuracy:
            front.append(point)
    return tuple(front)
