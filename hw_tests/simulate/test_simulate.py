"""Streaming simulation: the same numbers however the data comes, bounded memory, Ctrl-C, honest reports."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from etb_hw.errors import BadInput
from etb_hw.integer import Chain, IntegerGraph
from etb_hw.integer.reference import execute
from etb_hw.simulate import simulate, trace_layer
from hw_tests.networks import conv_net, mlp

COUNT = 70


@pytest.fixture(scope="module")
def graph() -> IntegerGraph:
    return conv_net([16, "pool", 24], [], (3, 8, 8))


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (COUNT, 3, 8, 8), dtype=np.uint8)


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 10, COUNT)


@pytest.mark.parametrize("engine", ["packed", "reference"])
@pytest.mark.parametrize("batch", [1, 7, 64, 1000])
def test_accuracy_and_confusion(
    graph: IntegerGraph, images: np.ndarray, labels: np.ndarray, engine: str, batch: int
) -> None:
    report = simulate(graph, images, labels=labels, engine=engine, batch=batch)  # type: ignore[arg-type]
    predicted = execute(graph, images).argmax(axis=1)
    assert report.accuracy == pytest.approx((predicted == labels).mean())
    assert report.confusion is not None
    for label, guess in ((0, 3), (5, 5), (9, 1)):
        assert report.confusion[label, guess] == ((labels == label) & (predicted == guess)).sum()
    assert report.images == COUNT
    assert report.agreement is None
    assert not report.interrupted
    json.dumps(report.to_json())


def test_data_may_come_in_any_form(
    graph: IntegerGraph, images: np.ndarray, labels: np.ndarray, tmp_path: Path
) -> None:
    np.save(tmp_path / "x.npy", images)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    pieces = [(images[i : i + 13], labels[i : i + 13]) for i in range(0, COUNT, 13)]
    reports = [
        simulate(graph, images, labels=labels),
        simulate(graph, mapped, labels=labels, threads=2, batch=32),
        simulate(graph, iter(pieces)),
        simulate(graph, (x for x, _ in pieces), labels=labels, batch=5),
    ]
    for report in reports:
        np.testing.assert_array_equal(report.confusion, reports[0].confusion)


def test_agreement_with_a_reference(graph: IntegerGraph, images: np.ndarray) -> None:
    expected = execute(graph, images)
    assert simulate(graph, images, expected=expected, batch=9).agreement.exact  # type: ignore[union-attr]
    wrong = expected.copy()
    wrong[11, 4] += 6
    wrong[11, 7] += 1
    wrong[50, 0] -= 20
    found = simulate(graph, images, expected=wrong, batch=9).agreement
    assert found is not None
    assert (found.samples, found.mismatches, found.max_abs_diff) == (COUNT, 2, 20.0)
    assert found.first is not None
    assert (found.first.sample, found.first.index) == (11, (4,))
    assert found.first.expected == wrong[11, 4]
    assert found.first.actual == expected[11, 4]
    assert "sample 11, output [4]" in str(found.first)


def test_floats_are_compared_after_dequantization(graph: IntegerGraph, images: np.ndarray) -> None:
    scaled = IntegerGraph(graph.nodes, graph.output, Chain().then("mul", 0.1).then("add", np.arange(10.0)))
    floats = scaled.dequantize(execute(graph, images))
    assert floats.dtype == np.float32
    report = simulate(scaled, images, expected=lambda x: scaled.dequantize(execute(graph, x)), batch=20)
    assert report.agreement is not None
    assert report.agreement.exact
    labels = floats.argmax(axis=1)
    assert simulate(scaled, images, labels=labels).accuracy == 1.0
    assert not simulate(scaled, images, expected=floats + 1).agreement.exact  # type: ignore[union-attr]


def test_limit_progress_and_results(graph: IntegerGraph, images: np.ndarray) -> None:
    steps: list[tuple[int, int | None]] = []
    results: list[np.ndarray] = []
    report = simulate(
        graph,
        images,
        limit=25,
        batch=10,
        progress=lambda done, total: steps.append((done, total)),
        on_result=lambda start, result: results.append(result),
    )
    assert steps == [(10, 25), (20, 25), (25, 25)]
    assert report.images == 25
    np.testing.assert_array_equal(np.concatenate(results), execute(graph, images[:25]))


def test_memory_is_bounded(graph: IntegerGraph) -> None:
    """A stream of 14 MB never holds more than a few batches."""
    batch = np.random.default_rng(0).integers(0, 256, (500, 3, 8, 8), dtype=np.uint8)
    simulate(graph, batch[:256])
    tracemalloc.start()
    report = simulate(graph, (batch.copy() for _ in range(150)), batch=250)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert report.images == 75_000
    assert peak < 4e6


def test_an_interrupt_reports_what_was_done(
    graph: IntegerGraph, images: np.ndarray, labels: np.ndarray
) -> None:
    def stop(done: int, total: int | None) -> None:
        if done >= 30:
            raise KeyboardInterrupt

    report = simulate(graph, images, labels=labels, batch=10, progress=stop)
    assert report.interrupted
    assert report.images == 30
    assert report.confusion is not None
    assert report.confusion.sum() == 30


@pytest.mark.parametrize("engine", ["packed", "reference"])
def test_every_layer_can_be_traced(graph: IntegerGraph, images: np.ndarray, engine: str) -> None:
    expected: dict[str, np.ndarray] = {}
    execute(graph, images[:3], expected.__setitem__)
    for name, tensor in expected.items():
        got = trace_layer(graph, name, images[:3], engine=engine)  # type: ignore[arg-type]
        np.testing.assert_array_equal(got, tensor, err_msg=name)
    with pytest.raises(BadInput, match="use one of: input, conv0"):
        trace_layer(graph, "conv7", images[:3])


def test_wrong_inputs_are_named(graph: IntegerGraph, images: np.ndarray, labels: np.ndarray) -> None:
    with pytest.raises(BadInput, match="label of image 12: is 10"):
        simulate(graph, images, labels=np.where(np.arange(COUNT) == 12, 10, labels), batch=5)
    with pytest.raises(BadInput, match="there are 69"):
        simulate(graph, images, labels=labels[:-1])
    with pytest.raises(BadInput, match="end after 20"):
        simulate(graph, iter([images]), labels=labels[:20])
    with pytest.raises(BadInput, match="expected outputs"):
        simulate(graph, images, expected=np.zeros((COUNT, 9), dtype=int))
    with pytest.raises(BadInput, match="one class index"):
        simulate(graph, images, labels=np.zeros((COUNT, 10)))
    with pytest.raises(BadInput, match="input data"):
        simulate(graph, images[:, :2])
    with pytest.raises(BadInput, match="engine"):
        simulate(graph, images, engine="magic")  # type: ignore[arg-type]


def test_no_images_are_no_error() -> None:
    report = simulate(mlp(20, (8,)), np.zeros((0, 20), dtype=np.uint8), labels=np.zeros(0, dtype=int))
    assert (report.images, report.accuracy, report.images_per_second) == (0, None, 0.0)
