"""Every form in which exporters of either generation write an op gives the numbers that qonnx computes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest

from etb_hw.errors import UnsupportedNode
from etb_hw.integer import Conv, Dense
from etb_hw.integer.reference import execute as reference
from etb_hw.qonnx_io import execute, import_model
from etb_hw.qonnx_io.streamlined import streamlined_model
from hw_tests.fuzz.onnx_emitter import QONNX, Emitter

RNG = np.random.default_rng(7)
SHAPE = (4, 6, 5)


def ints(*shape: int) -> np.ndarray:
    return RNG.integers(-2, 3, shape)


def quant(out: Emitter, x: str, bits: int = 3, signed: int = 1, scale: float = 4.0, zero: float = 0.0) -> str:
    return out.node(
        "Quant", x, out.const(scale), out.const(zero), out.const(float(bits)),
        signed=signed, narrow=0, rounding_mode="ROUND",
    )  # fmt: skip


def int64(out: Emitter, *values: int) -> str:
    return out.const(values, np.int64)


def conv(out: Emitter, x: str, inputs: int = 4, outputs: int = 4, **attributes: object) -> str:
    return out.node("Conv", x, out.const(ints(outputs, inputs, 3, 3)), **attributes)


def batch_norm(out: Emitter, **attributes: object) -> str:
    parameters = [
        out.const(v) for v in (RNG.standard_normal(4), RNG.standard_normal(4), ints(4), [1, 2, 3, 4])
    ]
    y = out.node("BatchNormalization", "x", *parameters, **attributes)
    return out.node("BipolarQuant", y, out.const(1.0))


def padded(out: Emitter, opset: int) -> str:
    pads = [0, 0, 1, 2, 0, 0, 0, 1]
    if opset < 11:
        y = out.node("Pad", "x", pads=pads, value=3.0, mode="constant")
    else:
        y = out.node("Pad", "x", int64(out, *pads), out.const(3.0))
    return conv(out, y)


def clipped(out: Emitter, opset: int) -> str:
    if opset < 11:
        y = out.node("Clip", "x", min=-1.5, max=20.0)
    else:
        y = out.node("Clip", "x", out.const(-1.5), out.const(20.0))
    return quant(out, y)


def squeezed(out: Emitter, opset: int) -> str:
    y = out.node("GlobalAveragePool", "x")
    if opset < 13:
        return out.node("Squeeze", y, axes=[2, 3])
    return out.node("Squeeze", y, int64(out, 2, 3))


def top(out: Emitter, opset: int) -> str:
    y = out.node("MatMul", out.node("Flatten", "x"), out.const(ints(120, 5)))
    if opset < 10:
        return out.node("TopK", y, k=1, axis=1, outputs=2)
    return out.node("TopK", y, int64(out, 1), axis=1, outputs=2)


def reduced(out: Emitter, opset: int, keep: int = 1, op: str = "ReduceSum") -> str:
    if opset < (13 if op == "ReduceSum" else 18):
        return out.node(op, "x", axes=[2, 3], keepdims=keep)
    return out.node(op, "x", int64(out, 2, 3), keepdims=keep)


def asymmetric(out: Emitter) -> str:
    """A quantizer with a zero point, in front of a padded convolution."""
    y = quant(out, conv(out, "x"), bits=4, signed=0, scale=8.0, zero=5.0)
    return conv(out, y, pads=[1, 0, 0, 1])


def channels_last(out: Emitter) -> str:
    y = out.node("Transpose", conv(out, "x"), perm=[0, 2, 3, 1])
    table = np.sort(RNG.standard_normal((4, 3)) * 20)
    y = out.node(
        "MultiThreshold",
        y,
        out.const(table),
        out_dtype="UINT2",
        out_scale=1.0,
        out_bias=0.0,
        data_layout="NHWC",
    )
    y = out.node("MatMul", y, out.const(ints(4, 6)))
    return out.node("Transpose", y, perm=[0, 3, 1, 2])


def depthwise_scales(out: Emitter) -> str:
    """Channels of different scales meet in no product of a depth-wise convolution."""
    y = out.node("Mul", "x", out.const(np.array([0.5, 1, 2, 4]).reshape(1, 4, 1, 1)))
    return out.node("Conv", y, out.const(ints(4, 1, 3, 3)), group=4)


def opposite_signs(out: Emitter) -> str:
    """Signs and whole ratios a channel go into the weights."""
    return conv(out, out.node("Mul", "x", out.const(np.array([1, -1, 2, -3]).reshape(1, 4, 1, 1))))


def branches(out: Emitter, op: str, first: float, second: float) -> str:
    a, b = (
        out.node("Mul", "x", out.const(first)),
        out.node("Mul", conv(out, "x", pads=[1] * 4), out.const(second)),
    )
    return quant(out, out.node(op, a, b))


def truncated(out: Emitter, version: int) -> str:
    y = out.node("ReduceSum", quant(out, "x", scale=1.0, bits=4), int64(out, 2, 3), keepdims=1)
    inputs = [1.0, 0.0, 9.0, 4.0] if version == 1 else [1.0, 0.0, 9.0, 32.0, 4.0]
    extra = {} if version == 1 else {"signed": 1, "narrow": 0}
    return out.node("Trunc", y, *[out.const(v) for v in inputs], rounding_mode="FLOOR", **extra)


FORMS: dict[str, tuple[Callable[[Emitter], str], int]] = {
    "pad_attributes": (lambda o: padded(o, 9), 9),
    "pad_inputs": (lambda o: padded(o, 13), 13),
    "clip_attributes": (lambda o: clipped(o, 9), 9),
    "clip_inputs": (lambda o: clipped(o, 13), 13),
    "squeeze_attributes": (lambda o: squeezed(o, 11), 11),
    "squeeze_inputs": (lambda o: squeezed(o, 13), 13),
    "topk_attribute": (lambda o: top(o, 9), 9),
    "topk_input": (lambda o: top(o, 11), 11),
    "reduce_sum_attributes": (lambda o: reduced(o, 11), 11),
    "reduce_sum_inputs": (lambda o: reduced(o, 13, keep=0), 13),
    "reduce_mean_attributes": (lambda o: quant(o, reduced(o, 13, op="ReduceMean")), 13),
    "reduce_mean_inputs": (lambda o: quant(o, reduced(o, 18, 0, "ReduceMean")), 18),
    "average_pool": (lambda o: quant(o, o.node("AveragePool", "x", kernel_shape=[6, 5])), 13),
    "batch_norm_9": (lambda o: batch_norm(o, epsilon=1e-3, momentum=0.9), 9),
    "batch_norm_15": (lambda o: batch_norm(o), 15),
    "same_upper": (lambda o: conv(o, "x", auto_pad="SAME_UPPER", strides=[2, 2]), 13),
    "same_lower": (lambda o: conv(o, "x", auto_pad="SAME_LOWER", strides=[2, 1]), 13),
    "valid": (lambda o: conv(o, "x", auto_pad="VALID"), 13),
    "pool_ceil": (lambda o: o.node("MaxPool", "x", kernel_shape=[2, 3], strides=[2, 2], ceil_mode=1), 13),
    "pool_falling": (
        lambda o: quant(o, o.node("MaxPool", o.node("Neg", conv(o, "x")), kernel_shape=[2, 2])), 13
    ),
    "sign": (lambda o: o.node("Sign", o.node("Add", conv(o, "x"), o.const(0.5))), 13),
    "sign_with_zero": (lambda o: o.node("Sign", conv(o, "x")), 13),
    "relu_quant": (lambda o: quant(o, o.node("Relu", o.node("Mul", "x", o.const(0.3)))), 13),
    "zero_point": (asymmetric, 13),
    "channels_last": (channels_last, 13),
    "depthwise_scales": (depthwise_scales, 13),
    "opposite_signs": (opposite_signs, 13),
    "add_scales": (lambda o: branches(o, "Add", 3.0, 2.0), 13),
    "sub_scales": (lambda o: branches(o, "Sub", 0.25, -0.5), 13),
    "trunc_2": (lambda o: truncated(o, 2), 13),
    "trunc_1": (lambda o: truncated(o, 1), 13),
}  # fmt: skip


@pytest.mark.parametrize("form", list(FORMS))
def test_form(form: str) -> None:
    build, opset = FORMS[form]
    out = Emitter(SHAPE, "UINT4")
    output = build(out)
    kind = onnx.TensorProto.INT64 if form.startswith("topk") else onnx.TensorProto.FLOAT
    version = 2 if form == "trunc_2" else 1
    model = out.model(output, kind, opset=opset, custom_opset=version)
    x = np.random.default_rng(0).integers(0, 16, (12, *SHAPE))
    graph = import_model(model)
    golden = execute(model, x)
    result = reference(graph, x)
    ours = graph.original(result)
    np.testing.assert_array_equal(ours.reshape(golden.shape), golden)
    np.testing.assert_array_equal(execute(streamlined_model(graph), x), golden)


@pytest.mark.parametrize("domain", [QONNX, "onnx.brevitas", "finn.custom_op.general"])
def test_domains_of_old_and_new_exporters(domain: str) -> None:
    out = Emitter((3,), "INT4")
    model = out.model(quant(out, "x"))
    expected = reference(import_model(model), np.arange(-8, 7).reshape(5, 3))
    model.graph.node[0].domain = domain
    np.testing.assert_array_equal(reference(import_model(model), np.arange(-8, 7).reshape(5, 3)), expected)
    model.graph.node[0].op_type = "IntQuant"
    np.testing.assert_array_equal(reference(import_model(model), np.arange(-8, 7).reshape(5, 3)), expected)


def test_unknown_domain() -> None:
    out = Emitter((3,), "INT4")
    model = out.model(quant(out, "x"))
    model.graph.node[0].domain = "com.microsoft"
    with pytest.raises(UnsupportedNode, match=r"com\.microsoft"):
        import_model(model)


def test_bipolar_border_of_zeros_is_exact() -> None:
    """ONNX pads a bipolar tensor with zeros, which are neither of its values."""
    out = Emitter((2, 5, 5), "BIPOLAR")
    model = out.model(conv(out, "x", inputs=2, pads=[1, 1, 1, 1]))
    x = np.random.default_rng(0).choice([-1, 1], (4, 2, 5, 5))
    graph = import_model(model)
    found = graph.nodes[1]
    assert isinstance(found, Conv)
    assert found.pad_value == 0
    np.testing.assert_array_equal(reference(graph, x), execute(model, x))


def test_weights_transposed_and_behind_quantizers_are_recognised() -> None:
    """Scaled weights keep their integers through Transpose, Mul and Reshape."""
    out = Emitter((6,), "INT4")
    weights = quant(out, out.const(RNG.standard_normal((4, 6))), bits=2, scale=0.3)
    weights = out.node("Mul", out.node("Transpose", weights, perm=[1, 0]), out.const(0.7))
    model = out.model(out.node("MatMul", "x", weights))
    dense = import_model(model).nodes[1]
    assert isinstance(dense, Dense)
    assert set(np.unique(dense.weights)) <= {-2, -1, 0, 1}
    assert dense.weight_dtype.name == "INT2"


@pytest.mark.parametrize("seed", range(3))
def test_learned_scales(seed: int) -> None:
    """Scales that are no powers of two, as training leaves them, with BatchNorms behind the products."""
    rng = np.random.default_rng(seed)
    out = Emitter((3, 8, 8), "UINT8")
    y, channels = "x", 3
    for count in (8, 12):
        scale = out.const(rng.uniform(0.01, 0.2, (count, 1, 1, 1)))
        weights = out.node("BipolarQuant", out.const(rng.standard_normal((count, channels, 3, 3))), scale)
        y = out.node("Conv", y, weights)
        gamma, beta = rng.uniform(-1, 1, count), rng.standard_normal(count)
        mean, var = rng.normal(0, 3, count), rng.uniform(0.5, 20, count)
        y = out.node("BatchNormalization", y, *[out.const(v) for v in (gamma, beta, mean, var)])
        y = out.node("BipolarQuant", y, out.const(rng.uniform(0.2, 2)))
        channels = count
    y = out.node("MatMul", out.node("Flatten", y), out.const(rng.choice([-0.037, 0.037], (12 * 16, 10))))
    model = out.model(y)
    x = rng.integers(0, 256, (64, 3, 8, 8))
    graph = import_model(model)
    found, golden = graph.dequantize(reference(graph, x)), execute(model, x)
    # the last sums are rounded product by product there and once here; every bit in front is the same
    np.testing.assert_allclose(found, golden, rtol=1e-5, atol=1e-4)
    unit = float(graph.dequant.apply(np.ones(1))[0])
    np.testing.assert_array_equal(np.rint(golden / unit), reference(graph, x))
