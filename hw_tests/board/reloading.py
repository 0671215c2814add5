"""Two networks of one shape, and the hardware of the first: every kind of memory that can be written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from etb_hw.dataflow import DataflowGraph
from etb_hw.dataflow.block import Fold
from etb_hw.dataflow.lower import lower
from etb_hw.dataflow.refold import refold
from etb_hw.integer import ChannelAffine, Conv, IntegerGraph
from hw_tests.networks import NetworkBuilder

FOLDS: Mapping[str, Fold] = {
    "MVAU_hls_0": {"PE": 3, "SIMD": 3},
    "BorderMVAU_rtl_0": {"PE": 2, "SIMD": 3},
    "MVAU_hls_1": {"PE": 6, "SIMD": 6},
    "Thresholding_rtl_0": {"PE": 3},
    "MVAU_hls_2": {"PE": 5, "SIMD": 9, "ram_style": "block"},
    "ChannelwiseOp_hls_0": {"PE": 1},
}


def network(seed: int, *, bias: bool = True, hidden: int = 6) -> IntegerGraph:
    """Bytes, signs with a border of zeros, a sum of two branches, and a constant a class."""
    net = NetworkBuilder((2, 6, 6), seed)
    x = net.pool(net.threshold(net.conv("input", 6)))
    a, b = net.conv(x, hidden), net.conv(x, hidden, kernel=1, pad=0)
    x = net.dense(net.flatten(net.threshold(net.add(a, b))), 5)
    if bias:
        add = np.random.default_rng(seed).integers(-9, 9, 5)
        node = ChannelAffine(name="bias", inputs=(x,), mul=np.ones(5, dtype=np.int64), add=add)
        x = net._add(node, 5)
    graph = net.graph(x)
    nodes = (replace(n, pad_value=0) if isinstance(n, Conv) and n.name == "conv1" else n for n in graph.nodes)
    return replace(graph, nodes=tuple(nodes))


def hardware(
    graph: IntegerGraph, *, registers: bool = False, folded: bool = True, styles: str | None = None
) -> DataflowGraph:
    """Its design with writable weights; with ``folded`` at ``FOLDS``, else one value at a time.

    ``styles``: what all weights are made of.
    """
    design = lower(graph, writable=True)
    if registers:
        design = replace(design, blocks=tuple(block.registered() for block in design.blocks))
    folds = {
        name: fold if styles is None or "MVAU" not in name else {**fold, "ram_style": styles}
        for name, fold in FOLDS.items()
    }
    return refold(design, folds) if folded else design
