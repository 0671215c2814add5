"""A proof that no fault can fail is none: each is shown a fault that it alone would let through."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from etb_hw.dataflow import DataflowGraph, lower
from etb_hw.dataflow.blocks import Mvau
from etb_hw.flow.proofs import prove_dataflow, prove_packed, prove_rtl, random_inputs
from etb_hw.integer import Dense, IntegerGraph, Threshold
from etb_hw.integer.packed import PackedExecutor
from etb_hw.verification import ProofFailed
from hw_tests.networks import NetworkBuilder


def network() -> IntegerGraph:
    net = NetworkBuilder((2, 4, 4))
    x = net.threshold(net.conv("input", 5))
    return net.graph(net.dense(net.flatten(x), 4))


def with_another_weight(design: DataflowGraph) -> DataflowGraph:
    last = max(i for i, block in enumerate(design.blocks) if isinstance(block, Mvau))
    block = design.blocks[last]
    assert isinstance(block, Mvau)
    weights = block.weights.copy()
    weights[2, 7] *= -1
    changed = replace(block, weights=weights)
    return replace(design, blocks=(*design.blocks[:last], changed, *design.blocks[last + 1 :]))


def test_blocks_with_one_wrong_weight() -> None:
    graph = network()
    design, x = lower(graph), random_inputs(graph)
    assert prove_dataflow(design, graph, x).status == "equal"
    with pytest.raises(ProofFailed, match="channel 2"):
        prove_dataflow(with_another_weight(design), graph, x)


def test_rtl_with_one_wrong_weight() -> None:
    graph = network()
    design, x = lower(graph), random_inputs(graph, 2)
    with pytest.raises(ProofFailed, match="RTL"):
        prove_rtl(with_another_weight(design), graph, x)


@pytest.mark.parametrize("kind", [Dense, Threshold])
def test_a_packed_executor_of_another_graph(kind: type) -> None:
    graph = network()
    packed, x = PackedExecutor(graph), random_inputs(graph)
    assert prove_packed(packed, x).status == "equal"
    node = next(node for node in graph.nodes if isinstance(node, kind))
    if isinstance(node, Dense):
        changed = replace(node, weights=node.weights * np.array([[1], [1], [-1], [1]], dtype=np.int8))
    else:
        assert isinstance(node, Threshold)
        changed = replace(node, thresholds=node.thresholds + 60)
    packed.graph = replace(graph, nodes=tuple(changed if n is node else n for n in graph.nodes))
    with pytest.raises(ProofFailed, match="samples differ"):
        prove_packed(packed, x)
