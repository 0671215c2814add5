"""Each pass in front of lowering gives another graph of the same function."""

from __future__ import annotations

import numpy as np
import pytest

from etb_hw.dataflow.passes import PASSES, Pass
from etb_hw.errors import UnsupportedNode
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
