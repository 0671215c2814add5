"""A file for batches of a size, also where an exporter left the arithmetic of shapes in it."""

from __future__ import annotations

import copy

import numpy as np
import onnx
from onnx import numpy_helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.infer_shapes import InferShapes

from etb_hw.qonnx_io.small_constants import fold_small_constants


def with_batch(model: onnx.ModelProto, batch: int) -> onnx.ModelProto:
    """A copy that takes ``batch`` samples at once; shapes between its nodes are to be inferred again.

    The first number of a Reshape's constant shape is the batch, but not where constants are reshaped (the
    widths of a border, weights); what is computed of small constants alone is folded.
    """
    model = copy.deepcopy(model)
    graph = model.graph
    _hold_constants(graph)
    fold_small_constants(graph, _opset(model))
    graph.input[0].type.tensor_type.shape.dim[0].dim_value = batch
    graph.output[0].type.tensor_type.ClearField("shape")
    graph.ClearField("value_info")
    initializers = {tensor.name: tensor for tensor in graph.initializer}
    constant = set(initializers)
    for node in graph.node:
        if all(name in constant for name in node.input if name):
            constant.update(node.output)
        elif node.op_type == "Reshape" and node.input[1] in initializers:
            shape = numpy_helper.to_array(initializers[node.input[1]]).copy()
            shape[0] = batch
            node.input[1] = f"{node.output[0]}_shape_of_batch"
            graph.initializer.append(numpy_helper.from_array(shape, node.input[1]))
    return model


def with_shapes(model: onnx.ModelProto) -> ModelWrapper:
    """The model with a shape on every tensor; shapes that it computes of known ones are folded."""
    while True:
        wrapped = ModelWrapper(model).transform(InferShapes())
        model = wrapped.model
        if not _hold_shapes(wrapped):
            return wrapped
        fold_small_constants(model.graph, _opset(model))


def _hold_constants(graph: onnx.GraphProto) -> None:
    """Constant nodes of tensors become initializers."""
    for node in [node for node in graph.node if node.op_type == "Constant"]:
        values = [a.t for a in node.attribute if a.name == "value"]
        if values:
            tensor = copy.deepcopy(values[0])
            tensor.name = node.output[0]
            graph.initializer.append(tensor)
            graph.node.remove(node)


def _hold_shapes(wrapped: ModelWrapper) -> bool:
    """Shapes that are known become initializers; whether there was one."""
    graph = wrapped.graph
    known = []
    for node in graph.node:
        shape = wrapped.get_tensor_shape(node.input[0]) if node.op_type == "Shape" else None
        if shape and min(shape) > 0 and not node.attribute:
            known.append((node, shape))
    for node, shape in known:
        graph.initializer.append(numpy_helper.from_array(np.array(shape, dtype=np.int64), node.output[0]))
        graph.node.remove(node)
    return bool(known)


def _opset(model: onnx.ModelProto) -> int:
    return next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 13)
