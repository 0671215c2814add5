"""Each pass in front of lowering gives another graph of the same function."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from etb_hw.dataflow.passes import PASSES, Pass
from etb_hw.errors import UnsupportedNode
from etb_hw.integer.graph import IntegerGraph
from etb_hw.integer.reference import execute
from hw_tests.integer.random_graphs import integers, random_graph

SEEDS = range(300)


@pytest.mark.parametrize("change", PASSES, ids=lambda change: change.__name__)
def test_a_pass_keeps_the_function(change: Pass) -> None:
    changed = 0
    for seed in SEEDS:
        graph = random_graph(seed)
        try:
            made = change(graph, "finn")  # ours leaves more as it is
        except UnsupportedNode:  # channels of pixels that have no filters to put in another order
            continue
        x = integers(np.random.default_rng(seed), graph.input.dtype, (2, *graph.input.shape))
        np.testing.assert_array_equal(execute(made, x), execute(graph, x), err_msg=f"seed {seed}")
        changed += made.nodes != graph.nodes
    assert changed >= 3, "these graphs have nothing for it to do"


def _renamed(graph: IntegerGraph, names: dict[str, str]) -> IntegerGraph:
    nodes = tuple(
        replace(node, name=names[node.name], inputs=tuple(names[name] for name in node.inputs))
        for node in graph.nodes
    )
    return replace(graph, nodes=nodes, output=names[graph.output])


@pytest.mark.parametrize("change", PASSES, ids=lambda change: change.__name__)
def test_a_pass_makes_no_name_that_the_network_has(change: Pass) -> None:
    for seed in SEEDS:
        graph = random_graph(seed)
        try:
            made = change(graph, "finn")
        except UnsupportedNode:
            continue
        x = integers(np.random.default_rng(seed), graph.input.dtype, (2, *graph.input.shape))
        wanted = execute(graph, x)
        for added in made.by_name.keys() - graph.by_name.keys():
            for other in graph.nodes[1:]:
                named = {node.name: node.name for node in graph.nodes} | {other.name: added}
                got = execute(change(_renamed(graph, named), "finn"), x)
                np.testing.assert_array_equal(got, wanted, err_msg=f"seed {seed}, {added}")
