"""A Clip between QuantizeLinear and DequantizeLinear makes fewer bits of its integers: it joins the first."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping

import onnx
from onnx import helper

from etb_hw.qonnx_io.endings import remove
from etb_hw.qonnx_io.model_file import to_array
from etb_hw.qonnx_io.ops.qdq import HIGH, LOW


def merged_clips(model: onnx.ModelProto) -> onnx.ModelProto:
    """The network with each such Clip as bounds of the QuantizeLinear in front of it.

    Those whose integers somebody else reads, too, stay. Returns the same model where there are none.
    """
    graph = model.graph
    makers = {node.output[0]: node for node in graph.node if node.op_type == "QuantizeLinear" and node.output}
    read = Counter(name for node in graph.node for name in node.input)
    read.update(output.name for output in graph.output)
    written = Counter(name for node in graph.node for name in node.output)  # twice, in a damaged file
    known = _constants(graph)
    found = {
        node.output[0]: bounds
        for node in graph.node
        if node.op_type == "Clip" and node.input and node.input[0] in makers and read[node.input[0]] == 1
        if node.output and written[node.input[0]] == written[node.output[0]] == 1
        if (bounds := _bounds(known, node)) is not None
    }
    if not found:
        return model
    made = copy.deepcopy(model)
    for output, (low, high) in found.items():
        clip = next(node for node in made.graph.node if output in node.output)
        source = next(node for node in made.graph.node if clip.input[0] in node.output)
        source.attribute.extend([helper.make_attribute(LOW, low), helper.make_attribute(HIGH, high)])
        remove(made.graph, output, clip.input[0])
    return made


def _constants(graph: onnx.GraphProto) -> dict[str, onnx.TensorProto]:
    """The tensors that stand in the file."""
    known = {tensor.name: tensor for tensor in graph.initializer}
    nodes = (node for node in graph.node if node.op_type == "Constant" and node.output)
    return known | {node.output[0]: a.t for node in nodes for a in node.attribute if a.name == "value"}


def _bounds(known: Mapping[str, onnx.TensorProto], node: onnx.NodeProto) -> tuple[float, float] | None:
    """What a Clip bounds by; None where it does not stand in the file as two numbers."""
    found = [to_array(known[name]).reshape(-1) for name in node.input[1:3] if name in known]
    if len(found) != 2 or any(bound.size != 1 for bound in found):
        return None
    return float(found[0][0]), float(found[1][0])
