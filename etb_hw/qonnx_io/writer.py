"""What the writers of ONNX models from integer graphs share: nodes one after another, then the model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import onnx
from onnx import helper

from etb_hw.integer import nodes as g
from etb_hw.integer.graph import IntegerGraph
from etb_hw.qonnx_io.metadata import stamp

OPSET = 13
GENERAL = "qonnx.custom_op.general"


class GraphWriter(ABC):
    """Writes one graph: ``node`` takes each of its nodes in order, ``model`` what they have become."""

    def __init__(self, graph: IntegerGraph) -> None:
        self.graph = graph
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def written(self) -> onnx.ModelProto:
        for node in self.graph.nodes:
            self.node(node)
        return self.model()

    @abstractmethod
    def node(self, node: g.Node) -> None: ...

    @abstractmethod
    def model(self) -> onnx.ModelProto: ...

    def _emit(self, op: str, inputs: list[str], output: str, **attributes: Any) -> None:
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))

    def _finished(
        self,
        stage: str,
        note: str,
        given: onnx.ValueInfoProto,
        result: onnx.ValueInfoProto,
        infos: Sequence[onnx.ValueInfoProto] = (),
        annotations: Sequence[onnx.TensorAnnotation] = (),
    ) -> onnx.ModelProto:
        """The model of all nodes; ``stage`` and ``note`` as ``stamp`` keeps them."""
        proto = helper.make_graph(
            self.nodes, stage, [given], [result], initializer=self.initializers, value_info=infos
        )
        proto.quantization_annotation.extend(annotations)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(GENERAL, 1)]
        model = helper.make_model(proto, opset_imports=opsets, ir_version=8)
        stamp(model, stage, note)
        return model
