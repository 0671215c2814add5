"""Writes QONNX graphs node by node, for tests that need a graph of a certain form."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import TensorProto, helper, numpy_helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.infer_shapes import InferShapes

QONNX = "qonnx.custom_op.general"
_CUSTOM = {"Quant", "IntQuant", "BipolarQuant", "MultiThreshold", "Trunc"}


class Emitter:
    """Collects nodes and constants; ``model`` closes the graph."""

    def __init__(self, shape: tuple[int, ...], dtype: str | None = None) -> None:
        self.shape = shape
        self.dtype = dtype
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def const(self, values: ArrayLike, kind: type = np.float32) -> str:
        name = f"const_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(values, dtype=kind), name))
        return name

    def node(self, op: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        """A node; the name of its last output."""
        number = len(self.nodes)
        names = [f"t{number}" + (f"_{i}" if outputs > 1 else "") for i in range(outputs)]
        domain = QONNX if op in _CUSTOM else ""
        self.nodes.append(
            helper.make_node(op, list(inputs), names, f"{op}_{number}", domain=domain, **attributes)
        )
        return names[-1]

    def model(
        self,
        output: str,
        kind: int = TensorProto.FLOAT,
        opset: int = 13,
        custom_opset: int = 1,
        shapes: bool = True,
    ) -> onnx.ModelProto:
        """The model; qonnx's executor wants ``shapes`` on its tensors, and takes minutes for thousands."""
        graph = helper.make_graph(
            self.nodes,
            "fuzz",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, *self.shape])],
            [helper.make_tensor_value_info(output, kind, None)],
            initializer=self.initializers,
        )
        if self.dtype is not None:
            pair = onnx.StringStringEntryProto(key="finn_datatype", value=self.dtype)
            graph.quantization_annotation.append(
                onnx.TensorAnnotation(tensor_name="x", quant_parameter_tensor_names=[pair])
            )
        opsets = [helper.make_opsetid("", opset), helper.make_opsetid(QONNX, custom_opset)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        if not shapes:
            return model
        inferred: onnx.ModelProto = ModelWrapper(model).transform(InferShapes()).model
        return inferred
