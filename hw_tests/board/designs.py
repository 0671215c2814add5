"""Small designs whose streams are narrow, odd and wide."""

from __future__ import annotations

from etb_hw.config import BuildConfig
from etb_hw.dataflow import DataflowGraph
from etb_hw.dataflow.design import design
from etb_hw.integer import IntegerGraph
from hw_tests.networks import NetworkBuilder


def small() -> DataflowGraph:
    """A byte a beat, in and out."""
    net = NetworkBuilder((2, 6, 6))
    x = net.pool(net.threshold(net.conv("input", 6)))
    return design(net.graph(net.dense(net.flatten(x), 5)), BuildConfig(target_fps=50_000)).graph


def colour_network() -> IntegerGraph:
    """What ``colour`` computes."""
    net = NetworkBuilder((3, 4, 4))
    x = net.threshold(net.conv("input", 4))
    return net.graph(net.dense(net.flatten(x), 3))


def colour() -> DataflowGraph:
    """Three bytes a beat in, which no bus has."""
    return design(colour_network(), BuildConfig(target_fps=2_700_000)).graph


def unrolled() -> DataflowGraph:
    """Whole frames of more bytes than a bus has, a beat each."""
    net = NetworkBuilder((21,))
    x = net.threshold(net.dense("input", 8))
    return design(net.graph(net.dense(x, 19)), BuildConfig(target_fps=100_000_000)).graph


def large() -> DataflowGraph:
    """More LUTs than the smallest Zynq has."""
    net = NetworkBuilder((256,))
    x = net.threshold(net.dense("input", 128))
    x = net.threshold(net.dense(x, 128))
    return design(net.graph(net.dense(x, 10)), BuildConfig(target_fps=100_000_000)).graph
