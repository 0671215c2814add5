"""What a simulation found out."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Difference:
    """The first value that is not as expected: ``index`` is its place in the sample's output."""

    sample: int
    index: tuple[int, ...]
    actual: float
    expected: float

    def __str__(self) -> str:
        place = ", ".join(map(str, self.index))
        return f"sample {self.sample}, output [{place}]: {self.actual:g} instead of {self.expected:g}"


@dataclass(frozen=True)
class Agreement:
    """How far the outputs are those of the reference: ``mismatches`` counts samples."""

    samples: int
    mismatches: int
    max_abs_diff: float
    first: Difference | None

    @property
    def exact(self) -> bool:
        return self.mismatches == 0


@dataclass(frozen=True, eq=False)
class SimulationReport:
    """Results of `simulate`.

    Attributes:
        engine: ``reference`` or ``packed``; ``kernel`` is the packed engine's, else "numpy".
        images: how many were simulated; fewer than there are if ``interrupted``.
        seconds: time inside the engine, without reading data; ``compile_seconds`` come on top.
        confusion: int64 (classes, classes), rows are labels, columns predictions; None without labels.
        agreement: against the reference outputs; None without them.
        interrupted: whether Ctrl-C ended the simulation early.
    """

    engine: str
    kernel: str
    threads: int
    images: int
    seconds: float
    compile_seconds: float
    confusion: NDArray[np.int64] | None
    agreement: Agreement | None
    interrupted: bool

    @property
    def accuracy(self) -> float | None:
        """Share of images whose largest output is at their label; None without labels or images."""
        if self.confusion is None or not self.confusion.sum():
            return None
        return float(np.trace(self.confusion) / self.confusion.sum())

    @property
    def images_per_second(self) -> float:
        return self.images / self.seconds if self.seconds else 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return {
            "engine": self.engine,
            "kernel": self.kernel,
            "threads": self.threads,
            "images": self.images,
            "seconds": self.seconds,
            "compile_seconds": self.compile_seconds,
            "images_per_second": self.images_per_second,
            "accuracy": self.accuracy,
            "confusion": None if self.confusion is None else self.confusion.tolist(),
            "agreement": None if self.agreement is None else asdict(self.agreement),
            "interrupted": self.interrupted,
        }
