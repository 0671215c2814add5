"""Stream a data set through an engine, batch by batch, and sum up what comes out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from etb_hw.errors import BadInput
from etb_hw.integer import IntegerGraph, reference
from etb_hw.integer.packed import PackedExecutor
from etb_hw.simulate.report import Agreement, Difference, SimulationReport

Engine = Literal["packed", "reference"]
Array: TypeAlias = NDArray[Any]
Data: TypeAlias = Array | Iterable[Array | tuple[Array, Array]]
Expected: TypeAlias = Array | Callable[[Array], Array]

BATCH = {"packed": 256, "reference": 16}
"""Images at a time; the reference holds every window in float64."""


def simulate(
    graph: IntegerGraph,
    data: Data,
    *,
    labels: Array | None = None,
    expected: Expected | None = None,
    engine: Engine = "packed",
    threads: int = 1,
    batch: int | None = None,
    limit: int | None = None,
    progress: Callable[[int, int | None], None] | None = None,
    on_result: Callable[[int, Array], None] | None = None,
) -> SimulationReport:
    """Run a model over a data set of any size in bounded memory: one batch is in memory at a time.

    Args:
        data: integers (N, *input shape), for instance a memory map, or an iterable of batches
            ``x`` or ``(x, labels)``.
        labels: class indices (N,), unless the batches carry them.
        expected: reference outputs, as an array (N, ...) or a function of a batch. Integers are compared
            with the integer results, or with the classes that the network names; floats with the
            dequantized results in its order of axes; all exactly.
        batch: images at a time.
        limit: stop after so many images.
        progress: called with the images done and their number, where known, after every batch.
        on_result: called with the index of a batch's first image and its integer results (n, ...).

    Returns:
        The report. Ctrl-C ends the simulation after the current batch with ``interrupted`` set; what was
        done until then is reported.

    Raises:
        BadInput: data, labels or expected outputs do not fit the model.
    """
    if engine not in BATCH:
        raise BadInput(f"engine {engine!r}", "is not known", f"use one of: {', '.join(BATCH)}")
    size = batch or BATCH[engine]
    run, kernel, compiled = _engine(graph, engine, threads)
    total = _length(data, limit)
    for name, values in (("labels", labels), ("expected outputs", expected)):
        if isinstance(values, np.ndarray) and total is not None and len(values) < total:
            raise BadInput(name, f"there are {len(values)} for {total} images", "give one for each image")
    tally = _Tally(graph)
    seconds, interrupted = 0.0, False
    try:
        for x, y in _batches(data, labels, size, limit):
            start = time.perf_counter()
            result = run(x)
            seconds += time.perf_counter() - start
            begin = tally.images
            tally.add(result, y, _expected(expected, begin, x))
            if on_result is not None:
                on_result(begin, result)
            if progress is not None:
                progress(tally.images, total)
    except KeyboardInterrupt:
        interrupted = True
    return SimulationReport(
        engine=engine,
        kernel=kernel,
        threads=threads,
        images=tally.images,
        seconds=seconds,
        compile_seconds=compiled,
        confusion=tally.confusion,
        agreement=tally.agreement,
        interrupted=interrupted,
    )


def _engine(graph: IntegerGraph, engine: Engine, threads: int) -> tuple[Callable[[Array], Array], str, float]:
    if engine == "packed":
        executor = PackedExecutor(graph, threads)
        return executor.run, executor.kernel, executor.compile_seconds
    return lambda x: reference.execute(graph, x), "numpy", 0.0


def _length(data: Data, limit: int | None) -> int | None:
    if not isinstance(data, np.ndarray):
        return limit
    return len(data) if limit is None else min(limit, len(data))


def _batches(
    data: Data, labels: Array | None, size: int, limit: int | None
) -> Iterator[tuple[Array, Array | None]]:
    """Batches of at most ``size`` images with their labels; only these are read into memory."""
    done = 0
    left = limit if limit is not None else float("inf")
    for piece in (data,) if isinstance(data, np.ndarray) else data:
        images, own = piece if isinstance(piece, tuple) else (piece, None)
        for start in range(0, len(images), size):
            if left <= 0:
                return
            stop = int(min(start + size, len(images), start + left))
            x = np.asarray(images[start:stop])
            y = own[start:stop] if own is not None else None
            if y is None and labels is not None:
                y = labels[done : done + len(x)]
                if len(y) < len(x):
                    raise BadInput("labels", f"end after {len(labels)}", "give one for each image")
            done += len(x)
            left -= len(x)
            yield x, y


def _expected(expected: Expected | None, begin: int, x: Array) -> Array | None:
    if expected is None:
        return None
    return np.asarray(expected(x) if callable(expected) else expected[begin : begin + len(x)])


@dataclass
class _Tally:
    """Running sums over the batches."""

    graph: IntegerGraph
    images: int = 0
    confusion: NDArray[np.int64] | None = None
    compared: int = 0
    mismatches: int = 0
    largest: float = 0.0
    first: Difference | None = None
    seen: bool = field(default=False)

    @property
    def agreement(self) -> Agreement | None:
        return Agreement(self.compared, self.mismatches, self.largest, self.first) if self.seen else None

    def add(self, result: Array, labels: Array | None, expected: Array | None) -> None:
        if labels is not None:
            self._count(result, np.asarray(labels))
        if expected is not None:
            self._compare(result, expected)
        self.images += len(result)

    def _count(self, result: Array, labels: Array) -> None:
        # what the original network would rank: a scale a class may change the order
        scores = self.graph.dequantize(result) if self.graph.dequant.links else result
        scores = scores.reshape(len(scores), -1)
        classes = scores.shape[1]
        if labels.shape != (len(result),) or not np.issubdtype(labels.dtype, np.integer):
            raise BadInput(
                "labels", f"are {labels.dtype} of shape {labels.shape}", "give one class index an image"
            )
        if labels.size and (labels.min() < 0 or labels.max() >= classes):
            wrong = int(np.flatnonzero((labels < 0) | (labels >= classes))[0])
            raise BadInput(
                f"label of image {self.images + wrong}",
                f"is {labels[wrong]}, but the model has {classes} outputs",
                "labels count from 0; is this the data set of this model?",
            )
        if self.confusion is None:
            self.confusion = np.zeros((classes, classes), dtype=np.int64)
        np.add.at(self.confusion, (labels, scores.argmax(axis=1)), 1)

    def _like(self, result: Array, expected: Array) -> Array:
        """The result as what it is compared with: float scores, the best classes, or plain integers."""
        if np.issubdtype(expected.dtype, np.floating):
            return self.graph.laid_out(self.graph.dequantize(result))
        found = self.graph.original(result) if self.graph.top else result
        return found if found.size == expected.size else result

    def _compare(self, result: Array, expected: Array) -> None:
        self.seen = True
        actual = self._like(result, expected)
        if expected.size != actual.size or len(expected) != len(actual):
            raise BadInput(
                "expected outputs",
                f"have shape {expected.shape}, the model's are {actual.shape}",
                "compare with outputs of the same model",
            )
        expected = expected.reshape(actual.shape)
        differs = (actual != expected).reshape(len(actual), -1).any(axis=1)
        self.compared += len(actual)
        if not differs.any():
            return
        self.mismatches += int(differs.sum())
        gap = np.abs(actual.astype(np.float64) - expected.astype(np.float64))
        self.largest = max(self.largest, float(gap.max()))
        if self.first is None:
            place = tuple(int(i) for i in np.argwhere(actual != expected)[0])
            self.first = Difference(
                self.images + place[0], place[1:], float(actual[place]), float(expected[place])
            )
