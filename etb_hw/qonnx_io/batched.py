"""A file for batches of a size, also where an exporter left the arithmetic of shapes in it."""

from __future__ import annotations

import copy

import onnx
from onnx import numpy_helper

from etb_hw.qonnx_io.model_file import network_input

_SHAPES = {"Reshape": 1, "Resize": 3}  # which input of an op is a shape


def with_batch(model: onnx.ModelProto, batch: int) -> onnx.ModelProto:
    """A copy that takes ``batch`` samples at once, by one input; shapes in between are to be inferred again.

    The first number of a Reshape's (or Resize's) constant shape is the batch, but not where constants are
    reshaped (the widths of a border, weights), which qonnx's own ChangeBatchSize does not tell apart.
    """
    model = copy.deepcopy(model)
    graph = model.graph
    _hold_constants(graph)
    given = network_input(graph)
    given.type.tensor_type.shape.dim[0].dim_value = batch
    for other in [other for other in graph.input if other.name != given.name]:
        graph.input.remove(other)
    graph.output[0].type.tensor_type.ClearField("shape")
    graph.ClearField("value_info")
    initializers = {tensor.name: tensor for tensor in graph.initializer}
    constant = set(initializers)
    for node in graph.node:
        if all(name in constant for name in node.input if name):
            constant.update(node.output)
            continue
        at = _SHAPES.get(node.op_type)
        if at is not None and len(node.input) > at and node.input[at] in initializers:
            if any(attribute.name == "axes" for attribute in node.attribute):
                continue  # of some axes, the batch not among them
            shape = numpy_helper.to_array(initializers[node.input[at]]).copy()
            shape[0] = batch
            node.input[at] = f"{node.output[0]}_shape_of_batch"
            graph.initializer.append(numpy_helper.from_array(shape, node.input[at]))
    return model


def _hold_constants(graph: onnx.GraphProto) -> None:
    """Constant nodes of tensors become initializers."""
    for node in [node for node in graph.node if node.op_type == "Constant"]:
        values = [a.t for a in node.attribute if a.name == "value"]
        if values:
            tensor = copy.deepcopy(values[0])
            tensor.name = node.output[0]
            graph.initializer.append(tensor)
            graph.node.remove(node)
