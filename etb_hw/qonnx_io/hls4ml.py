"""The variant of a network that hls4ml reads: Quant nodes over integers, borders of zeros, no BatchNorm.

hls4ml (1.3.0) takes a Pad of zeros only, sets BipolarQuant weights of dense layers behind signs to +1, and
gives what it infers no type for (BatchNorms, sums of such weights) a default that overflows. Here signs are
stored as bits, 0 for -1, so that a border of -1 is one of zeros; weights take the factor of two that this
costs, biases the rest. Thresholds are biases too, and a sign is what a Quant of one bit saturates to. All of
it is exact, and hls4ml infers every width.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from etb_hw.errors import UnsupportedNode
from etb_hw.files import write_bytes
from etb_hw.integer import nodes as g
from etb_hw.integer.datatype import BIPOLAR, DataType
from etb_hw.integer.graph import IntegerGraph
from etb_hw.qonnx_io.writer import GENERAL, GraphWriter

TERNARY = DataType.parse("TERNARY")


def export_hls4ml(graph: IntegerGraph, path: Path | str) -> None:
    """Write a graph as hls4ml reads it: integer inputs (1, C, H, W) or (1, C), integer scores (1, classes).

    Scores are the graph's own, before the float factors of the original network. Raises UnsupportedNode,
    before writing.
    """
    write_bytes(Path(path), hls4ml_model(graph).SerializeToString())


def hls4ml_model(graph: IntegerGraph) -> onnx.ModelProto:
    """Conv, or MatMul and Add, with weights and biases from Quant; Quant as activation; MaxPool; Flatten."""
    return _Writer(graph).written()


class _Writer(GraphWriter):
    def __init__(self, graph: IntegerGraph) -> None:
        super().__init__(graph)
        self.as_bits: set[str] = set()  # bipolar tensors whose values v are stored as (v + 1) / 2
        self.folded: dict[str, str] = {}  # what is part of the node in front of it -> that node's tensor

    def node(self, node: g.Node) -> None:
        inputs = [self.folded.get(name, name) for name in node.inputs]
        match node:
            case g.Input():
                pass
            case g.Conv() | g.Dense():
                self._product(node, inputs[0])
            case g.Threshold():
                if not isinstance(self._producer(node), g.Conv | g.Dense):
                    raise _refused(node, "does not stand behind a convolution or dense layer")
                if node.thresholds.shape[1] != 1:
                    raise _refused(node, "has more than two values")
                if self._stored_as_bits(node):
                    self.as_bits.add(node.name)
                one_bit = node.name in self.as_bits or not node.dtype.signed
                self._quant(inputs[0], node.name, DataType.unsigned(1) if one_bit else TERNARY)
            case g.MaxPool():
                if any(node.pads):
                    raise _refused(node, "has borders")
                self._emit("MaxPool", inputs, node.name, kernel_shape=node.kernel, strides=node.stride,
                           pads=node.pads)  # fmt: skip
                self._pass_on(node)
            case g.Flatten():
                self._emit("Flatten", inputs, node.name, axis=1)
                self._pass_on(node)
            case g.ChannelAffine():
                if not isinstance(self.graph[node.inputs[0]], g.Conv | g.Dense) or (node.mul != 1).any():
                    raise _refused(node, "is no bias of a convolution or dense layer")
                self.folded[node.name] = inputs[0]
            case _:
                raise _refused(node, "has no such form")

    def _product(self, node: g.Conv | g.Dense, source: str) -> None:
        """A convolution or dense layer whose result has the constants of what reads it added."""
        bits = node.inputs[0] in self.as_bits
        if isinstance(node, g.Conv) and any(node.pads) and node.pad_value != (-1 if bits else 0):
            raise _refused(node, f"has a border of {node.pad_value}")
        if node.weight_dtype.name == "INT1":
            raise _refused(node, "has weights of -1 and 0 in one bit")
        factor, bias = 1, np.zeros(len(node.weights), np.int64)
        if bits:  # v = 2 s - 1, in the border too
            factor, bias = 2, -node.weights.reshape(len(node.weights), -1).sum(axis=1, dtype=np.int64)
        last, reader = node.name, self._reader(node)
        while isinstance(reader, g.ChannelAffine | g.MaxPool):
            if isinstance(reader, g.ChannelAffine):
                bias = bias + reader.add
            last, reader = reader.name, self._reader(reader)
        if isinstance(reader, g.Threshold):
            x = self.graph.types[last]
            threshold = np.clip(reader.thresholds[:, 0], x.low, np.asarray(x.high) + 1)
            if reader.dtype.signed and not self._stored_as_bits(reader):
                factor, bias = 2 * factor, 2 * (bias - threshold) + 1  # odd: saturates to -1 or +1
            else:
                bias = bias - threshold + 1  # saturates to 0 or 1
        weights, terms = f"{node.name}/weights", f"{node.name}/bias"
        dtype = TERNARY if node.weight_dtype == BIPOLAR else node.weight_dtype
        values = factor * node.weights.astype(np.int64)
        self._constant(weights, values.T if isinstance(node, g.Dense) else values, dtype, scale=factor)
        self._constant(terms, bias, DataType.smallest(min(-2, int(bias.min())), int(bias.max())))
        if isinstance(node, g.Conv):
            self._emit(
                "Conv", [source, weights, terms], node.name, kernel_shape=node.weights.shape[2:],
                strides=node.stride, pads=node.pads, dilations=node.dilation, group=node.groups,
            )  # fmt: skip
        else:
            self._emit("MatMul", [source, weights], f"{node.name}/product")
            self._emit("Add", [f"{node.name}/product", terms], node.name)

    def _stored_as_bits(self, node: g.Threshold) -> bool:
        """Bipolar values are, but where a convolution reads them with a border of zeros."""
        if node.dtype != BIPOLAR:
            return False
        borders, names = set(), [node.name]
        for name in names:
            for reader in self.graph.consumers(name):
                if isinstance(reader, g.MaxPool):
                    names.append(reader.name)
                elif isinstance(reader, g.Conv) and any(reader.pads):
                    borders.add(reader.pad_value)
        return 0 not in borders

    def _reader(self, node: g.Node) -> g.Node | None:
        readers = self.graph.consumers(node.name)
        if len(readers) > 1:
            raise _refused(node, "has sums that several layers read")
        return readers[0] if readers else None

    def _producer(self, node: g.Node) -> g.Node:
        while isinstance(node, g.Threshold | g.MaxPool | g.ChannelAffine):
            node = self.graph[node.inputs[0]]
        return node

    def _pass_on(self, node: g.Node) -> None:
        if node.inputs[0] in self.as_bits:
            self.as_bits.add(node.name)

    def _constant(self, name: str, values: NDArray[np.integer], dtype: DataType, scale: int = 1) -> None:
        self._initializer(f"{name}/values", values)
        self._quant(f"{name}/values", name, dtype, scale)

    def _quant(self, source: str, name: str, dtype: DataType, scale: int = 1) -> None:
        """The values of ``dtype``, times ``scale``; hls4ml keeps a power of two in its types.

        A signed Quant of one bit is a sign, not {-1, 0}: no type here is that.
        """
        parts = {"scale": scale, "zero_point": 0, "bits": dtype.bits}
        for part, value in parts.items():
            self._initializer(f"{name}/{part}", np.asarray(value))
        self._emit(
            "Quant", [source, *(f"{name}/{part}" for part in parts)], name, domain=GENERAL,
            signed=int(dtype.signed), narrow=int(dtype.min == -dtype.max), rounding_mode="ROUND",
        )  # fmt: skip

    def _initializer(self, name: str, values: NDArray[np.integer]) -> None:
        array = np.asarray(values, dtype=np.float32)
        self.initializers.append(numpy_helper.from_array(array, name))

    def model(self) -> onnx.ModelProto:
        graph = self.graph
        result = self.folded.get(graph.output, graph.output)
        if result in self.as_bits:
            raise _refused(graph[graph.output], "ends the network with signs")
        given, scores = (
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, *shape])
            for name, shape in (
                (graph.input.name, graph.input.shape),
                (result, graph.types[graph.output].shape),
            )
        )
        return self._finished(
            "hls4ml", "borders are zeros, which store -1 where signs are bits", given, scores
        )


def _refused(node: g.Node, reason: str) -> UnsupportedNode:
    return UnsupportedNode(
        f"node {node.name!r} ({type(node).__name__})",
        f"{reason}, and is not written for hls4ml",
        "give hls4ml a chain of convolutions or dense layers with signs between them",
    )
