"""The arithmetic between small constants that exporters leave in the graph: shapes, pads, scales."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

LIMIT = 1 << 16  # elements; shapes are short, and nothing here may allocate much
SHAPE_OPS = (
    "Cast", "Concat", "ConstantOfShape", "Equal", "Gather", "Identity",
    "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze",
)  # fmt: skip
FLOAT_OPS = (
    "Abs", "Add", "Ceil", "Div", "Exp", "Floor", "Log", "Max", "Min", "Mul", "Neg", "Pow", "Reciprocal",
    "Round", "Sqrt", "Sub",
)  # fmt: skip
"""Evaluated by onnxruntime as qonnx does it: libraries differ in the last bit of a power."""


def evaluate(node: onnx.NodeProto, inputs: Sequence[NDArray[np.generic]], opset: int) -> NDArray[np.generic]:
    """The output of a node of SHAPE_OPS or FLOAT_OPS. Raises ValueError: malformed or too large."""
    if node.op_type not in (*SHAPE_OPS, *FLOAT_OPS) or any(a.size > LIMIT for a in inputs):
        raise ValueError("constants are too large to fold")
    if node.op_type in FLOAT_OPS and math.prod(np.broadcast_shapes(*(a.shape for a in inputs))) > LIMIT:
        raise ValueError("constants are too large to fold")
    if node.op_type == "ConstantOfShape" and math.prod(max(0, int(d)) for d in inputs[0]) > LIMIT:
        raise ValueError("constants are too large to fold")
    names = [n for n in node.input if n]
    infos = [
        onnx.helper.make_tensor_value_info(n, onnx.helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
        for n, a in dict(zip(names, inputs, strict=True)).items()
    ]
    result = onnx.ValueInfoProto(name=node.output[0])
    graph = onnx.helper.make_graph([node], "constant", infos, [result])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=8)
    feeds = dict(zip(names, inputs, strict=True))
    try:
        if node.op_type in FLOAT_OPS:
            import onnxruntime

            session = onnxruntime.InferenceSession(
                model.SerializeToString(), providers=["CPUExecutionProvider"]
            )
            (value,) = session.run(None, feeds)
        else:
            (value,) = ReferenceEvaluator(model).run(None, feeds)
    except Exception as error:  # numpy and onnx raise whatever they meet
        raise ValueError(f"cannot be folded ({error})") from error
    return np.asarray(value)


def fold_small_constants(graph: onnx.GraphProto, opset: int) -> None:
    """Replace nodes between small constants by initializers, in one pass.

    qonnx's cleanup folds one node a pass, each with shape inference over all weights: 11 s for a VGG-Small
    with its explicit Pad nodes.
    """
    known = {t.name: t for t in graph.initializer if math.prod(t.dims) <= LIMIT}
    for node in list(graph.node):
        if node.op_type not in (*SHAPE_OPS, *FLOAT_OPS) or not all(n in known for n in node.input):
            continue
        try:
            value = evaluate(node, [onnx.numpy_helper.to_array(known[n]) for n in node.input], opset)
        except ValueError:
            continue
        tensor = onnx.numpy_helper.from_array(value, node.output[0])
        known[tensor.name] = tensor
        graph.initializer.append(tensor)
        graph.node.remove(node)
