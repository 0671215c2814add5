"""Other ways to run a one-bit integer graph exactly: what the packed executor is measured against."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch.nn import functional

from etb_hw import qonnx_io
from etb_hw.integer import (
    Add,
    Conv,
    Dense,
    Flatten,
    Input,
    IntegerGraph,
    MaxPool,
    Node,
    SumPool,
    Threshold,
)

Run = Callable[[np.ndarray], np.ndarray]


class OnnxBuilder:
    """Collects nodes and constants."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def const(self, name: str, value: object, dtype: type[np.generic] = np.float32) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype=dtype), name))
        return name

    def node(self, op: str, inputs: list[str], output: str, domain: str = "", **attributes: object) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], domain=domain, **attributes))
        return output

    def pad(self, node: Conv, value: object, dtype: type[np.generic]) -> tuple[str, list[int]]:
        """The convolution's input and its own pads; constants other than zero need a node."""
        if not any(node.pads) or node.pad_value == 0:
            return node.inputs[0], list(node.pads)
        top, left, bottom, right = node.pads
        pads = self.const(f"{node.name}.pads", [0, 0, top, left, 0, 0, bottom, right], np.int64)
        inputs = [node.inputs[0], pads, self.const(f"{node.name}.border", value, dtype)]
        return self.node("Pad", inputs, f"{node.name}.padded"), [0] * 4

    def model(self, graph: IntegerGraph, kind: int, result: int) -> onnx.ModelProto:
        source = helper.make_tensor_value_info("input", kind, ["N", *graph.input.shape])
        sink = helper.make_tensor_value_info(graph.output, result, ["N", *graph.types[graph.output].shape])
        proto = helper.make_graph(self.nodes, "baseline", [source], [sink], self.constants)
        domains = [helper.make_opsetid("", 13), helper.make_opsetid("qonnx.custom_op.general", 1)]
        model = helper.make_model(proto, opset_imports=domains)
        model.ir_version = 8
        return model


def float_model(graph: IntegerGraph, *, quant: bool = False) -> onnx.ModelProto:
    """Float32 with +-1 weights; with ``quant``, signs are QONNX nodes instead of standard ones."""
    b = OnnxBuilder()
    for node in graph.nodes:
        match node:
            case Input():
                pass
            case Conv():
                x, pads = b.pad(node, node.pad_value, np.float32)
                weights = b.const(f"{node.name}.w", node.weights)
                b.node("Conv", [x, weights], node.name, pads=pads, strides=list(node.stride))
            case Dense():
                b.node("MatMul", [node.inputs[0], b.const(f"{node.name}.w", node.weights.T)], node.name)
            case Threshold() if node.dtype.levels == 2:
                x = b.node(
                    "Sub",
                    [node.inputs[0], b.const(f"{node.name}.t", _middles(graph, node, 0))],
                    f"{node.name}.x",
                )
                if quant:
                    scale = b.const(f"{node.name}.scale", 1.0)
                    b.node("BipolarQuant", [x, scale], node.name, domain="qonnx.custom_op.general")
                else:
                    b.node("Sign", [x], node.name)
            case Threshold():
                # the levels are half of the signs' sum, and the lowest one is 0
                assert node.dtype.min == 0
                count = node.thresholds.shape[1]
                signs = []
                for i in range(count):
                    middle = b.const(f"{node.name}.t{i}", _middles(graph, node, i))
                    x = b.node("Sub", [node.inputs[0], middle], f"{node.name}.x{i}")
                    signs.append(b.node("Sign", [x], f"{node.name}.s{i}"))
                total = b.node("Sum", [*signs, b.const(f"{node.name}.n", float(count))], f"{node.name}.sum")
                b.node("Mul", [total, b.const(f"{node.name}.half", 0.5)], node.name)
            case Add():
                b.node("Add", list(node.inputs), node.name)
            case SumPool():
                b.node("ReduceSum", [node.inputs[0], b.const("pixels", [2, 3], np.int64)], node.name)
            case MaxPool():
                b.node("MaxPool", list(node.inputs), node.name, kernel_shape=node.kernel, strides=node.stride)
            case Flatten():
                b.node("Flatten", list(node.inputs), node.name)
            case _:
                raise AssertionError(type(node).__name__)
    return b.model(graph, TensorProto.FLOAT, TensorProto.FLOAT)


def _middles(graph: IntegerGraph, node: Threshold, i: int) -> np.ndarray:
    """Where the threshold i of each channel lies between two integers."""
    shape = (1, -1) + (1,) * (len(graph.types[node.name].shape) - 1)
    return (node.thresholds[:, i] - 0.5).reshape(shape)


def qlinear_model(graph: IntegerGraph) -> onnx.ModelProto:
    """Exact 8-bit arithmetic: signs are bytes 0 and 2 of zero point 1, thresholds are biases and a clip.

    The output scale 1/2 maps a sum s to 2 (s + 1 - t), which is at least 2 if s >= t and at most 0 if not.
    Sums that are added to others stay 32-bit integers (ConvInteger), and are compared afterwards.
    """
    b = OnnxBuilder()
    one, half = b.const("one", 1.0), b.const("half", 0.5)
    zero8, one8, two8 = (b.const(f"u{v}", v, np.uint8) for v in (0, 1, 2))
    weight_zero = b.const("s0", 0, np.int8)
    signs: set[str] = set()
    done: set[str] = set()
    for node in graph.nodes:
        if node.name in done:
            continue
        match node:
            case Conv() | Dense():
                x = node.inputs[0]
                zero = one8 if x in signs else zero8
                after = graph.consumers(node.name)
                if len(after) == 1 and isinstance(after[0], Threshold) and after[0].dtype.levels == 2:
                    _fused_threshold(
                        b, node, after[0], x in signs, (one, half, zero8, one8, two8, weight_zero)
                    )
                    signs.add(after[0].name)
                    done.add(after[0].name)
                elif isinstance(node, Dense):
                    weights = b.const(f"{node.name}.w", node.weights.T, np.int8)
                    b.node("MatMulInteger", [x, weights, zero, weight_zero], node.name)
                else:
                    x, pads = b.pad(node, 0 if x in signs else node.pad_value, np.uint8)
                    weights = b.const(f"{node.name}.w", node.weights, np.int8)
                    inputs = [x, weights, zero, weight_zero]
                    b.node("ConvInteger", inputs, node.name, pads=pads, strides=list(node.stride))
            case Threshold():
                shape = (1, -1) + (1,) * (len(graph.types[node.name].shape) - 1)
                limits = [
                    b.const(f"{node.name}.t{i}", column.reshape(shape), np.int32)
                    for i, column in enumerate(node.thresholds.T)
                ]
                found = [
                    b.node("GreaterOrEqual", [node.inputs[0], limit], f"{node.name}.ge{i}")
                    for i, limit in enumerate(limits)
                ]
                if node.dtype.levels == 2:
                    b.node("Where", [found[0], two8, zero8], node.name)
                    signs.add(node.name)
                    continue
                assert node.dtype.min == 0
                total = ""
                for i, bits in enumerate(found):
                    number = b.node("Cast", [bits], f"{node.name}.b{i}", to=TensorProto.INT32)
                    total = b.node("Add", [total, number], f"{node.name}.a{i}") if total else number
                b.node("Identity", [total], node.name)
            case Add():
                b.node("Add", list(node.inputs), node.name)
            case SumPool():
                axes = b.const("pixels", [2, 3], np.int64)
                total = b.node("ReduceSum", [node.inputs[0], axes], f"{node.name}.sum")
                assert max(graph.types[node.name].high) < 256
                b.node("Cast", [total], node.name, to=TensorProto.UINT8)
            case MaxPool():
                b.node("MaxPool", list(node.inputs), node.name, kernel_shape=node.kernel, strides=node.stride)
                signs.add(node.name)
            case Flatten():
                b.node("Flatten", list(node.inputs), node.name)
                if node.inputs[0] in signs:
                    signs.add(node.name)
    return b.model(graph, TensorProto.UINT8, TensorProto.INT32)


def _fused_threshold(
    b: OnnxBuilder, node: Conv | Dense, after: Threshold, sign: bool, constants: tuple[str, ...]
) -> None:
    """QLinearConv and a clip, named after the threshold; ``sign``: whether the input holds signs."""
    one, half, zero8, one8, two8, weight_zero = constants
    x, matrix = node.inputs[0], node.weights
    pads, strides = [0] * 4, [1, 1]
    if isinstance(node, Dense):
        axes = b.const(f"{node.name}.axes", [2, 3], np.int64)
        x = b.node("Unsqueeze", [x, axes], f"{node.name}.image")
        matrix = matrix[:, :, None, None]
    else:
        x, pads = b.pad(node, 0 if sign else node.pad_value, np.uint8)
        strides = list(node.stride)
    bias = b.const(f"{node.name}.b", 1 - after.thresholds[:, 0], np.int32)
    weights = b.const(f"{node.name}.w", matrix, np.int8)
    inputs = [x, one, one8 if sign else zero8, weights, one, weight_zero, half, zero8, bias]
    y = b.node("QLinearConv", inputs, f"{node.name}.y", pads=pads, strides=strides)
    y = b.node("Clip", [y, zero8, two8], f"{node.name}.clip")
    if isinstance(node, Dense):
        y = b.node("Flatten", [y], f"{node.name}.flat")
    b.node("Identity", [y], after.name)


def in_onnxruntime(model: onnx.ModelProto, threads: int, dtype: type[np.generic]) -> Run:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    return lambda x: session.run(None, {"input": x.astype(dtype)})[0]


def in_qonnx(graph: IntegerGraph) -> Run:
    model = float_model(graph, quant=True)
    return lambda x: qonnx_io.execute(model, x, batch=len(x))


def in_torch(graph: IntegerGraph) -> Run:
    """Float32, channels last; the threads are torch's own setting."""
    steps = [(node.name, node.inputs, _torch_step(graph, node)) for node in graph.nodes[1:]]

    def run(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            value = torch.from_numpy(x.astype(np.float32))
            if value.ndim == 4:
                value = value.contiguous(memory_format=torch.channels_last)
            values = {graph.input.name: value}
            for name, inputs, step in steps:
                values[name] = step(*(values[i] for i in inputs))
            return values[graph.output].numpy()

    return run


def _torch_step(graph: IntegerGraph, node: Node) -> Callable[..., torch.Tensor]:
    match node:
        case Conv():
            weights = torch.from_numpy(node.weights.astype(np.float32))
            return _torch_conv(node, weights.contiguous(memory_format=torch.channels_last))
        case Dense():
            matrix = torch.from_numpy(node.weights.astype(np.float32))
            return lambda x: functional.linear(x, matrix)
        case Threshold():
            middles = [
                torch.from_numpy(_middles(graph, node, i).astype(np.float32))
                for i in range(node.thresholds.shape[1])
            ]
            if node.dtype.levels == 2:
                return lambda x: (x - middles[0]).sign_()
            return lambda x: sum(((x > t).float() for t in middles), torch.zeros(()))
        case MaxPool():
            return lambda x: functional.max_pool2d(x, node.kernel, node.stride)
        case Add():
            return lambda x, y: x + y
        case SumPool():
            return lambda x: x.sum((2, 3), keepdim=True)
        case Flatten():
            return lambda x: x.flatten(1)
    raise AssertionError(type(node).__name__)


def _torch_conv(node: Conv, weights: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    top, left, bottom, right = node.pads

    def step(x: torch.Tensor) -> torch.Tensor:
        if any(node.pads):
            x = functional.pad(x, (left, right, top, bottom), value=node.pad_value)
        return functional.conv2d(x, weights, stride=node.stride)

    return step
