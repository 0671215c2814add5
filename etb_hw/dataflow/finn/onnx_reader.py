"""``dataflow.onnx`` back into a design: the inverse of the writer, exact."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto

from etb_hw.dataflow.block import Block
from etb_hw.dataflow.blocks import BLOCKS
from etb_hw.dataflow.finn.check import REMEDY, check_block, check_same, check_wires
from etb_hw.dataflow.finn.matches import is_conversion
from etb_hw.dataflow.finn.onnx_writer import to_onnx
from etb_hw.dataflow.finn_fields import FinnFields
from etb_hw.dataflow.graph import DataflowGraph, Edge, Port
from etb_hw.dataflow.refold import with_converters
from etb_hw.errors import BadInput, UnsupportedNode
from etb_hw.integer.chain import Chain, Op
from etb_hw.qonnx_io.model_file import MAPPED, read_model, to_array

MAX_DEPTH = 2**24  # beats of a FIFO


def read(path: Path) -> DataflowGraph:
    """A design from a ``dataflow.onnx`` that ``write`` made.

    Raises BadInput for files that are no ONNX, lack what a design needs or contradict themselves,
    UnsupportedNode for foreign nodes.
    """
    return from_onnx(read_model(path, "give the path of a dataflow.onnx"), str(path))


def from_onnx(model: ModelProto, where: str = "the design") -> DataflowGraph:
    """A design from an ONNX model in FINN's hardware vocabulary, as ``to_onnx`` makes it.

    Raises as ``read``.
    """
    arrays = {init.name: to_array(init) for init in model.graph.initializer}
    blocks: list[Block] = []
    makers: dict[str, tuple[Port, int]] = {}
    edges: list[Edge] = []
    for node in model.graph.node:
        if is_conversion(node.name) and node.input and node.output and node.input[0] in makers:
            makers[node.output[0]] = makers[node.input[0]]
            continue
        block, into, out = _block(node, arrays, where)
        blocks.append(block)
        streams = [name for name in node.input if name not in arrays]
        for i, name in enumerate(streams):
            if name in makers:
                source, depth = makers[name]
                edges.append(Edge(source, Port(node.name, i), max(depth, into[i] if i < len(into) else 2)))
        for i, name in enumerate(node.output):
            makers[name] = (Port(node.name, i), out[i] if i < len(out) else 2)
    dequant, clk_ns = _notes(model, where)
    plain = DataflowGraph(tuple(blocks), tuple(edges), dequant, clk_ns)
    check_wires(plain)
    design = with_converters(plain)
    written = to_onnx(design)
    check_same(model, arrays, written, {init.name: to_array(init) for init in written.graph.initializer})
    return design


def _block(
    node: NodeProto, arrays: Mapping[str, NDArray[Any]], where: str
) -> tuple[Block, list[int], list[int]]:
    """The block that a node is, and the depths of the FIFOs before and behind it."""
    reader = _READERS.get(node.op_type)
    if reader is None and not node.domain.startswith(MAPPED):
        reason = f"holds a network ({node.op_type} is an operation of one), not a mapped design"
        raise UnsupportedNode(where, reason, "map it first, by etb-hw build, and give its dataflow.onnx")
    if reader is None:
        raise UnsupportedNode(
            f"{where}: {node.name or node.op_type}",
            f"{node.op_type} is no block of ours",
            "give the dataflow.onnx that etb-hw run or build wrote (not one that FINN went on with)",
        )
    fields = FinnFields(node, arrays)
    try:
        block = reader.from_finn(fields)
        check_block(block)
        return block, _depths(fields, "inFIFODepths"), _depths(fields, "outFIFODepths")
    except KeyError as missing:
        raise BadInput(node.name, f"lacks {missing}", REMEDY) from None
    except (TypeError, ValueError, AttributeError, IndexError, ArithmeticError, AssertionError) as error:
        # what an attribute of another type or a size out of this world does in the block's own arithmetic
        raise BadInput(node.name, f"cannot be a {node.op_type} ({error})", REMEDY) from None


def _depths(fields: FinnFields, key: str) -> list[int]:
    depths = [int(depth) for depth in fields.get(key, [])]
    if not all(0 <= depth <= MAX_DEPTH for depth in depths):
        raise ValueError(f"{key} {depths}")
    return depths


def _notes(model: ModelProto, where: str) -> tuple[Chain, float]:
    """The chain from integers to the network's output, and the clock period."""
    notes = {prop.key: prop.value for prop in model.metadata_props}
    try:
        dequant = Chain()
        for step in json.loads(notes.get("etb_hw.dequant", "[]")):
            constant = np.array(step["values"], np.float32).reshape(step["shape"])
            if step["op"] not in get_args(Op) or not np.isfinite(constant).all():
                raise ValueError(str(step)[:60])
            dequant = dequant.then(step["op"], constant)
        clk_ns = float(notes.get("etb_hw.clk_ns", "10.0"))
        if not 0 < clk_ns < 1e9:
            raise ValueError(f"a clock of {clk_ns} ns")
    except (KeyError, TypeError, ValueError, AssertionError, RecursionError) as error:
        raise BadInput(f"{where}: its notes (metadata_props)", f"cannot be read ({error})", REMEDY) from None
    return dequant, clk_ns


_READERS: Mapping[str, type[Block]] = {block.OP: block for block in BLOCKS if not block.PLUMBING}
