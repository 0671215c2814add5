"""Some channels, or all in another order: Slice, Split and Gather along them, and the shuffle of ShuffleNet.

A shuffle is written as Reshape, Transpose, Reshape: channels as (groups, channels a group), the two axes
exchanged, and one axis again. What is between is a ``Grouped`` tensor.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from etb_hw.integer import SelectChannels
from etb_hw.qonnx_io.call import Call
from etb_hw.qonnx_io.ops.constants import shape_arithmetic
from etb_hw.qonnx_io.value import Const, Grouped, Tensor, Value

_ALONG = "pick along the channels (axis 1 of N, C, H, W), or let the layers read the whole tensor"


def selected(call: Call, value: Value, chosen: NDArray[np.int64]) -> Value:
    """The tensor of these of a value's channels, which keep their own chains."""
    count = call.builder.types[value.core].channels
    if not chosen.size or chosen.min() < -count or chosen.max() >= count:
        call.fail(f"picks none, or others than the tensor's {count} channels", "check the indices")
    chosen = chosen % count
    if np.array_equal(chosen, np.arange(count)):
        return value
    if value.order is not None:  # elements of a flattened image: the core's index behind each
        chosen = value.order[chosen]
    read, origin = value.core, call.builder.nodes[value.core]
    of_origin = chosen
    if isinstance(origin, SelectChannels):  # some of some channels
        (read,), of_origin = origin.inputs, origin.channels[chosen]
    core = call.builder.add(SelectChannels, "channels", (read,), channels=of_origin)
    chain = value.chain.of_channels(chosen)
    return replace(value, core=core, chain=chain, order=None, shared=False)


def split(call: Call) -> tuple[Tensor, ...]:
    """One tensor of channels for every output."""
    value = call.value(0)
    if not _along_channels(call, value, call.attr("axis", 0)):
        _refuse(call)
    count, outputs = call.builder.types[value.core].channels, len(call.node.output)
    given = call.int_list("split", 1)
    if call.attr("num_outputs", outputs) != outputs:
        call.fail(f"says {call.attr('num_outputs')} outputs and has {outputs}", "export the network again")
    each = -(-count // outputs)
    sizes = given or (*(each,) * (outputs - 1), count - each * (outputs - 1))
    if len(sizes) != outputs or sum(sizes) != count or min(sizes) < 1:
        call.fail(f"splits {count} channels into {sizes}", "check the sizes")
    ends = np.cumsum(sizes)
    return tuple(
        selected(call, value, np.arange(end - size, end)) for end, size in zip(ends, sizes, strict=True)
    )


def gather(call: Call) -> Tensor:
    """Of constants; or the channels that constant indices name."""
    if isinstance(call.inputs[0], Const):
        return shape_arithmetic(call)
    value, indices = call.value(0), call.const(1).value
    if indices.ndim != 1 or not _along_channels(call, value, call.attr("axis", 0)):
        _refuse(call)
    return selected(call, value, indices.astype(np.int64))


def grouped(call: Call, value: Value, before: tuple[int, ...], after: tuple[int, ...]) -> Grouped | None:
    """The first step of a shuffle, where a Reshape is one: (N, C, ...) to (N, groups, C / groups, ...)."""
    if len(after) != len(before) + 1 or (before[0], *before[2:]) != (after[0], *after[3:]):
        return None
    if after[1] * after[2] != before[1] or value.axes[0] != 0 or any(value.pads):
        return None
    return Grouped(value, after[1])


def exchanged(call: Call, tensor: Grouped) -> Grouped:
    """The second: its two axes of channels change places."""
    rank = len(tensor.value.axes) + 2
    if call.ints("perm", ()) != (0, 2, 1, *range(3, rank)):
        call.fail("moves other axes than those of grouped channels", "exchange the two, as a shuffle does")
    return replace(tensor, turned=not tensor.turned)


def joined(call: Call, tensor: Grouped, target: tuple[int, ...], whole: tuple[int, ...]) -> Value:
    """The last: the two axes are one again; ``whole`` is the shape of the tensor before them."""
    value = tensor.value
    count = call.builder.types[value.core].channels
    fits = len(target) == len(whole) and all(a in (b, -1) for a, b in zip(target[1:], whole[1:], strict=True))
    if not fits or target.count(-1) > 1:
        call.fail(f"a tensor of {count} grouped channels becomes {target}", "join the two axes again")
    order = np.arange(count).reshape(tensor.groups, -1)
    return selected(call, value, (order.T if tensor.turned else order).reshape(-1))


def _along_channels(call: Call, value: Value, axis: object) -> bool:
    rank = len(value.axes) + 1
    if not isinstance(axis, int) or not -rank <= axis < rank:
        call.fail(f"has axis {axis!r} of {rank}", "export the network again")
    return axis % rank != 0 and value.axes[axis % rank - 1] == 0


def _refuse(call: Call) -> NoReturn:
    call.fail("cuts or picks parts of a tensor, which hardware does not stream", _ALONG)
