"""Whether a ``dataflow.onnx`` says one thing: what it means as a design, written again, is the file itself.

The reader takes what it needs and would believe a file that contradicts itself (a weight of 0.5, a matrix of
other sizes than its attributes, wires that cross). Comparing with what the writer makes of the design catches
every such case in one place. Attributes that the writer does not know are ignored, as by the reader.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper

from etb_hw.dataflow.block import Block
from etb_hw.dataflow.graph import DataflowGraph
from etb_hw.dataflow.stream import Stream
from etb_hw.errors import BadInput
from etb_hw.integer.datatype import BIPOLAR

REMEDY = "give the dataflow.onnx as etb-hw run or build wrote it; fold with --folding-config"
MAX_BITS = 32  # of a stream's values: far above what sums of few-bit numbers need
MAX_VALUES = 2**32  # of a frame

Arrays = Mapping[str, NDArray[Any]]


def check_block(block: Block) -> None:
    """Streams that hardware can have, and constants within their types. Raises BadInput."""
    for stream in (*block.inputs, *block.outputs):
        _check_stream(block, stream)
    for suffix, values, dtype in block.finn_node().initializers:
        exact = values.astype(np.float64)  # in float32 the ends of wide types would be others
        fits = (exact >= dtype.min) & (exact <= dtype.max)
        between = dtype == BIPOLAR and (np.abs(exact) != 1).any()
        if not exact.size or not fits.all() or between:
            raise BadInput(f"{block.name}_{suffix}", f"holds no values of {dtype.name}", REMEDY)


def _check_stream(block: Block, stream: Stream) -> None:
    if any(type(size) is not int or size < 1 for size in stream.shape) or prod(stream.shape) > MAX_VALUES:
        raise BadInput(block.name, f"has a stream of shape {stream.shape}", REMEDY)
    if stream.dtype.bits > MAX_BITS:
        raise BadInput(block.name, f"has values of {stream.dtype.bits} bits", REMEDY)


def check_wires(design: DataflowGraph) -> None:
    """One input, one output, each stream read once, and as what was sent. Raises BadInput."""
    names = [block.name for block in design.blocks]
    if len(set(names)) < len(names) or not all(names):
        raise BadInput("the design", "has two blocks of one name, or one without", REMEDY)
    read = [edge.target for edge in design.edges]
    sent = [edge.source for edge in design.edges]
    inputs = sum(len(block.inputs) for block in design.blocks)
    outputs = sum(len(block.outputs) for block in design.blocks)
    if len(set(read)) < len(read) or len(set(sent)) < len(sent):
        raise BadInput("the design", "has a stream that is read twice", REMEDY)
    if inputs - len(read) != 1 or outputs - len(sent) != 1:
        raise BadInput("the design", "has more than one input or output, or none", REMEDY)
    for edge in design.edges:
        try:
            given = design.by_name[edge.source.block].outputs[edge.source.index]
            taken = design.by_name[edge.target.block].inputs[edge.target.index]
        except IndexError:
            raise BadInput(edge.target.block, "has more inputs than such a block", REMEDY) from None
        if prod(given.shape) != prod(taken.shape) or given.dtype != taken.dtype:
            reason = f"reads {taken.shape} {taken.dtype.name}, {edge.source.block} sends "
            raise BadInput(edge.target.block, f"{reason}{given.shape} {given.dtype.name}", REMEDY)


def check_same(found: ModelProto, arrays: Arrays, written: ModelProto, rewritten: Arrays) -> None:
    """The file says what the writer would say of its design. Raises BadInput at the first difference."""
    if [node.name for node in found.graph.node] != [node.name for node in written.graph.node]:
        raise BadInput("the design", "has nodes that are no part of it, or in another order", REMEDY)
    for node, expected in zip(found.graph.node, written.graph.node, strict=True):
        _check_node(node, expected)
    for name, values in rewritten.items():
        if name not in arrays or not np.array_equal(arrays[name], values):
            raise BadInput(name, "holds other values, or another shape, than its node means", REMEDY)
    for side in ("input", "output"):
        ends = [[value.name for value in getattr(m.graph, side)] for m in (found, written)]
        if ends[0] != ends[1]:
            raise BadInput("the design", f"has the {side}s {ends[0]}, its nodes {ends[1]}", REMEDY)


def _check_node(node: NodeProto, expected: NodeProto) -> None:
    if (node.op_type, list(node.input), list(node.output)) != (
        expected.op_type, list(expected.input), list(expected.output),
    ):  # fmt: skip
        raise BadInput(node.name, "is connected in another way than it can be", REMEDY)
    known = {a.name: helper.get_attribute_value(a) for a in expected.attribute}
    for attribute in node.attribute:
        value = helper.get_attribute_value(attribute)
        meant = known.get(attribute.name, value)
        if type(value) is not type(meant) or value != meant:
            raise BadInput(
                f"{node.name}.{attribute.name}",
                f"is {str(value)[:60]}, the rest of the node means {str(meant)[:60]}",
                REMEDY,
            )
