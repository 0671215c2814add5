"""Mul, Add, Sub, Div, Max, Min, Clip, Relu, Neg and BatchNormalization: they only lengthen the chain."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray

from etb_hw.integer import Add, ChannelAffine
from etb_hw.qonnx_io.affine import Affine, as_affine, then
from etb_hw.qonnx_io.call import Call
from etb_hw.qonnx_io.shortcuts import ordered_sum
from etb_hw.qonnx_io.value import Const, Tensor, Value

_NUMPY = {
    "Mul": np.multiply,
    "Add": np.add,
    "Sub": np.subtract,
    "Div": np.divide,
    "Max": np.maximum,
    "Min": np.minimum,
}
_STEP: dict[str, Literal["mul", "add", "sub", "div", "max", "min"]] = {
    "Mul": "mul", "Add": "add", "Sub": "sub", "Div": "div", "Max": "max", "Min": "min",
}  # fmt: skip


def binary(call: Call) -> Tensor:
    """One of the four operations, Max or Min: two constants, a constant in either place, or two branches."""
    op = call.node.op_type
    if len(call.inputs) != 2:
        call.fail(f"has {len(call.inputs)} inputs", "use two")
    a, b = call.inputs
    if isinstance(a, Const) and isinstance(b, Const):
        return _fold(call, a, b)
    if isinstance(a, Value) and isinstance(b, Value):
        if op in ("Add", "Sub"):
            return join(call, a, negated(b) if op == "Sub" else b)
        call.fail("combines two branches", "only sums of two branches have an integer form")
    first = isinstance(a, Const)
    value, const = call.value(int(first)), call.const(int(not first)).value
    step = _STEP[op]
    if not first:
        c = call.per_channel(value, const)
        if op == "Div" and (c == 0).any():
            call.fail("divides by zero", "check the constants")
        if op == "Div" and value.whole:
            call.fail("divides integers, where ONNX drops the remainder", "divide before the Cast")
        return value.with_chain(then(value.chain, step, c))
    c = call.per_channel(value, const)
    if op == "Div":
        call.fail("divides a constant by the tensor", "only division by constants has an integer form")
    if op == "Sub":
        return value.with_chain(value.chain.then("rsub", c))
    return value.with_chain(then(value.chain, step, c))


def _fold(call: Call, a: Const, b: Const) -> Const:
    """Two constants; a common factor keeps quantized weights recognisable."""
    try:
        with np.errstate(all="ignore"):
            shape = np.broadcast_shapes(a.shape, b.shape)
            if int(np.prod(shape)) > 1 << 28:
                call.fail(f"a constant of shape {shape} is too large", "fold it before export")
            result = np.asarray(_NUMPY[call.node.op_type](a.value, b.value))
    except ValueError:
        call.fail(f"shapes {a.shape} and {b.shape} do not fit", "export the network again")
    if result.dtype.kind == "f" and not np.isfinite(result).all():
        call.fail("the constant result is NaN or infinite", "check the constants")
    if result.dtype.kind == "f":
        result = result.astype(np.float32)
    for q, c in ((a, b), (b, a)):
        if q.ints is None or q.scale is None or c.ints is not None or result.shape != q.shape:
            continue
        if call.node.op_type == "Mul" or (call.node.op_type == "Div" and q is a):
            scale = np.asarray(_NUMPY[call.node.op_type](q.scale, c.value), dtype=np.float32)
            return Const(None, q.ints, scale, q.dtype)
    return Const(result)


def negated(value: Value) -> Value:
    return value.with_chain(value.chain.then("mul", -1.0))


def neg(call: Call) -> Tensor:
    source = call.inputs[0]
    return (
        Const(np.negative(source.value.astype(np.float32)))
        if isinstance(source, Const)
        else negated(call.value(0))
    )


def relu(call: Call) -> Tensor:
    value = call.value(0)
    return value.with_chain(value.chain.then("max", 0.0))


def leaky(call: Call) -> Tensor:
    """LeakyRelu and PRelu: a slope below zero, where it does not make the function fall."""
    value = call.value(0)
    if call.node.op_type == "PRelu":
        slope = call.per_channel(value, call.const(1).value)
    else:
        slope = np.asarray(call.real("alpha", 0.01), dtype=np.float32)
    if (slope < 0).any():
        call.fail("falls below zero (negative slope)", "keep the slopes at zero or above in training")
    return value.with_chain(value.chain.then("leaky", slope))


def saturating(call: Call) -> Tensor:
    """Tanh and Sigmoid, which rise: the quantizer behind them reads its thresholds off their values."""
    value = call.value(0)
    op: Literal["tanh", "sigmoid"] = "tanh" if call.node.op_type == "Tanh" else "sigmoid"
    return value.with_chain(value.chain.then(op, 0.0))


def total(call: Call) -> Tensor:
    """Sum of any number of tensors."""
    if any(t is None for t in call.inputs) or not call.inputs:
        call.fail("lacks an input", "export the network again")
    result = call.inputs[0]
    for other in call.inputs[1:]:
        result = _added(call, result, other)
    assert result is not None
    return result


def _added(call: Call, a: Tensor | None, b: Tensor | None) -> Tensor:
    node = onnx.helper.make_node("Add", list(call.node.input[:2]), list(call.node.output), call.node.name)
    return binary(replace(call, node=node, inputs=[a, b]))


def clip(call: Call) -> Tensor:
    """Bounds are attributes up to operator set 10, inputs later."""
    bounds: list[float | None] = []
    for index, name in enumerate(("min", "max"), start=1):
        bound = call.attr(name)
        if bound is None and call.input(index) is not None:
            bound = call.scalar(index)
        bounds.append(float(bound) if bound is not None and np.isfinite(bound) else None)
    source = call.inputs[0]
    if isinstance(source, Const):
        low, high = bounds
        return Const(np.clip(source.value, low, high).astype(source.value.dtype))
    value = call.value(0)
    chain = value.chain
    for op, bound in zip(("max", "min"), bounds, strict=True):
        if bound is not None:
            chain = chain.then(op, bound)  # type: ignore[arg-type]
    return value.with_chain(chain)


def batch_normalization(call: Call) -> Tensor:
    """Inference form, in the float32 steps of onnxruntime's kernel.

    inv = 1 / sqrt(var + eps); factor = inv * gamma; y = x * factor + (beta - mean * factor). Verified bit for
    bit against onnxruntime in the tests.
    """
    value = call.value(0)
    if call.attr("training_mode", 0):
        call.fail("is in training mode", "export the network in eval mode")
    gamma, beta, mean, var = (call.const(i).value.astype(np.float32).reshape(-1) for i in range(1, 5))
    if (var < 0).any():
        call.fail("has a negative variance", "check the training run, then export again")
    if not gamma.size == beta.size == mean.size == var.size:
        call.fail("its parameters differ in number", "export the network again")
    epsilon = np.float32(call.real("epsilon", 1e-5))
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        inverse = np.float32(1) / np.sqrt(var + epsilon)
        factor = inverse * gamma
        offset = beta - mean * factor
    if not (np.isfinite(factor).all() and np.isfinite(offset).all()):
        call.fail("its parameters overflow float32", "check the training run: a variance is near zero")
    shape = (1, -1) + (1,) * (len(value.axes) - 1)
    channels = call.builder.types[value.core].channels
    if factor.size != channels or (len(value.axes) > 1 and value.axes[0] != 0):
        call.fail(f"{factor.size} parameters meet {channels} channels", "channels must be the second axis")
    chain = then(value.chain, "mul", call.per_channel(value, factor.reshape(shape)))
    return value.with_chain(then(chain, "add", call.per_channel(value, offset.reshape(shape))))


def join(call: Call, a: Value, b: Value) -> Value:
    """The sum of two branches whose scales differ by a whole factor at most."""
    if a.axes != b.axes or not _same_order(a.order, b.order) or any(a.pads) or any(b.pads):
        call.fail("adds tensors of different layouts", "add before Pad, Flatten and Transpose")
    if a.chain.start is not None or b.chain.start is not None:
        call.fail(
            "adds to a sum of different scales once more",
            "put a quantizer of 8 bits or less behind every sum (in Brevitas a QuantIdentity)",
        )
    left, right = as_affine(a.chain), as_affine(b.chain)
    if left is None or right is None:
        call.fail("adds a clipped tensor", "put a quantizer in front of the sum")
    unit = _common_unit(left, right)
    if unit is None:
        return ordered_sum(call, a, b, left, right)
    a, b = _in_units(call, a, left, unit), _in_units(call, b, right, unit)
    core = call.builder.add(Add, "add", (a.core, b.core))
    chain = then(a.chain.__class__(), "mul", _squeezed(unit))
    return replace(
        a, core=core, chain=then(chain, "add", _squeezed(left.offset + right.offset)), shared=False
    )


def _common_unit(left: Affine, right: Affine) -> NDArray[np.float64] | None:
    """The largest unit, a channel, of which both scales are whole multiples; None where there is none."""
    a, b = np.broadcast_arrays(np.abs(left.scale), np.abs(right.scale))
    smaller: NDArray[np.float64] = np.minimum(a, b)
    larger = np.maximum(a, b)
    unit, found = smaller.copy(), np.zeros(smaller.shape, dtype=bool)
    with np.errstate(divide="ignore", invalid="ignore"):
        for part in range(1, 9):
            ratio = larger / (smaller / part)
            fits = (
                ~found
                & np.isfinite(ratio)
                & (np.abs(ratio - np.rint(ratio)) <= 1e-6 * ratio)
                & (ratio < 2**16)
            )
            unit, found = np.where(fits, smaller / part, unit), found | fits
    return unit if found.all() else None


def _in_units(call: Call, value: Value, affine: Affine, unit: NDArray[np.float64]) -> Value:
    channels = call.builder.types[value.core].channels
    factor = np.broadcast_to(np.rint(affine.scale / unit), (channels,)).astype(np.int64)
    if (factor == 1).all():
        return value
    if (np.abs(factor) == 1).all():
        return call.builder.negate(value, factor < 0)
    core = call.builder.add(
        ChannelAffine, "affine", (value.core,), mul=factor, add=np.zeros(channels, dtype=np.int64)
    )
    return replace(value, core=core, shared=False)


def _squeezed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values if values.ndim == 0 or (values != values.flat[0]).any() else np.asarray(values.flat[0])


def _same_order(a: NDArray[np.int64] | None, b: NDArray[np.int64] | None) -> bool:
    return a is b or (a is not None and b is not None and bool((a == b).all()))
