"""The few frames that go through the RTL are those that show a wrong bit in its memories."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from etb_hw import data
from etb_hw.config import VerificationConfig, load_flow
from etb_hw.data.dataset import Pixels
from etb_hw.flow.frames import telling
from etb_hw.flow.proofs import random_inputs
from etb_hw.flow.samples import samples
from etb_hw.integer import Conv, Dense, IntegerGraph, Threshold
from etb_hw.integer.reference import execute
from hw_tests.benchmarks.bench_rtl_faults import FLOW
from hw_tests.benchmarks.bench_synth import published_digits
from hw_tests.networks import NetworkBuilder, mlp

COUNT = load_flow(FLOW).verification.rtl_frames


@pytest.fixture(scope="module")
def digits() -> tuple[IntegerGraph, Pixels]:
    """The published network, and the images that the flow may choose from."""
    return published_digits(), samples(data.load(load_flow(FLOW).data), VerificationConfig())


def with_flipped_weight(graph: IntegerGraph, rng: np.random.Generator) -> IntegerGraph:
    """One of all weights, each as likely, is negated."""
    layers = [node for node in graph.nodes if isinstance(node, Conv | Dense)]
    sizes = np.array([node.weights.size for node in layers])
    node = layers[rng.choice(len(layers), p=sizes / sizes.sum())]
    weights = node.weights.copy()
    weights.reshape(-1)[rng.integers(weights.size)] *= -1
    changed = replace(node, weights=weights)
    return replace(graph, nodes=tuple(changed if n is node else n for n in graph.nodes))


def test_chosen_frames_show_nearly_every_wrong_weight(digits: tuple[IntegerGraph, Pixels]) -> None:
    graph, pool = digits
    chosen = pool[telling(graph, pool, COUNT)]
    first = pool[:COUNT]
    rng = np.random.default_rng(11)
    faults = [with_flipped_weight(graph, rng) for _ in range(150)]
    found, by_first = (
        np.mean([(execute(fault, x) != right).any() for fault in faults])
        for x, right in ((chosen, execute(graph, chosen)), (first, execute(graph, first)))
    )
    assert found >= 0.95
    assert found > by_first


def test_every_channel_is_seen_in_both_states(digits: tuple[IntegerGraph, Pixels]) -> None:
    graph, pool = digits

    def states(x: Pixels) -> list[np.ndarray]:
        """By threshold node: which channels are ever low, and which ever high."""
        found: list[np.ndarray] = []

        def look(name: str, tensor: np.ndarray) -> None:
            if isinstance(graph[name], Threshold):
                by_channel = np.moveaxis(tensor, 1, 0).reshape(tensor.shape[1], -1)
                found.extend([by_channel.min(axis=1), by_channel.max(axis=1)])

        execute(graph, x, trace=look)
        return found

    for few, all_of_them in zip(states(pool[telling(graph, pool, COUNT)]), states(pool), strict=True):
        np.testing.assert_array_equal(few, all_of_them)


def test_choices_are_the_same_at_every_call_and_never_twice() -> None:
    graph = mlp()
    pool = random_inputs(graph, 6)
    chosen = telling(graph, pool, 5)
    assert len(set(chosen.tolist())) == 5
    np.testing.assert_array_equal(telling(graph, pool, 5), chosen)
    np.testing.assert_array_equal(telling(graph, pool, 3), chosen[:3])
    assert sorted(telling(graph, pool, 100)) == list(range(len(pool)))


def test_a_network_without_thresholds_takes_any() -> None:
    net = NetworkBuilder((2, 3, 3))
    graph = net.graph(net.dense(net.flatten("input"), 4))
    assert len(telling(graph, random_inputs(graph, 6), 3)) == 3
