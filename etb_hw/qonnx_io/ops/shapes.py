"""Flatten, Reshape, Transpose, Squeeze, Unsqueeze, Identity, Pad: they move values and change none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from etb_hw.integer import Chain, Flatten
from etb_hw.integer.chain import Step
from etb_hw.qonnx_io.call import Call
from etb_hw.qonnx_io.value import Const, Tensor, Value


def identity(call: Call) -> Tensor:
    """Identity, Dropout in eval mode, and Cast between float types."""
    source = call.inputs[0]
    if source is None:
        call.fail("has no input", "check the graph's wiring")
    return source


def cast(call: Call) -> Tensor:
    from onnx import TensorProto

    source, to = call.inputs[0], call.attr("to")
    if isinstance(source, Const):
        integer = to in (TensorProto.INT64, TensorProto.INT32)
        return replace(source, array=source.value.astype(np.int64 if integer else np.float32))
    if to not in (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.INT32):
        call.fail("casts to a type that may not hold the values", "keep float32")
    if to in (TensorProto.INT64, TensorProto.INT32) and call.value(0).chain.steps:
        call.fail("rounds a scaled tensor", "use a quantizer (Quant) instead of Cast")
    return replace(call.value(0), whole=to in (TensorProto.INT64, TensorProto.INT32))


def shape(call: Call) -> Tensor:
    """The shape of a tensor with a batch of one (Reshape puts the real batch back)."""
    source = call.inputs[0]
    if isinstance(source, Const):
        return Const(np.asarray(source.shape, dtype=np.int64))
    return Const(np.asarray(onnx_shape(call, call.value(0)), dtype=np.int64))


def onnx_shape(call: Call, value: Value) -> tuple[int, ...]:
    core = call.builder.types[value.core].shape
    top, left, bottom, right = value.pads
    if len(core) == 3:
        core = (core[0], core[1] + top + bottom, core[2] + left + right)
    return (1, *(core[a] for a in value.axes))


def flatten(call: Call) -> Tensor:
    if int(call.attr("axis", 1)) != 1:
        call.fail("does not keep the batch axis", "flatten from axis 1")
    return flat(call, call.value(0))


def reshape(call: Call) -> Tensor:
    target = call.int_list("shape", 1)
    if target is None:
        call.fail("has no target shape", "export the network again")
    source = call.inputs[0]
    if isinstance(source, Const):
        try:
            return _move(
                source, lambda a: a.reshape([a.shape[i] if d == 0 else d for i, d in enumerate(target)])
            )
        except (ValueError, IndexError):
            call.fail(f"shape {source.shape} does not become {target}", "export the network again")
    value = call.value(0)
    before = onnx_shape(call, value)
    size = int(np.prod(before))
    if tuple(target[1:]) == before[1:] and len(target) == len(before):
        return value
    wanted = [before[i] if d == 0 and i < len(before) else d for i, d in enumerate(target)]
    if len(wanted) == 2 and (wanted[1] == size or wanted[1] == -1):
        return flat(call, value)
    return call.fail(
        f"a tensor of shape {before} becomes {tuple(target)}",
        "only Reshape to (batch, everything else) is supported",
    )


def squeeze(call: Call) -> Tensor:
    axes = call.int_list("axes", 1)
    source = call.inputs[0]
    if isinstance(source, Const):
        return _move(source, lambda a: np.squeeze(a, axis=axes))
    value = call.value(0)
    before = onnx_shape(call, value)
    if axes is None:
        axes = tuple(i for i, d in enumerate(before) if i and d == 1)
    if len(before) != 4 or {a % 4 for a in axes} != {2, 3} or before[2:] != (1, 1):
        call.fail(f"removes axes {axes} of a tensor of shape {before}", "remove both image axes of one pixel")
    return flat(call, value)


def unsqueeze(call: Call) -> Tensor:
    source = call.const(0)
    axes = call.int_list("axes", 1)
    if axes is None or len(axes) > 8:
        call.fail("has no axes", "export the network again")
    return _move(source, lambda a: np.expand_dims(a, axes))


def transpose(call: Call) -> Tensor:
    source = call.inputs[0]
    if isinstance(source, Const):
        perm = call.ints("perm", tuple(range(source.ndim))[::-1])
        if sorted(perm) != list(range(source.ndim)):
            call.fail(f"perm {perm} does not fit shape {source.shape}", "export the network again")
        return _move(source, lambda a: a.transpose(perm))
    value = call.value(0)
    rank = len(value.axes) + 1
    perm = call.ints("perm", tuple(range(rank))[::-1])
    if sorted(perm) != list(range(rank)) or perm[0] != 0:
        call.fail(f"perm {perm} moves the batch axis", "keep the batch first")
    if any(value.pads):
        call.fail("transposes a padded tensor", "put the Pad right in front of its Conv")
    return replace(value, axes=tuple(value.axes[p - 1] for p in perm[1:]))


def pad(call: Call) -> Tensor:
    """A border of one constant, taken by the Conv or pool that follows."""
    value = call.value(0)
    if call.attr("mode", "constant") != "constant":
        call.fail(f"mode {call.attr('mode')!r} has no hardware form", "pad with a constant")
    amounts = call.int_list("pads", 1)
    constant = call.attr("value")
    if constant is None:
        constant = call.scalar(2) if call.input(2) is not None else 0.0
    if amounts is None or value.axes != (0, 1, 2) or len(amounts) != 8 or call.input(3) is not None:
        call.fail("does not pad an NCHW image", "pad the two image axes")
    if any(amounts[i] for i in (0, 1, 4, 5)) or min(amounts) < 0 or max(amounts) > 1 << 14:
        call.fail(
            f"pads {amounts} are no border around the image", "pad the two image axes, by small amounts"
        )
    border = (amounts[2], amounts[3], amounts[6], amounts[7])
    if not any(border):
        return value
    x = call.builder.types[value.core]
    low, high = min(-1, min(x.low)), max(1, max(x.high))
    if high - low > 1 << 16:
        call.fail("pads a sum", "put the Pad behind the quantizer")
    candidates = np.arange(low, high + 1)
    rows = np.broadcast_to(candidates, (x.channels, candidates.size))
    hits = np.flatnonzero((value.chain.apply(rows, axis=0) == np.float32(constant)).all(axis=0))
    if hits.size == 0:
        call.fail(f"no integer maps to the border's value {constant:g}", "pad with a value of the quantizer")
    integer = int(candidates[hits[0]])
    if any(value.pads) and value.pad_value != integer:
        call.fail("adds a second border of another value", "use one Pad")
    top, left, bottom, right = (a + b for a, b in zip(border, value.pads, strict=True))
    return replace(value, pads=(top, left, bottom, right), pad_value=integer)


def flat(call: Call, value: Value) -> Value:
    """(N, C, H, W) in any order of axes to (N, C*H*W)."""
    if len(value.axes) == 1:
        return value
    if any(value.pads):
        call.fail("flattens a padded tensor", "remove the Pad")
    x = call.builder.types[value.core]
    core = call.builder.add(Flatten, "flatten", (value.core,))
    steps = tuple(
        Step(s.op, np.repeat(s.constant, x.pixels)) if s.constant.ndim else s for s in value.chain.steps
    )
    order = None
    if value.axes != (0, 1, 2):
        order = np.arange(x.channels * x.pixels).reshape(x.shape).transpose(value.axes).reshape(-1)
    return Value(core, Chain(steps), order=order)


def _move(const: Const, move) -> Const:  # type: ignore[no-untyped-def]
    if const.ints is None or const.scale is None:
        return replace(const, array=move(const.value))
    scale = move(np.broadcast_to(const.scale, const.shape))
    return Const(None, move(const.ints), scale, const.dtype)
