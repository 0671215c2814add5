"""The shape of a step, and what a step gets to work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from etb_hw.artifacts import JsonFile, RunFile
from etb_hw.config import Flow
from etb_hw.data import Dataset
from etb_hw.verification import Proof

T = TypeVar("T")


class Observer(Protocol):
    """Who watches a run (the terminal, a notebook, nobody)."""

    def started(self, step: Step) -> None:
        """A step begins."""

    def progress(self, done: int, total: int, fields: dict[str, float], phase: str = "") -> None:
        """Within a step, or a phase of it: ``done`` of ``total`` units, with figures to show."""

    def finished(self, step: Step, seconds: float, proofs: tuple[Proof, ...], resumed: bool) -> None:
        """A step is done; ``resumed`` where its earlier result still held."""


class Silent:
    """An observer that ignores everything."""

    def started(self, step: Step) -> None: ...

    def progress(self, done: int, total: int, fields: dict[str, float], phase: str = "") -> None: ...

    def finished(self, step: Step, seconds: float, proofs: tuple[Proof, ...], resumed: bool) -> None: ...


@dataclass(frozen=True)
class Context:
    """What a step works with.

    Attributes:
        files: what the step declares to read and write; it gets at no other file of the run.
        load_data: reads the data set at the first call and keeps it.
        fresh: set where the user forced the step: earlier partial work is to be dropped.
    """

    flow: Flow
    run_dir: Path
    files: tuple[RunFile, ...]
    observer: Observer
    load_data: Callable[[], Dataset]
    fresh: bool = False

    @property
    def dataset(self) -> Dataset:
        return self.load_data()

    def path(self, file: RunFile) -> Path:
        """Where a file lies."""
        assert file in self.files, f"the step does not declare {file.name}"
        return file.path(self.run_dir)

    def read(self, file: JsonFile[T]) -> T:
        """What an earlier step wrote. Raises BadInput."""
        assert file in self.files, f"the step does not declare {file.name}"
        return file.need(self.run_dir)

    def write(self, file: JsonFile[T], value: T) -> None:
        assert file in self.files, f"the step does not declare {file.name}"
        file.write(self.run_dir, value)


@dataclass(frozen=True)
class Step:
    """A step of the flow.

    Attributes:
        settings: the values of the flow file that the step depends on (JSON-able).
        reads: files of earlier steps it is made from.
        writes: files it leaves in the run folder; they are checked when it ends.
        run: does the work and returns what it proved.
        help: what the other processes do of it where torchrun started several; None: one does it alone.
    """

    name: str
    title: str
    settings: Callable[[Flow], Any]
    reads: tuple[RunFile, ...]
    writes: tuple[RunFile, ...]
    run: Callable[[Context], list[Proof]]
    help: Callable[[Context], object] | None = None
