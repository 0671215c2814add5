"""Flatten, Reshape, Transpose, Squeeze, Unsqueeze, Identity, Pad: they move values and change none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from etb_hw.integer import Chain, Flatten, Input
from etb_hw.integer.chain import Link
from etb_hw.qonnx_io.call import Call
from etb_hw.qonnx_io.ops.channels import exchanged, grouped, joined
from etb_hw.qonnx_io.ops.comparisons import is_truth
from etb_hw.qonnx_io.ops.linear import convolved
from etb_hw.qonnx_io.value import IMAGE, NO_AXIS, SIGNAL, Const, Grouped, Tensor, Value


def identity(call: Call) -> Tensor:
    source = call.inputs[0]
    if source is None:
        call.fail("has no input", "check the graph's wiring")
    return source


def dropout(call: Call) -> Tensor:
    """Nothing in eval mode; its input that says otherwise came with operator set 12."""
    if call.input(2) is not None and call.scalar(2):
        call.fail("is in training mode", "export the network in eval mode")
    return identity(call)


def cast(call: Call) -> Tensor:
    from onnx import TensorProto

    source, to = call.inputs[0], call.attr("to")
    if isinstance(source, Const):
        integer = to in (TensorProto.INT64, TensorProto.INT32)
        return replace(source, array=source.value.astype(np.int64 if integer else np.float32))
    if to == TensorProto.BOOL and is_truth(call, call.value(0)):
        return call.value(0)
    if to not in (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.INT32):
        call.fail("casts to a type that may not hold the values", "keep float32")
    if to in (TensorProto.INT64, TensorProto.INT32) and (
        call.value(0).chain.links or call.value(0).chain.start
    ):
        call.fail("rounds a scaled tensor", "use a quantizer (Quant) instead of Cast")
    return replace(call.value(0), whole=to in (TensorProto.INT64, TensorProto.INT32))


def shape(call: Call) -> Tensor:
    """The shape of a tensor with a batch of one (Reshape puts the real batch back), or a part of it."""
    source = call.inputs[0]
    sizes = source.shape if isinstance(source, Const) else onnx_shape(call, call.value(0))
    part = slice(int(call.attr("start", 0)), call.attr("end"))  # counts from behind and clamps, as ONNX does
    return Const(np.asarray(sizes[part], dtype=np.int64))


def onnx_shape(call: Call, value: Value) -> tuple[int, ...]:
    core = call.builder.types[value.core].shape
    top, left, bottom, right = value.pads
    if len(core) == 3:
        core = (core[0], core[1] + top + bottom, core[2] + left + right)
    return (1, *(1 if a == NO_AXIS else core[a] for a in value.axes))


def flatten(call: Call) -> Tensor:
    value = call.value(0)
    if int(call.attr("axis", 1)) not in (1, -len(value.axes)):
        call.fail("does not keep the batch axis", "flatten from axis 1")
    return flat(call, value)


def reshape(call: Call) -> Tensor:
    target = call.int_list("shape", 1)
    if target is None:
        call.fail("has no target shape", "export the network again")
    if 0 in target and call.attr("allowzero", 0):
        call.fail(f"a tensor becomes {target}, which holds nothing", "export the network again")
    source = call.inputs[0]
    if not isinstance(source, Const) and target[:1] == (call.batch,):
        target = (1, *target[1:])  # shapes here are of one sample
    if isinstance(source, Const):
        try:
            return moved(
                source, lambda a: a.reshape([a.shape[i] if d == 0 else d for i, d in enumerate(target)])
            )
        except (ValueError, IndexError):
            call.fail(f"shape {source.shape} does not become {target}", "export the network again")
    if isinstance(source, Grouped):
        whole = onnx_shape(call, source.value)
        size = int(np.prod(whole))
        if len(whole) > 2 and (target in ((0, -1), (1, -1)) or target[1:] == (size,)):
            return flat(call, joined(call, source, whole, whole))  # torch's newer exporter does both at once
        return joined(call, source, target, whole)
    value = call.value(0)
    before = onnx_shape(call, value)
    size = int(np.prod(before))
    wanted = [before[i] if d == 0 and i < len(before) else d for i, d in enumerate(target)]
    known = -int(np.prod(wanted))
    after = [1, *(size // known if d == -1 and known > 0 else d for d in wanted[1:])]
    if len(after) == 2 and after[1] == size:
        return flat(call, value)
    if [d for d in after if d != 1] == [d for d in before if d != 1]:
        return _with_sizes(call, value, after[1:])
    if len(after) == 4 and int(np.prod(after)) == size and _is_input(call, value):
        return _as_image(call, value, after[1:])
    in_groups = grouped(call, value, before, tuple(after))
    if in_groups is not None:
        return in_groups
    return call.fail(
        f"a tensor of shape {before} becomes {tuple(target)}",
        "only Reshape to (batch, everything else), of the input to an image, and of channels to groups that "
        "a Transpose exchanges, is supported",
    )


def _is_input(call: Call, value: Value) -> bool:
    whole = not any(step.constant.ndim for step in value.chain.links)
    return (
        isinstance(call.builder.nodes[value.core], Input)
        and value.axes == (0,)
        and whole
        and not value.shared
    )


def _as_image(call: Call, value: Value, shape: list[int]) -> Value:
    """A flat input that the network takes for an image (C, H, W) is one from the start."""
    node = call.builder.nodes[value.core]
    call.builder.put(replace(node, shape=tuple(shape)))  # type: ignore[call-arg]
    return replace(value, axes=IMAGE)


def _with_sizes(call: Call, value: Value, sizes: list[int]) -> Value:
    """The same tensor with axes of size 1 put in or left out."""
    if any(value.pads):
        call.fail("reshapes a padded tensor", "put the Pad right in front of its Conv")
    core = call.builder.types[value.core].shape
    left = [a for a in value.axes if a != NO_AXIS and core[a] != 1]
    axes = [left.pop(0) if size != 1 else NO_AXIS for size in sizes]
    unused = [a for a in range(len(core)) if a not in axes]
    axes = [unused.pop(0) if a == NO_AXIS and unused else a for a in axes]
    if axes == [0] and len(core) > 1:
        return flat(call, value)
    return replace(value, axes=tuple(axes))


def squeeze(call: Call) -> Tensor:
    axes = call.int_list("axes", 1)
    source = call.inputs[0]
    if isinstance(source, Const):
        return moved(source, lambda a: np.squeeze(a, axis=axes))
    value = call.value(0)
    before = onnx_shape(call, value)
    if axes is None:
        axes = tuple(i for i, d in enumerate(before) if i and d == 1)
    gone = {a % len(before) for a in axes}
    if 0 in gone or any(before[a] != 1 for a in gone):
        call.fail(f"removes axes {axes} of a tensor of shape {before}", "remove axes of size 1")
    return _with_sizes(call, value, [d for i, d in enumerate(before) if i and i not in gone])


def unsqueeze(call: Call) -> Tensor:
    source = call.inputs[0]
    axes = call.int_list("axes", 1)
    if axes is None or len(axes) > 8:
        call.fail("has no axes", "export the network again")
    if isinstance(source, Const):
        return moved(source, lambda a: np.expand_dims(a, axes))
    value = call.value(0)
    sizes = np.expand_dims(np.empty(onnx_shape(call, value), dtype=np.bool_), axes).shape
    if sizes[0] != 1 or len(sizes) > 4 or 0 in axes:
        call.fail(f"gives a tensor of shape {sizes}", "keep the batch first, and at most four axes")
    return _with_sizes(call, value, list(sizes[1:]))


def transpose(call: Call) -> Tensor:
    source = call.inputs[0]
    if isinstance(source, Const):
        perm = call.ints("perm", tuple(range(source.ndim))[::-1])
        if sorted(perm) != list(range(source.ndim)):
            call.fail(f"perm {perm} does not fit shape {source.shape}", "export the network again")
        return moved(source, lambda a: a.transpose(perm))
    if isinstance(source, Grouped):
        return exchanged(call, source)
    value = call.value(0)
    rank = len(value.axes) + 1
    perm = call.ints("perm", tuple(range(rank))[::-1])
    if sorted(perm) != list(range(rank)) or perm[0] != 0:
        call.fail(f"perm {perm} moves the batch axis", "keep the batch first")
    if any(value.pads):
        call.fail("transposes a padded tensor", "put the Pad right in front of its Conv")
    return replace(value, axes=tuple(value.axes[p - 1] for p in perm[1:]))


def pad(call: Call) -> Tensor:
    """A border of one constant, taken by the Conv or pool that follows; or more channels, of zeros."""
    value = call.value(0)
    if call.attr("mode", "constant") != "constant":
        call.fail(f"mode {call.attr('mode')!r} has no hardware form", "pad with a constant")
    amounts = call.int_list("pads", 1)
    constant = call.attr("value")
    if constant is None:
        constant = call.scalar(2) if call.input(2) is not None else 0.0
    axes = call.int_list("axes", 3)  # of operator set 18: which the amounts are for
    if amounts is not None and axes is not None:
        amounts = _of_all_axes(call, amounts, axes, len(value.axes) + 1)
    if amounts is not None and value.axes == SIGNAL and len(amounts) == 6:
        amounts = (*amounts[:2], 0, *amounts[2:5], 0, *amounts[5:])
    elif amounts is None or value.axes != IMAGE or len(amounts) != 8:
        call.fail("does not pad an NCHW image", "pad the two image axes")
    channels = (amounts[1], amounts[5])
    if constant == 0 and min(amounts) >= 0 and 0 < sum(channels) == sum(amounts):
        return _more_channels(call, value, *channels)
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


def _of_all_axes(call: Call, amounts: tuple[int, ...], axes: tuple[int, ...], rank: int) -> tuple[int, ...]:
    placed = {axis % rank for axis in axes if -rank <= axis < rank}
    if not len(placed) == len(axes) == len(amounts) / 2:
        call.fail(f"pads {amounts} do not fit axes {axes}", "export the network again")
    before, behind = [0] * rank, [0] * rank
    for place, axis in enumerate(axes):
        before[axis], behind[axis] = amounts[place], amounts[place + len(axes)]
    return (*before, *behind)


def _more_channels(call: Call, value: Value, before: int, behind: int) -> Value:
    """Zeros before and behind a tensor's channels, by a 1x1 convolution: shortcuts of CIFAR's ResNets."""
    channels = call.builder.types[value.core].channels
    if before + behind > 1 << 14:
        call.fail(f"adds {before + behind:,} channels", "add fewer")
    weights = np.zeros((before + channels + behind, channels, *(1,) * (len(value.axes) - 1)), np.float32)
    weights[before : before + channels][np.diag_indices(channels)] = 1
    return convolved(call, value, Const(weights), (0, 0, 0, 0))


def flat(call: Call, value: Value) -> Value:
    """(N, C, H, W) in any order of axes to (N, C*H*W)."""
    if any(value.pads):
        call.fail("flattens a padded tensor", "remove the Pad")
    x = call.builder.types[value.core]
    if len(x.shape) == 1:
        return replace(value, axes=(0,))
    core = call.builder.add(Flatten, "flatten", (value.core,))
    steps = tuple(
        Link(s.op, np.repeat(s.constant, x.pixels)) if s.constant.ndim else s for s in value.chain.links
    )
    named = [a for a in value.axes if a != NO_AXIS]
    axes = (
        *named,
        *(a for a in range(len(x.shape)) if a not in named),
    )  # those that are not named are of size 1
    order = np.arange(x.channels * x.pixels).reshape(x.shape).transpose(axes).reshape(-1)
    natural = bool((order == np.arange(order.size)).all())
    start = value.chain.start
    if start is not None:
        start = replace(start, row=np.repeat(start.row, x.pixels), sign=np.repeat(start.sign, x.pixels))
    return Value(core, Chain(steps, start), order=None if natural else order)


def moved(const: Const, move) -> Const:  # type: ignore[no-untyped-def]
    """A constant whose values change places."""
    if const.ints is None or const.scale is None:
        return replace(const, array=move(const.value))
    scale = move(np.broadcast_to(const.scale, const.shape))
    return Const(None, move(const.ints), scale, const.dtype)
