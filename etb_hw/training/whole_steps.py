"""Steps of a training run are whole or have not been: only between two of them may its state be saved.

A weight update without its count of steps, or half a network slimmed, would resume as another run. So the
first Ctrl-C waits for the end of the step. A second one ends at once, and so does an error; the state that
was saved before then stays what a resumed run begins with.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class WholeSteps:
    """Whether the run stands between two steps, and whether somebody wants it to stop.

    Several processes that train together (``alone`` is False) must stop after the same step: an interrupt is
    then only noted (``asked``), and all of them stop where they have agreed to (``agree``).
    """

    def __init__(self, alone: bool = True) -> None:
        self.whole = True
        self.alone = alone
        self.asked = False
        self._agreed = False

    @contextmanager
    def one(self) -> Iterator[None]:
        """A step: an interrupt that comes while it runs is raised when it is done."""
        self.whole = False
        yield
        self.whole = True
        if self.asked if self.alone else self._agreed:
            self.asked = False
            raise KeyboardInterrupt

    def agree(self, stop: bool) -> None:
        """Within a step: whether any of the processes was asked to stop."""
        self._agreed = stop

    def interrupt(self, number: int, frame: FrameType | None) -> None:
        """Ctrl-C: once waits for the end of the step, twice does not."""
        if self.alone and (self.whole or self.asked):
            raise KeyboardInterrupt
        self.asked = True


@contextmanager
def whole_steps(alone: bool = True) -> Iterator[WholeSteps]:
    """Watches Ctrl-C where the main thread may; in another thread it only keeps count."""
    steps = WholeSteps(alone)
    if threading.current_thread() is not threading.main_thread():
        yield steps
        return
    before = signal.signal(signal.SIGINT, steps.interrupt)
    try:
        yield steps
    finally:
        signal.signal(signal.SIGINT, before)
