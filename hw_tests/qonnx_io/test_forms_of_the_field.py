"""Forms that published networks have: each equals qonnx, and is built."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from brevitas.nn import QuantConv1d, QuantIdentity, QuantLinear
from brevitas.quant.binary import SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst
from onnx import TensorProto
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.channels_last import ConvertToChannelsLastAndClean
from qonnx.transformation.infer_data_layouts import InferDataLayouts
from torch import nn

from etb_hw.dataflow import lower
from etb_hw.errors import UnsupportedNode
from etb_hw.flow.proofs import prove_dataflow, prove_import, prove_packed, random_inputs
from etb_hw.integer import DataType, IntegerGraph
from etb_hw.integer.packed import PackedExecutor
from etb_hw.qonnx_io import ImportOptions, import_model
from etb_hw.qonnx_io.export import exported_model
from etb_hw.qonnx_io.model_file import tensor_annotations
from hw_tests.fuzz.onnx_emitter import Emitter

SIZES = {"kernel_shape": [3, 3], "pads": [0] * 4, "strides": [1, 1], "dilations": [1, 1], "group": 1}
Ending = Callable[[Emitter, str], str]


def proved(model: onnx.ModelProto, folder: Path, options: ImportOptions | None = None) -> IntegerGraph:
    """Import, and the proofs of import, packed simulator and blocks."""
    path = folder / "model.onnx"
    onnx.save(model, str(path))
    graph = import_model(path, options)
    x = random_inputs(graph, 24)
    assert prove_import(graph, path, x).mismatches == 0
    prove_packed(PackedExecutor(graph), x)
    prove_dataflow(lower(graph), graph, x)
    return graph


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def signs(*shape: int) -> np.ndarray:
    return rng().choice([-1.0, 1.0], shape)


def quantized(out: Emitter, x: str, scale: float = 0.5, bits: float = 3.0) -> str:
    values = (out.const(v) for v in (scale, 0.0, bits))
    return out.node("Quant", x, *values, signed=1, narrow=0, rounding_mode="ROUND")


def dense(ending: Ending, kind: int = TensorProto.FLOAT) -> onnx.ModelProto:
    """A layer, and ``ending`` on its 12 logits."""
    out = Emitter((20,), "INT4")
    y = out.node("MatMul", "x", out.const(0.25 * signs(20, 12)))
    return out.model(ending(out, y), kind)


def image(body: Ending, shape: tuple[int, ...] = (3, 8, 6)) -> onnx.ModelProto:
    """A convolution and a quantizer, ``body``, and a dense layer behind it."""
    out = Emitter(shape, "UINT8")
    y = out.node("Conv", "x", out.const(signs(4, 3, 3, 3)), **SIZES)
    y = body(out, quantized(out, y, 64.0))
    pixels = ModelWrapper(out.model(y)).get_tensor_shape(y)
    assert pixels is not None
    flat = int(np.prod(pixels[1:]))
    return out.model(out.node("MatMul", out.node("Flatten", y), out.const(signs(flat, 5))))


def padded_average(out: Emitter, x: str, count_include_pad: int = 1) -> str:
    sizes = {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 1]}
    return out.node("AveragePool", x, **sizes, count_include_pad=count_include_pad)


def every_second(
    out: Emitter,
    x: str,
    starts: list[int],
    steps: list[int],
    axes: Sequence[int] = (2, 3),
    end: int = 2**31 - 1,
) -> str:
    numbers = (out.const(values, np.int64) for values in (starts, [end] * 2, list(axes), steps))
    return out.node("Slice", x, *numbers)


@pytest.mark.parametrize("bits", [16.0, 32.0])
def test_wide_biases(bits: float, tmp_path: Path) -> None:
    def body(out: Emitter, x: str) -> str:
        bias = out.const(rng().normal(size=7))
        wide = [out.const(v) for v in (2.0**-9, 0.0, bits)]
        bias = out.node("Quant", bias, *wide, signed=1, narrow=0, rounding_mode="ROUND")
        return quantized(out, out.node("Conv", x, out.const(0.5 * signs(7, 4, 2, 2)), bias))

    proved(image(body), tmp_path)


@pytest.mark.parametrize("layouts", [False, True])
def test_batch_normalisation_of_features_between_unsqueeze_and_squeeze(layouts: bool, tmp_path: Path) -> None:
    """FINN's own TFC files, and the layouts that qonnx annotates them with: x is an axis of size 1."""

    def ending(out: Emitter, y: str) -> str:
        y = out.node("Unsqueeze", y, out.const([2], np.int64))
        gamma, beta, mean = (out.const(rng().normal(size=12) + k) for k in (1, 0, 0))
        y = out.node("BatchNormalization", y, gamma, beta, mean, out.const(rng().uniform(1, 9, 12)))
        y = out.node("BipolarQuant", out.node("Squeeze", y, out.const([2], np.int64)), out.const(1.0))
        return out.node("MatMul", y, out.const(signs(12, 5)))

    model = dense(ending)
    if layouts:
        model = ModelWrapper(model).transform(InferDataLayouts()).model
        assert "['N', 'C', 'x']" in tensor_annotations(model, "tensor_layout").values()
    proved(model, tmp_path)


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax", "Sigmoid"])
@pytest.mark.parametrize("top", [None, "ArgMax", "TopK"])
@pytest.mark.parametrize("pair", [False, True])
def test_probabilities_at_the_end_are_left_out(op: str, top: str | None, pair: bool, tmp_path: Path) -> None:
    def ending(out: Emitter, y: str) -> str:
        y = out.node(op, y, **({} if op == "Sigmoid" else {"axis": 1}))
        if pair:  # quantized, as onnxruntime does
            constants = out.const(1 / 256), out.const(0, np.uint8)
            y = out.node("DequantizeLinear", out.node("QuantizeLinear", y, *constants), *constants)
        if top == "TopK":
            return out.node("TopK", y, out.const([1], np.int64), axis=1, outputs=2)
        return y if top is None else out.node(top, y, axis=1, keepdims=1)

    graph = proved(dense(ending, TensorProto.INT64 if top else TensorProto.FLOAT), tmp_path)
    assert op in graph.notes[0]
    assert graph.top == (top is not None)


@pytest.mark.parametrize("count", [2, 5, 12])
def test_several_best_classes(count: int, tmp_path: Path) -> None:
    """The first of equal ones in front, as ONNX has it; hardware sends all logits."""

    def ending(out: Emitter, y: str) -> str:
        y = out.node("Mul", quantized(out, y, 1.0, 2.0), out.const(0.5))  # of four values: many are equal
        return out.node("TopK", y, out.const([count], np.int64), axis=1, outputs=2)

    graph = proved(dense(ending, TensorProto.INT64), tmp_path)
    assert graph.top == count


def test_more_classes_than_there_are() -> None:
    def ending(out: Emitter, y: str) -> str:
        return out.node("TopK", y, out.const([13], np.int64), axis=1, outputs=2)

    with pytest.raises((UnsupportedNode, ValueError)):
        import_model(dense(ending, TensorProto.INT64))


@pytest.mark.parametrize("op", ["Tanh", "Sigmoid", "LeakyRelu", "PRelu"])
def test_rising_activations_in_front_of_a_quantizer(op: str, tmp_path: Path) -> None:
    def ending(out: Emitter, y: str) -> str:
        y = out.node("Add", y, out.const(rng().normal(size=12)))
        slopes = [out.const(rng().uniform(0, 0.5, 12))] if op == "PRelu" else []
        return quantized(out, out.node(op, y, *slopes), 0.3)

    proved(dense(ending), tmp_path)


@pytest.mark.parametrize(
    "body",
    [
        lambda out, x: out.node("GlobalMaxPool", x),
        lambda out, x: quantized(out, out.node("AveragePool", x, kernel_shape=[2, 3], strides=[2, 1])),
        lambda out, x: quantized(out, padded_average(out, x)),
        lambda out, x: quantized(out, padded_average(out, out.node("BipolarQuant", x, out.const(1.0))), 0.5),
        lambda out, x: every_second(out, x, [0, 0], [2, 2]),
        lambda out, x: every_second(out, x, [1, 0], [2, 2], axes=[1, 2]),
        lambda out, x: out.node("Pad", x, out.const([0, 2, 0, 0, 0, 3, 0, 0], np.int64)),
        lambda out, x: out.node(
            "Pad", out.node("BipolarQuant", x, out.const(1.0)), out.const([0, 0, 0, 0, 0, 4, 0, 0], np.int64)
        ),
        lambda out, x: every_second(out, every_second(out, x, [0, 0], [1, 1]), [0, 0], [1, 3]),
        lambda out, x: quantized(out, out.node("Sum", x, out.node("Neg", x), x, x)),
        lambda out, x: out.node("Sum", x),
    ],
)
def test_pools_and_sums(body: Ending, tmp_path: Path) -> None:
    proved(image(body), tmp_path)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (lambda out, x: padded_average(out, x, count_include_pad=0), "fewer pixels"),
        (
            lambda out, x: out.node("AveragePool", x, kernel_shape=[4, 4], strides=[3, 3], ceil_mode=1),
            "fewer",
        ),
        (lambda out, x: every_second(out, x, [1, 0], [2, 2]), "cuts parts"),
        (lambda out, x: every_second(out, x, [0, 0], [1, 1], end=3), "cuts parts"),
    ],
)
def test_pieces_and_averages_that_hardware_has_not(body: Ending, reason: str) -> None:
    with pytest.raises(UnsupportedNode, match=reason):
        import_model(image(body))


@pytest.mark.parametrize("batch", [-1, 1])
def test_a_flat_input_that_becomes_an_image(batch: int, tmp_path: Path) -> None:
    """Its shape in a node, as PyTorch writes it; qonnx takes more samples at once than a batch of one."""
    out = Emitter((48,), "UINT8")
    shape = onnx.numpy_helper.from_array(np.array([batch, 3, 4, 4]))
    y = out.node("Reshape", "x", out.node("Constant", value=shape))
    y = quantized(out, out.node("Conv", y, out.const(signs(4, 3, 3, 3))), 64.0)
    graph = proved(out.model(out.node("MatMul", out.node("Flatten", y), out.const(signs(16, 5)))), tmp_path)
    assert graph.input.shape == (3, 4, 4)


def test_images_with_channels_last(tmp_path: Path) -> None:
    """As Keras exports them: the input is (N, H, W, C), a Transpose stands behind it."""
    out = Emitter((8, 6, 3), "UINT8")
    y = out.node("Conv", out.node("Transpose", "x", perm=[0, 3, 1, 2]), out.const(signs(4, 3, 3, 3)))
    y = out.node("Flatten", quantized(out, y, 64.0))
    graph = proved(out.model(out.node("MatMul", y, out.const(signs(96, 5)))), tmp_path)
    assert graph.source.channels_last
    assert graph.input.shape == (3, 8, 6)


def test_the_channels_last_domain_of_qonnx(tmp_path: Path) -> None:
    def body(out: Emitter, x: str) -> str:
        bias = out.const(rng().normal(size=5))
        y = out.node("Conv", x, out.const(signs(5, 4, 3, 3)), bias, **{**SIZES, "pads": [1, 1, 1, 1]})
        stats = [out.const(v) for v in (np.ones(5), rng().normal(size=5), np.zeros(5), np.ones(5))]
        y = quantized(out, out.node("BatchNormalization", y, *stats), 2.0)
        return out.node("MaxPool", y, kernel_shape=[2, 2], strides=[2, 2], pads=[0] * 4)

    model = ModelWrapper(image(body)).transform(ConvertToChannelsLastAndClean(make_input_channels_last=True))
    assert any(node.domain == "qonnx.custom_op.channels_last" for node in model.graph.node)
    model.set_tensor_datatype(model.graph.input[0].name, model.get_tensor_datatype(model.graph.input[0].name))
    graph = proved(model.model, tmp_path, ImportOptions(input_dtype=DataType.unsigned(8)))
    assert graph.source.channels_last


class Keywords(nn.Module):
    """A one-dimensional network over signals (N, C, T), as for spoken words or an ECG."""

    def __init__(self, padding: int) -> None:
        super().__init__()
        binary = {"weight_quant": SignedBinaryWeightPerTensorConst, "bias": False}
        self.body = nn.Sequential(
            QuantConv1d(3, 8, 5, stride=2, padding=padding, **binary),
            nn.BatchNorm1d(8),
            self.sign(),
            nn.MaxPool1d(2),
            QuantConv1d(8, 6, 3, padding=padding, **binary),
            nn.BatchNorm1d(6),
            self.sign(),
        )
        self.head = QuantLinear(6, 4, **binary)

    @staticmethod
    def sign() -> nn.Module:
        return QuantIdentity(act_quant=SignedBinaryActPerTensorConst, scaling_const=1.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x).mean(-1))  # type: ignore[no-any-return]


@pytest.mark.parametrize("padding", [0, 1])
def test_signals(padding: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = Keywords(padding)
    net.train()
    net(torch.randint(0, 256, (64, 3, 32)).float())
    model = exported_model(net.eval(), (3, 32), DataType.unsigned(8))
    graph = proved(model, tmp_path)
    assert graph.input.shape == (3, 1, 32)
    assert graph.source.shape == (3, 32)
