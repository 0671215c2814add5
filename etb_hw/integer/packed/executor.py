"""The packed executor: runs an integer graph on bits, in chunks of images, on one or more threads."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from etb_hw.integer import nodes as g
from etb_hw.integer.datatype import DataType
from etb_hw.integer.graph import IntegerGraph
from etb_hw.integer.packed.kernel import Choice, choose
from etb_hw.integer.packed.plan import make_plan
from etb_hw.integer.packed.program import Program
from etb_hw.integer.reference import Trace, check_input

CACHE_BYTES = 2**20
"""What the tensors of a thread's chunk of images may take together: about half of a core's own cache, so that
a layer finds there what the one before has written."""

FEWEST, MOST = 2, 512
"""Images of a chunk: enough to share weights in caches and to forget the overhead of a call, and not so many
that Ctrl-C waits."""

MACS_A_THREAD = 2**28
"""Multiply-accumulates that are worth another thread: about a third of a millisecond."""


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

    def __init__(self, graph: IntegerGraph, threads: int = 1, kernel: Choice = "auto") -> None:
        start = time.perf_counter()
        self.graph = graph
        self.threads = max(1, threads)
        self._kernels = choose(kernel)
        self.kernel = self._kernels[0].name
        self._plan = make_plan(graph, *self._kernels, keep_all=False)
        self._dtype = np.dtype(self._plan.source.dtype)
        # bytes need no look where none of them is wrong, which saves half of the time of a small network
        self._any_byte = graph.input.dtype == DataType.unsigned(8)
        self._shape = graph.types[graph.output].shape
        self._spare: list[Program] = []  # one for each thread that ran at once
        self._macs = sum(
            node.weights.size * graph.types[node.name].pixels
            for node in graph.nodes
            if isinstance(node, g.Conv | g.Dense)
        )
        self._chunk = min(MOST, max(FEWEST, CACHE_BYTES // self._plan.image_bytes))
        self._run_chunk(np.full((1, *graph.input.shape), graph.input.dtype.min, dtype=np.int64))  # compiles
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
        if trace is not None:
            return self._traced(x, trace)
        count = len(x)
        if count <= self._chunk and count * self._macs <= MACS_A_THREAD:
            return self._run_chunk(x)
        check_input(self.graph, x[:0])
        out = np.empty((count, *self._shape), dtype=np.int64)
        threads = min(self.threads, 1 + count * self._macs // MACS_A_THREAD)
        pieces = threads * -(-count // (threads * self._chunk))  # so that threads end together
        chunk = max(1, -(-count // max(1, pieces)))

        def run(start: int) -> None:
            out[start : start + chunk] = self._run_chunk(x[start : start + chunk])

        starts = range(0, count, chunk)
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
        if not (self._any_byte and x.dtype == np.uint8 and x.shape[1:] == self.graph.input.shape):
            check_input(self.graph, x)
        x = np.ascontiguousarray(x, dtype=self._dtype)
        out = np.empty((len(x), *self._shape), dtype=np.int64)
        program = self._spare.pop() if self._spare else None
        if program is None or program.batch < len(x):
            program = Program(self._plan, len(x))
        program.run(x, out)
        self._spare.append(program)
        return out

    def _traced(self, x: g.Ints, trace: Trace) -> NDArray[np.int64]:
        x = np.asarray(x)
        check_input(self.graph, x)
        plan = make_plan(self.graph, *self._kernels, keep_all=True)
        program = Program(plan, len(x))
        program.run(np.ascontiguousarray(x, dtype=self._dtype), np.empty(0, dtype=np.int64))
        tensors = {
            name: _as_tensor(program.memory.arrays[array], self.graph.types[name].shape)
            for name, array in plan.results.items()
        }
        for name, tensor in tensors.items():
            trace(name, tensor)
        return tensors[self.graph.output]


def _as_tensor(array: NDArray[np.generic], shape: g.Shape) -> NDArray[np.int64]:
    return array.transpose(0, 3, 1, 2).reshape(array.shape[0], *shape).astype(np.int64)
