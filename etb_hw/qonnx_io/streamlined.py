"""The integer graph as ONNX in qonnx's own ops, which qonnx executes to the same result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from etb_hw.files import write_bytes
from etb_hw.integer import nodes as g
from etb_hw.integer.datatype import DataType
from etb_hw.integer.graph import IntegerGraph
from etb_hw.qonnx_io.writer import GENERAL, GraphWriter

_LAYOUTS = {2: '["N", "C"]', 4: '["N", "C", "H", "W"]'}
_CHAIN_OPS = {
    "mul": "Mul",
    "add": "Add",
    "sub": "Sub",
    "rsub": "Sub",
    "div": "Div",
    "max": "Max",
    "min": "Min",
    "leaky": "PRelu",
}


def write_streamlined(graph: IntegerGraph, path: Path | str) -> None:
    """Write ``streamlined.onnx`` (batch of one)."""
    write_bytes(Path(path), streamlined_model(graph).SerializeToString())


def streamlined_model(graph: IntegerGraph) -> onnx.ModelProto:
    """Integer Conv / MatMul, MultiThreshold, MaxPool, Pad, ..., annotated with data types and layouts."""
    return _Writer(graph).written()


class _Writer(GraphWriter):
    def __init__(self, graph: IntegerGraph) -> None:
        super().__init__(graph)
        self.infos: list[onnx.ValueInfoProto] = []
        self.annotations: list[onnx.TensorAnnotation] = []

    def node(self, node: g.Node) -> None:
        args = list(node.inputs)
        match node:
            case g.Input():
                self._annotate(node.name, node.dtype, len(node.shape) + 1)
                return
            case g.Conv():
                self._conv(node)
            case g.Dense():
                weights = self._const(f"{node.name}/weights", node.weights.T, node.weight_dtype)
                self._emit("MatMul", [*args, weights], node.name)
            case g.Threshold():
                low, high = self._range(node.inputs[0])
                dtype = DataType.smallest(
                    min(low, int(node.thresholds.min())), max(high, int(node.thresholds.max()))
                )
                table = self._const(f"{node.name}/thresholds", node.thresholds, dtype)
                self._emit(
                    "MultiThreshold", [*args, table], node.name, domain=GENERAL,
                    out_dtype=node.dtype.name, out_scale=float(node.dtype.step),
                    out_bias=float(node.dtype.min),
                    data_layout="NCHW" if len(self.graph.types[node.name].shape) == 3 else "NC",
                )  # fmt: skip
            case g.MaxPool():
                self._emit(
                    "MaxPool", args, node.name, kernel_shape=node.kernel, strides=node.stride, pads=node.pads
                )
            case g.SumPool():
                axes = self._const(f"{node.name}/axes", np.asarray([2, 3]), None)
                self._emit("ReduceSum", [*args, axes], node.name, keepdims=1)
            case g.Upsample():
                scales = self._const(
                    f"{node.name}/scales", np.asarray([1, 1, *node.factors], np.float32), None
                )
                self._emit(
                    "Resize", [*args, "", scales], node.name, mode="nearest",
                    coordinate_transformation_mode="asymmetric", nearest_mode="floor",
                )  # fmt: skip
            case g.DepthToSpace():
                mode = "CRD" if node.interleaved else "DCR"
                self._emit("DepthToSpace", args, node.name, blocksize=node.block, mode=mode)
            case g.Add():
                self._emit("Add", args, node.name)
            case g.Concat():
                self._emit("Concat", args, node.name, axis=1)
            case g.SelectChannels():
                chosen = self._const(f"{node.name}/channels", node.channels, None)
                self._emit("Gather", [*args, chosen], node.name, axis=1)
            case g.ChannelAffine():
                self._affine(node)
            case g.Flatten():
                self._emit("Flatten", args, node.name, axis=1)
            case _:
                raise AssertionError(f"node kind {type(node).__name__} has no ONNX form")
        x = self.graph.types[node.name]
        self._shape(node.name, x.shape)
        self._annotate(node.name, x.dtype, len(x.shape) + 1)

    def _conv(self, node: g.Conv) -> None:
        source, pads = node.inputs[0], node.pads
        if any(pads) and node.pad_value != 0:
            x = self.graph.types[source]
            top, left, bottom, right = pads
            amounts = self._const(
                f"{node.name}/pads", np.asarray([0, 0, top, left, 0, 0, bottom, right]), None
            )
            value = self._const(f"{node.name}/pad_value", np.float32(node.pad_value), None)
            padded = f"{node.name}/padded"
            self._emit("Pad", [source, amounts, value], padded, mode="constant")
            self._shape(padded, (x.shape[0], x.shape[1] + top + bottom, x.shape[2] + left + right))
            wide = DataType.smallest(min(*x.low, node.pad_value), max(*x.high, node.pad_value))
            fits = x.dtype.min <= node.pad_value <= x.dtype.max
            self._annotate(padded, x.dtype if fits else wide, 4)
            source, pads = padded, (0, 0, 0, 0)
        weights = self._const(f"{node.name}/weights", node.weights, node.weight_dtype)
        self._emit(
            "Conv", [source, weights], node.name, kernel_shape=node.weights.shape[2:], strides=node.stride,
            pads=pads, dilations=node.dilation, group=node.groups,
        )  # fmt: skip

    def _affine(self, node: g.ChannelAffine) -> None:
        shape = (1, -1) + (1,) * (len(self.graph.types[node.name].shape) - 1)
        source, scaled = node.inputs[0], f"{node.name}/scaled"
        plain = not node.add.any()
        factor = self._const(f"{node.name}/mul", node.mul.reshape(shape), _type_of(node.mul))
        self._emit("Mul", [source, factor], node.name if plain else scaled)
        if not plain:
            x = self.graph.types[source]
            ends = np.stack([node.mul * np.asarray(bound) for bound in (x.low, x.high)])
            self._shape(scaled, x.shape)
            self._annotate(scaled, _type_of(ends), len(x.shape) + 1)
            term = self._const(f"{node.name}/add", node.add.reshape(shape), _type_of(node.add))
            self._emit("Add", [scaled, term], node.name)

    def model(self) -> onnx.ModelProto:
        graph = self.graph
        last = graph.output
        shape = graph.types[last].shape
        for i, step in enumerate(graph.dequant.links):
            name = f"dequant/{i}"
            constant = step.constant.astype(np.float32)
            if constant.ndim:
                constant = constant.reshape((1, -1) + (1,) * (len(shape) - 1))
            operands = [last, self._const(f"{name}_constant", constant, None)]
            self._emit(_CHAIN_OPS[step.op], operands[::-1] if step.op == "rsub" else operands, name)
            self._shape(name, shape)
            last = name
        dims: list[int] = [1, *shape]
        kind = TensorProto.FLOAT
        if graph.top:
            name = "classes" if "classes" not in graph.types else "classes/index"
            k = self._const(f"{name}/k", np.asarray([graph.top]), None)
            outputs = [f"{name}/values", name]
            self.nodes.append(helper.make_node("TopK", [last, k], outputs, name=name, axis=1))
            dims[1] = graph.top
            self._shape(outputs[0], tuple(dims[1:]))
            last, kind = name, TensorProto.INT64
        return self._finished(
            "streamlined",
            "integers throughout; padding is explicit",
            helper.make_tensor_value_info(graph.input.name, TensorProto.FLOAT, [1, *graph.input.shape]),
            helper.make_tensor_value_info(last, kind, dims),
            [info for info in self.infos if info.name != last],
            self.annotations,
        )

    def _const(self, name: str, array: NDArray[np.generic] | np.generic, dtype: DataType | None) -> str:
        array = np.asarray(array)
        values = array.astype(np.float32) if dtype is not None or array.dtype.kind == "f" else array
        self.initializers.append(
            numpy_helper.from_array(np.ascontiguousarray(values).reshape(array.shape), name)
        )
        if dtype is not None:
            self._annotation(name, "finn_datatype", dtype.name)
        return name

    def _shape(self, name: str, shape: tuple[int, ...]) -> None:
        self.infos.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, *shape]))

    def _range(self, name: str) -> tuple[int, int]:
        x = self.graph.types[name]
        return min(x.low), max(x.high)

    def _annotate(self, name: str, dtype: DataType, rank: int) -> None:
        self._annotation(name, "finn_datatype", dtype.name)
        if rank in _LAYOUTS:
            self._annotation(name, "tensor_layout", _LAYOUTS[rank])

    def _annotation(self, name: str, key: str, value: str) -> None:
        pair = onnx.StringStringEntryProto(key=key, value=value)
        for entry in self.annotations:
            if entry.tensor_name == name:
                entry.quant_parameter_tensor_names.append(pair)
                return
        self.annotations.append(onnx.TensorAnnotation(tensor_name=name, quant_parameter_tensor_names=[pair]))


def _type_of(values: NDArray[np.integer]) -> DataType:
    return DataType.smallest(int(values.min()), int(values.max()))
