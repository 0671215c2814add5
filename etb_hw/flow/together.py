"""A run by several processes, started by torchrun: the first one leads, the others help where they can.

The leader runs the flow as one process alone would, and calls the others into each step that it really runs
and that has a ``help``. After the last of these it lets them go, before the long steps that one does alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from types import TracebackType

from etb_hw.flow.step import Context, Step

_GO = -1


class Crew:
    """The processes of a run, seen from any one of them.

    Args:
        device: what the flow trains on.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._there = False
        self._working = False
        self._stack = ExitStack()

    def __enter__(self) -> Crew:
        from etb_hw.training import distributed  # here: the package serves those without torch, too

        self._told = distributed.told
        self._team = self._stack.enter_context(distributed.joined(self._device))
        self._there = self._team.ranks > 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        if self._there and self.leads and not self._working:
            try:
                self.let_go()
            except BaseException as error:  # the others are gone: told like any other loss
                self._stack.__exit__(type(error), error, error.__traceback__)
                raise
        return self._stack.__exit__(kind, value, trace)

    @property
    def leads(self) -> bool:
        return self._team.leads

    def call(self, number: int, step: Step, fresh: bool) -> None:
        """The others are to help in a step, the ``number``-th of the flow. ``fresh`` as in ``Context``."""
        if self._there and step.help is not None:
            self._working = True
            self._told(self._team, [number, fresh])

    def over(self, later: Sequence[Step]) -> None:
        """A step is done; the others are let go where none of the ``later`` ones can be shared."""
        self._working = False
        if self._there and not any(step.help for step in later):
            self.let_go()

    def let_go(self) -> None:
        """There is nothing more to help in; all leave the group."""
        self._there = False
        self._told(self._team, [_GO, 0])
        self._stack.close()

    def help(self, steps: Sequence[Step], context: Callable[[Step, bool], Context]) -> None:
        """Do what the leader calls for, until it lets go. ``context`` makes a step's context."""
        while True:
            number, fresh = self._told(self._team, [_GO, 0])
            if number == _GO:
                return
            help_out = steps[number].help
            assert help_out is not None
            help_out(context(steps[number], bool(fresh)))
