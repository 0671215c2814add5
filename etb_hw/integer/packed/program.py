"""A plan bound to memory; compiled steps follow each other in one call, without Python between them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from etb_hw.integer.packed.loops import executor
from etb_hw.integer.packed.memory import Array, Memory, channels_first
from etb_hw.integer.packed.plan import Plan


class Program:
    """Runs batches of up to ``batch`` images in memory of its own: one thread at a time.

    Attributes:
        memory: holds the plan's tensors after a run.
    """

    def __init__(self, plan: Plan, batch: int) -> None:
        self.batch = batch
        self.memory = Memory(batch, plan.panel_bytes)
        self.memory.forms[plan.input] = plan.source
        self.memory.places[plan.input] = channels_first(plan.source.shape, plan.source.dtype)
        self._execute = executor()
        self._parts: list[Array | Callable[[int], None]] = []
        rows: list[tuple[int, int]] = []
        for step in plan.steps:
            for call in step.bind(self.memory):
                if callable(call):
                    self._end(rows)
                    self._parts.append(call)
                else:
                    operation, record = call
                    rows.append((operation.address, self.memory.keep(record)))
        self._end(rows)

    def _end(self, rows: list[tuple[int, int]]) -> None:
        if rows:
            self._parts.append(np.array(rows, dtype=np.int64))
            rows.clear()

    def run(self, x: Array, out: Array) -> None:
        """Images ``x``, contiguous and of the plan's type, to int64 ``out``, contiguous too."""
        source, target = x.reshape(-1), out.reshape(-1)
        for part in self._parts:
            if callable(part):
                part(len(x))
            else:
                self._execute(part, len(x), source, target)
