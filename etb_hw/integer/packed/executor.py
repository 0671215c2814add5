"""The packed executor: runs an integer graph on bits, in chunks of images, on one or more threads."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from etb_hw.integer import graph as g
from etb_hw.integer.packed.kernel import Choice, choose
from etb_hw.integer.packed.plan import Plan, make_plan
from etb_hw.integer.packed.steps import Workspace
from etb_hw.integer.reference import Trace, check_input

CHUNK_VALUES = 2**21
"""Values of the largest tensor that a thread takes at a time: enough images to share weights in caches
and to forget the overhead of a call, few enough to bound memory."""

MACS_A_THREAD = 2**25
"""Multiply-accumulates that are worth another thread: about a tenth of a millisecond."""


class PackedExecutor:
    """Executes an integer graph with XNOR-popcount kernels, bit for bit as `integer.reference.execute`.

    Args:
        graph: the network.
        threads: how many chunks of images run at once, where there is work for so many.
        kernel: ``auto`` takes the fastest that this CPU has; a name asks for one (see `kernel.KERNELS`).

    Attributes:
        kernel: name of the binary kernel in use.
        compile_seconds: time spent to compile or load machine code, and to pack the weights.

    Raises:
        BadInput: shapes of the graph do not fit, or the CPU lacks the kernel that was asked for.
    """

    def __init__(self, graph: g.IntegerGraph, threads: int = 1, kernel: Choice = "auto") -> None:
        start = time.perf_counter()
        self.graph = graph
        self.threads = max(1, threads)
        self._kernels = choose(kernel)
        self.kernel = self._kernels[0].name
        self._plan = make_plan(graph, *self._kernels, keep_all=False)
        self._traced: Plan | None = None
        self._spare: list[Workspace] = []  # one for each thread that ran at once
        largest = max(int(np.prod(kind.shape)) for kind in graph.types.values())
        self._macs = sum(
            node.weights.size * graph.types[node.name].pixels
            for node in graph.nodes
            if isinstance(node, g.Conv | g.Dense)
        )
        self._chunk = min(512, max(16, CHUNK_VALUES // largest))
        lowest = graph.input.dtype.min
        self._run_chunk(np.full((1, *graph.input.shape), lowest, dtype=np.int64))  # compiles
        self.compile_seconds = time.perf_counter() - start

    def run(self, x: g.Ints, trace: Trace | None = None) -> NDArray[np.int64]:
        """Run a batch.

        Args:
            x: integers (N, *input shape) within the input's data type; may be a memory map.
            trace: called with each node's name and int64 tensor (N, ...) in order; nothing is fused then
                and the batch runs in one piece.

        Returns:
            The integer result, int64 (N, ...).
        """
        check_input(self.graph, x[:0] if trace is None else x)
        shape = self.graph.types[self.graph.output].shape
        if trace is not None:
            if self._traced is None:
                self._traced = make_plan(self.graph, *self._kernels, keep_all=True)
            arrays = _execute(self._traced, x, Workspace())
            for name, array in self._traced.results.items():
                trace(name, _as_tensor(arrays[array], self.graph.types[name].shape))
            return _as_tensor(arrays[self._traced.results[self.graph.output]], shape)
        out = np.empty((x.shape[0], *shape), dtype=np.int64)

        threads = min(self.threads, 1 + x.shape[0] * self._macs // MACS_A_THREAD)
        chunk = max(1, min(self._chunk, -(-x.shape[0] // threads)))

        def run(start: int) -> None:
            out[start : start + chunk] = self._run_chunk(x[start : start + chunk])

        starts = range(0, x.shape[0], chunk)
        if threads == 1 or len(starts) <= 1:
            for start in starts:
                run(start)
        else:
            pool = ThreadPoolExecutor(threads)
            try:
                list(pool.map(run, starts))
            finally:
                pool.shutdown(cancel_futures=True)  # Ctrl-C waits for the chunks in work, not for all
        return out

    def _run_chunk(self, x: g.Ints) -> NDArray[np.int64]:
        x = np.asarray(x)
        check_input(self.graph, x)
        work = self._spare.pop() if self._spare else Workspace()
        arrays = _execute(self._plan, x, work)
        output = self.graph.output
        result = _as_tensor(arrays[self._plan.results[output]], self.graph.types[output].shape)
        self._spare.append(work)
        return result


def _execute(plan: Plan, x: g.Ints, work: Workspace) -> dict[str, NDArray[np.generic]]:
    """All arrays that are results of the plan, by name."""
    batch = x.shape[0]
    work.begin(batch)
    image = x.reshape(batch, *x.shape[1:], *(1,) * (4 - x.ndim)).transpose(0, 2, 3, 1)
    arrays: dict[str, NDArray[np.generic]] = {plan.input: image}
    for i, step in enumerate(plan.steps):
        arrays[step.name] = step.run([arrays[name] for name in step.inputs], work)
        for name in step.inputs:
            if plan.last_use[name] == i:
                arrays.pop(name, None)
    return arrays


def _as_tensor(array: NDArray[np.generic], shape: g.Shape) -> NDArray[np.int64]:
    return array.transpose(0, 3, 1, 2).reshape(array.shape[0], *shape).astype(np.int64)
