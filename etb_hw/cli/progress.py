"""How far a command is, on standard error: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

EVERY = 20.0  # seconds between two lines in a log


class Silence:
    """No progress is shown."""

    def __enter__(self) -> Silence:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def stage(self, title: str) -> None:
        """What is being done from now on."""

    def update(self, done: float, total: float, figures: str = "") -> None:
        """How far that is."""


class Bar(Silence):
    """A bar that disappears when all is done."""

    def __init__(self, title: str) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[figures]}", markup=False),
            console=Console(stderr=True, markup=False, emoji=False),
            transient=True,
        )
        self._task = self._progress.add_task(title, total=None, figures="")

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def stage(self, title: str) -> None:
        self._progress.reset(self._task, description=title, total=None, figures="")

    def update(self, done: float, total: float, figures: str = "") -> None:
        self._progress.update(self._task, completed=done, total=total, figures=figures)


class Lines(Silence):
    """A line at each stage, and one every ``EVERY`` seconds while it lasts.

    Args:
        title: the first stage; it gets its line only when it lasts.
        chatty: a line at each update, too.
    """

    def __init__(self, title: str, chatty: bool = False) -> None:
        self._title, self._chatty = title, chatty
        self._state = ""
        self._begin = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Lines:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def stage(self, title: str) -> None:
        self._title, self._state, self._begin = title, "", time.monotonic()
        self._say(title)

    def update(self, done: float, total: float, figures: str = "") -> None:
        self._state = f"{done:,.0f} of {total:,.0f}" + (f", {figures}" if figures else "")
        if self._chatty:
            self._say(self._line())

    def _tick(self) -> None:
        while not self._over.wait(EVERY):
            self._say(self._line())

    def _line(self) -> str:
        state = f": {self._state}" if self._state else ""
        return f"{self._title}{state} ({time.monotonic() - self._begin:.0f} s)"

    @staticmethod
    def _say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)
