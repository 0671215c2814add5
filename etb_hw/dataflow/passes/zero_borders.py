"""Zero padding of bipolar tensors in streams: a tensor becomes ternary where it gets a border of zeros.

A stream of one bit carries -1 and +1. Brevitas and PyTorch pad with 0 by default. Where the matrix unit
cannot count border taps for nothing (``BorderMvau``), or FINN shall build the design, a convolution with such
a border reads {-1, 0, +1} in two bits: the quantizer in front sends them at once where nobody else reads it,
and a quantizer that changes no value widens the stream where somebody does.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from etb_hw.config import Builder
from etb_hw.dataflow.blocks.border_mvau import BorderMvau
from etb_hw.integer import nodes as g
from etb_hw.integer.datatype import BIPOLAR, DataType
from etb_hw.integer.graph import IntegerGraph, unused

TERNARY = DataType.parse("TERNARY")
_SUFFIX = ".ternary"


def ternary_borders(graph: IntegerGraph, builder: Builder) -> IntegerGraph:
    """The same network, without a bipolar tensor that is padded with zero.

    Those that our ``BorderMvau`` takes stay as they are, where the builder has it.
    """
    counted = builder == "etb_hw"

    def ternary(node: g.Node) -> bool:
        return zero_border(graph, node) and not (counted and may_be_counted(node))

    nodes: dict[str, g.Node] = {}
    for node in graph.nodes:
        if ternary(node):
            source = node.inputs[0]
            if source != graph.output and all(ternary(reader) for reader in graph.consumers(source)):
                source = _widened(graph, nodes, source)
            else:
                source = _inserted(graph, nodes, source)
            node = replace(node, inputs=(source,))
        nodes[node.name] = node
    return replace(graph, nodes=tuple(nodes.values()))


def may_be_counted(node: g.Node) -> bool:
    """Whether a matrix unit can count the border of this convolution for nothing."""
    assert isinstance(node, g.Conv)
    # a grouped convolution becomes a dense one with zeros
    return node.groups > 1 or BorderMvau.takes(node.weight_dtype, int(node.weights.shape[1]))


def zero_border(graph: IntegerGraph, node: g.Node) -> bool:
    """Whether a node pads a bipolar tensor with zero."""
    return (
        isinstance(node, g.Conv)
        and any(node.pads)
        and node.pad_value == 0
        and graph.types[node.inputs[0]].dtype == BIPOLAR
    )


def _widened(graph: IntegerGraph, nodes: dict[str, g.Node], name: str) -> str:
    """The tensor ``name``, whose readers all want it ternary; its quantizer is changed where there is one."""
    origin = name
    while isinstance(nodes[origin], g.Moving):
        before = nodes[origin].inputs[0]
        if len(graph.consumers(before)) > 1:
            break
        origin = before
    quantizer = nodes[origin]
    if not isinstance(quantizer, g.Threshold):
        return _inserted(graph, nodes, name)
    if quantizer.dtype == BIPOLAR:  # the step from -1 to 0 falls together with the one to +1
        thresholds = np.repeat(quantizer.thresholds, 2, axis=1)
        nodes[origin] = replace(quantizer, thresholds=thresholds, dtype=TERNARY)
    return name


def _inserted(graph: IntegerGraph, nodes: dict[str, g.Node], name: str) -> str:
    """A ternary copy of a bipolar tensor."""
    made = unused(name + _SUFFIX, graph.by_name)
    if made not in nodes:
        thresholds = np.zeros((graph.types[name].channels, 2), dtype=np.int64)
        nodes[made] = g.Threshold(name=made, inputs=(name,), thresholds=thresholds, dtype=TERNARY)
    return made
