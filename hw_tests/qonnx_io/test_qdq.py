"""Quantizers in standard ONNX, pairs of two ops, as Brevitas and onnxruntime write them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from brevitas.export import export_onnx_qcdq
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear, QuantReLU
from brevitas.quant import Uint8ActPerTensorFloat
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from torch import nn

from etb_hw.dataflow import lower
from etb_hw.errors import EtbError, UnsupportedNode
from etb_hw.flow.proofs import prove_dataflow, prove_import
from etb_hw.integer import IntegerGraph
from etb_hw.integer.packed import PackedExecutor
from etb_hw.integer.reference import execute as reference
from etb_hw.qonnx_io import ImportOptions, execute, import_model
from hw_tests.fuzz.onnx_emitter import Emitter
from hw_tests.qonnx_io.test_torch_models import randomise

SHAPE = (1, 8, 8)


def proved(path: Path) -> IntegerGraph:
    """What the file becomes, equal to qonnx's execution of it and to onnxruntime's, in every engine."""
    graph = import_model(path)
    low, high = graph.input.dtype.min, graph.input.dtype.max
    x = np.random.default_rng(0).integers(low, high + 1, (8, *SHAPE))
    assert prove_import(graph, path, x).mismatches == 0
    integers = reference(graph, x)
    assert np.array_equal(PackedExecutor(graph).run(x), integers)
    prove_dataflow(lower(graph), graph, x)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # its optimizer exchanges products for some of 8 bits that round otherwise
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    floats = np.concatenate([session.run(None, {name: graph.to_float(one[None])})[0] for one in x])
    np.testing.assert_allclose(graph.dequantize(integers), floats, rtol=1e-4, atol=1e-5)
    return graph


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_brevitas_quantize_clip_dequantize(tmp_path: Path, bits: int) -> None:
    torch.manual_seed(0)
    layers = [
        QuantIdentity(bit_width=8, act_quant=Uint8ActPerTensorFloat),
        QuantConv2d(1, 6, 3, bias=False, weight_bit_width=bits),
        nn.BatchNorm2d(6),
        QuantReLU(bit_width=min(bits, 4)),
        nn.MaxPool2d(2),
        QuantConv2d(6, 6, 3, padding=1, bias=False, weight_bit_width=bits),
        nn.BatchNorm2d(6),
        QuantReLU(bit_width=min(bits, 4)),
        nn.Flatten(),
        QuantLinear(6 * 9, 5, bias=False, weight_bit_width=bits),
    ]
    module = nn.Sequential(*layers)
    randomise(module)
    export_onnx_qcdq(module, torch.rand(1, *SHAPE), str(tmp_path / "m.onnx"), opset_version=13, dynamo=False)
    graph = proved(tmp_path / "m.onnx")
    assert graph.input.dtype.name == "UINT8"
    weights = [node.weight_dtype.bits for node in graph.nodes if hasattr(node, "weight_dtype")]
    assert max(weights) <= bits


class Images(CalibrationDataReader):
    """What onnxruntime looks at for its scales."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(1)
        self.left: Iterator[torch.Tensor] = iter(torch.rand((8, 1, *SHAPE), generator=generator))

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        image = next(self.left, None)
        return None if image is None else {"x": image.numpy()}


WAYS = {
    "signed": {"activation_type": QuantType.QInt8, "extra_options": {"ActivationSymmetric": True}},
    "zero_points": {"activation_type": QuantType.QUInt8},
    "a_scale_a_filter": {"activation_type": QuantType.QUInt8, "per_channel": True},
}


@pytest.mark.parametrize("way", WAYS)
def test_a_float_network_that_onnxruntime_quantized(
    tmp_path: Path, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 6, 3), nn.ReLU(),
        nn.Flatten(), nn.Linear(6 * 4, 5),
    )  # fmt: skip
    names = {"input_names": ["x"], "output_names": ["y"]}
    float_file, file = tmp_path / "float.onnx", tmp_path / "m.onnx"
    torch.onnx.export(net, (torch.rand(1, *SHAPE),), str(float_file), dynamo=False, opset_version=17, **names)
    caplog.set_level(logging.ERROR)  # it recommends its preprocessing
    kinds = {"quant_format": QuantFormat.QDQ, "weight_type": QuantType.QInt8}
    quantize_static(str(float_file), str(file), Images(), **kinds, **WAYS[way])
    proved(file)


def pair(
    out: Emitter,
    scale: object = 0.5,
    zero: int = 0,
    kind: type = np.int8,
    bounds: tuple[int, int] = (-3, 2),
    **attributes: object,
) -> str:
    """A Clip of few bits between the two."""
    constants = out.const(scale), out.const(zero, kind)
    levels = out.node("QuantizeLinear", "x", *constants, **attributes)
    clipped = out.node("Clip", levels, *(out.const(bound, kind) for bound in bounds))
    return out.node("DequantizeLinear", clipped, *constants, **attributes)


@pytest.mark.parametrize("zero", [0, 1, -2])
def test_rounds_first_and_adds_the_zero_point_then(zero: int) -> None:
    """With ties at every second input, where the order of the two matters."""
    out = Emitter((3, 2, 2), "INT4")
    model = out.model(pair(out, 2.0, zero))
    x = np.arange(-8, 4).reshape(1, 3, 2, 2)
    graph = import_model(model)
    expected = (np.clip(np.round(x / 2) + zero, -3, 2) - zero) * 2
    np.testing.assert_array_equal(graph.dequantize(reference(graph, x)), expected)
    np.testing.assert_array_equal(execute(model, x), expected)


def test_a_scale_a_channel() -> None:
    out = Emitter((3, 2, 2), "INT4")
    constants = out.const([0.5, 1.0, 2.0]), out.const([0, 0, 0], np.int8)
    levels = out.node("QuantizeLinear", "x", *constants, axis=1)
    model = out.model(out.node("DequantizeLinear", levels, *constants, axis=1))
    x = np.random.default_rng(0).integers(-8, 8, (4, 3, 2, 2))
    graph = import_model(model)
    np.testing.assert_array_equal(graph.dequantize(reference(graph, x)), execute(model, x))


def integers_of(rng: np.random.Generator) -> NDArray[np.int8]:
    return rng.integers(-7, 8, (6, 5)).astype(np.int8)


def filters_with_zero_points(out: Emitter, rng: np.random.Generator, axis: int) -> str:
    zeros = out.const([1, 0, -2, 0, 3], np.int8)
    return out.node(
        "DequantizeLinear",
        out.const(integers_of(rng), np.int8),
        out.const([1, 2, 0.5, 1, 4]),
        zeros,
        axis=axis,
    )


def one_zero_point(out: Emitter, rng: np.random.Generator, axis: int) -> str:
    constants = out.const(0.5), out.const(-3, np.int8)
    return out.node("DequantizeLinear", out.const(integers_of(rng), np.int8), *constants)


def quantized_floats(out: Emitter, rng: np.random.Generator, axis: int) -> str:
    scale, zeros = out.const([1, 2, 0.5, 1, 0.25]), out.const([0] * 5, np.int8)
    levels = out.node("QuantizeLinear", out.const(rng.normal(size=(6, 5)) * 9), scale, zeros, axis=axis)
    clipped = out.node("Clip", levels, out.const(-3, np.int8), out.const(2, np.int8))
    return out.node("DequantizeLinear", clipped, scale, zeros, axis=axis)


def clipped_integers(out: Emitter, rng: np.random.Generator, axis: int) -> str:
    bounds = out.const(-2, np.int8), out.const(1, np.int8)
    clipped = out.node("Clip", out.const(integers_of(rng), np.int8), *bounds)
    return out.node("DequantizeLinear", clipped, out.const(0.5))


@pytest.mark.parametrize("axis", [1, -1])
@pytest.mark.parametrize(
    ("form", "bits"),
    [(filters_with_zero_points, 5), (one_zero_point, 5), (quantized_floats, 3), (clipped_integers, 2)],
)
def test_weights(form, bits: int, axis: int) -> None:
    """As many bits as their integers need."""
    rng = np.random.default_rng(3)
    out = Emitter((6,), "INT4")
    model = out.model(out.node("MatMul", "x", form(out, rng, axis)))
    x = rng.integers(-8, 8, (5, 6))
    graph = import_model(model)
    np.testing.assert_array_equal(graph.dequantize(reference(graph, x)), execute(model, x))
    [weights] = [node.weight_dtype for node in graph.nodes if hasattr(node, "weight_dtype")]
    assert weights.bits == bits


def test_without_a_zero_point_bytes_are_meant() -> None:
    out = Emitter((3, 2, 2), "INT4")
    scale = out.const(2.0)
    model = out.model(out.node("DequantizeLinear", out.node("QuantizeLinear", "x", scale), scale))
    x = np.arange(-8, 4).reshape(1, 3, 2, 2)
    graph = import_model(model)
    expected = np.clip(np.round(x / 2), 0, 255) * 2
    np.testing.assert_array_equal(graph.dequantize(reference(graph, x)), expected)
    np.testing.assert_array_equal(execute(model, x), expected)


def test_integers_that_somebody_else_reads_stay_whole() -> None:
    """The Clip's bounds are no bounds of the other reader."""
    out = Emitter((2, 2, 2), "INT4")
    constants = out.const(1.0), out.const(0, np.int8)
    levels = out.node("QuantizeLinear", "x", *constants)
    clipped = out.node("Clip", levels, out.const(-1, np.int8), out.const(1, np.int8))
    both = [out.node("DequantizeLinear", each, *constants) for each in (levels, clipped)]
    quantizer = out.node("Quant", both[1], out.const(1.0), out.const(0.0), out.const(2.0), signed=1, narrow=1)
    model = out.model(out.node("Concat", both[0], quantizer, axis=1))
    x = np.random.default_rng(0).integers(-8, 8, (4, 2, 2, 2))
    graph = import_model(model)
    np.testing.assert_array_equal(graph.dequantize(reference(graph, x)), execute(model, x))


def test_the_first_quantizer_says_what_the_input_holds() -> None:
    out = Emitter((3, 2, 2))
    constants = out.const(0.25), out.const(3, np.uint8)
    levels = out.node("QuantizeLinear", "x", *constants)
    model = out.model(out.node("DequantizeLinear", levels, *constants))
    graph = import_model(model)
    x = np.random.default_rng(0).integers(0, 256, (4, 3, 2, 2))
    assert graph.input.dtype.name == "UINT8"
    np.testing.assert_array_equal(graph.to_float(x), ((x - 3) * 0.25).astype(np.float32))
    np.testing.assert_array_equal(graph.dequantize(reference(graph, x)), graph.to_float(x))


def test_an_input_of_several_scales_needs_to_be_told() -> None:
    out = Emitter((3, 2, 2))
    constants = out.const([0.5, 1.0, 2.0]), out.const([0, 0, 0], np.int8)
    levels = out.node("QuantizeLinear", "x", *constants, axis=1)
    model = out.model(out.node("DequantizeLinear", levels, *constants, axis=1))
    with pytest.raises(UnsupportedNode, match="--input-dtype"):
        import_model(model)


def test_the_first_quantizer_is_no_way_around_what_inputs_must_be() -> None:
    out = Emitter((3, 2, 2))
    narrow = out.model(pair(out), shapes=False)
    with pytest.raises(UnsupportedNode, match="--input-dtype"):  # a scale that it would contradict
        import_model(narrow, ImportOptions.parse(scale="1/255"))
    out = Emitter((3, 2, 2))
    wide = out.model(out.node("QuantizeLinear", "x", out.const(1.0), out.const(0, np.int32)), shapes=False)
    with pytest.raises(UnsupportedNode, match="32 bits"):
        import_model(wide)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda o: pair(o, -0.5), "scale must be positive"),
        (lambda o: pair(o, [1.0, -0.5, 2.0], axis=1), "scale must be positive"),
        (lambda o: pair(o, [0.5, 0.25], axis=7), "scales of shape"),
        (lambda o: pair(o, [0.5, 0.25, 1.0], block_size=2, axis=1), "scales of shape"),
        (lambda o: o.node("QuantizeLinear", "x", o.const([0.5] * 3), o.const([0, 1, 2], np.int8), axis=1),
         "zero points that differ"),
        (lambda o: o.node("QuantizeLinear", "x", o.const(1.0), o.const(0.0)), "gives float32"),
        (lambda o: pair(o, bounds=(2, 2)), "is clipped to 2 to 2"),
        (lambda o: o.node("QuantizeLinear", "x", o.const([])), "scale must be positive"),
        (lambda o: o.node("QLinearConv", "x"), "QDQ"),
    ],
)  # fmt: skip
def test_what_is_refused(make, words) -> None:
    out = Emitter((3, 2, 2), "INT4")
    model = out.model(make(out), shapes=False)
    with pytest.raises(UnsupportedNode) as caught:
        import_model(model)
    assert words in str(caught.value)


def test_a_name_that_two_nodes_write_is_an_error() -> None:
    """Which of them a Clip reads, or writes beside, cannot be told."""
    for place in (0, 1):
        out = Emitter((3, 2, 2), "INT4")
        model = out.model(pair(out))
        named = {node.op_type: node for node in model.graph.node}
        levels, clip = named["QuantizeLinear"], named["Clip"]
        twin = onnx.helper.make_node("Neg", ["x"], [(levels, clip)[place].output[0]], name="twin")
        model.graph.node.insert(0, twin)
        with pytest.raises(EtbError, match="a second time"):
            import_model(model)
