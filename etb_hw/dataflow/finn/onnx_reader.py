"""``dataflow.onnx`` back into a design: the inverse of the writer, exact."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import ModelProto, numpy_helper

from etb_hw.dataflow.block import Block
from etb_hw.dataflow.blocks import BLOCKS
from etb_hw.dataflow.finn.matches import is_conversion
from etb_hw.dataflow.finn_fields import FinnFields
from etb_hw.dataflow.graph import DataflowGraph, Edge, Port
from etb_hw.dataflow.refold import with_converters
from etb_hw.errors import BadInput, UnsupportedNode
from etb_hw.integer.chain import Chain


def read(path: Path) -> DataflowGraph:
    """A design from a ``dataflow.onnx`` that ``write`` made.

    Raises BadInput for files that are no ONNX or lack what a design needs, UnsupportedNode for foreign nodes.
    """
    try:
        model = onnx.load(str(path))
    except FileNotFoundError:
        raise BadInput(str(path), "does not exist", "give the path of a dataflow.onnx") from None
    except (OSError, DecodeError) as error:
        raise BadInput(str(path), f"is no ONNX file ({error})", "give the path of a dataflow.onnx") from None
    return from_onnx(model)


def from_onnx(model: ModelProto) -> DataflowGraph:
    """A design from an ONNX model in FINN's hardware vocabulary (one that ``to_onnx`` made, or like it)."""
    arrays = {init.name: numpy_helper.to_array(init) for init in model.graph.initializer}
    blocks: list[Block] = []
    makers: dict[str, tuple[Port, int]] = {}
    edges: list[Edge] = []
    for node in model.graph.node:
        if is_conversion(node.name) and node.input[0] in makers:
            makers[node.output[0]] = makers[node.input[0]]
            continue
        reader = _READERS.get(node.op_type)
        if reader is None:
            raise UnsupportedNode(
                node.name or node.op_type,
                f"{node.op_type} is no block of ours",
                "give the dataflow.onnx that etb-hw run or build wrote (not one that FINN went on with)",
            )
        fields = FinnFields(node, arrays)
        try:
            block = reader.from_finn(fields)
        except KeyError as missing:
            raise BadInput(node.name, f"lacks {missing}", "write the file again") from None
        blocks.append(block)
        into, out = fields.get("inFIFODepths", []), fields.get("outFIFODepths", [])
        streams = [name for name in node.input if name not in arrays]
        for i, name in enumerate(streams):
            if name in makers:
                source, depth = makers[name]
                edges.append(Edge(source, Port(node.name, i), max(depth, into[i] if i < len(into) else 2)))
        for i, name in enumerate(node.output):
            makers[name] = (Port(node.name, i), out[i] if i < len(out) else 2)
    notes = {prop.key: prop.value for prop in model.metadata_props}
    dequant = Chain()
    for step in json.loads(notes.get("etb_hw.dequant", "[]")):
        dequant = dequant.then(step["op"], np.array(step["values"], np.float32).reshape(step["shape"]))
    clk_ns = float(notes.get("etb_hw.clk_ns", "10.0"))
    return with_converters(DataflowGraph(tuple(blocks), tuple(edges), dequant, clk_ns))


_READERS: Mapping[str, type[Block]] = {block.OP: block for block in BLOCKS if not block.PLUMBING}
