"""Many runs: the shapes of ``sweep.json`` and ``baselines.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Method: TypeAlias = Literal[
    "dense", "small", "shaped", "l1 open", "random open", "l1", "random", "etb", "etb fixed", "etb widths"
]
TITLES: Mapping[Method, str] = {
    "dense": "dense, unpruned",
    "small": "small dense, same size, from scratch",
    "shaped": "small dense, narrowed as ETB's caps are, from scratch",
    "l1 open": "L1-ranked pruning, no caps",
    "random open": "random pruning, no caps",
    "l1": "L1-ranked pruning, ETB's caps",
    "random": "random pruning, ETB's caps",
    "etb": "ETB",
    "etb fixed": "ETB, thresholds not trained",
    "etb widths": "dense with the widths ETB found, from scratch",
}


@dataclass(frozen=True)
class Point:
    """A finished run of a sweep.

    Attributes:
        estimate: hardware figures by name (lut, fps, ...).
        folder: where the run lies within the sweep's folder; empty where it kept nothing but its figures.
    """

    ratio: float
    seed: int
    accuracy: float
    parameters: int
    bytes: int
    estimate: Mapping[str, float] = field(default_factory=dict)
    folder: str = ""


@dataclass(frozen=True)
class Sweep:
    """All points, and the Pareto fronts of accuracy against bytes and, if estimated, LUT."""

    source: str
    model: str
    points: tuple[Point, ...]
    fronts: Mapping[str, tuple[Point, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class BaselineRun:
    """A run of a comparison with baselines; ``estimate`` as of a ``Point``."""

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
    runs: tuple[BaselineRun, ...]

    def of(self, method: Method) -> tuple[BaselineRun, ...]:
        return tuple(run for run in self.runs if run.method == method)


Trained: TypeAlias = Point | BaselineRun
