"""The reference executor: plain numpy in int64, written to be obviously right. Speed is packed's business."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np
from numpy.typing import NDArray

from etb_hw.errors import BadInput
from etb_hw.integer import nodes as g
from etb_hw.integer.datatype import BIPOLAR
from etb_hw.integer.depth_to_space import to_space
from etb_hw.integer.graph import IntegerGraph

Trace = Callable[[str, NDArray[np.int64]], None]


def execute(graph: IntegerGraph, x: g.Ints, trace: Trace | None = None) -> NDArray[np.int64]:
    """Run a batch.

    Args:
        x: integers of shape (N, *input shape) within the input's data type.
        trace: called with each node's name and tensor (N, ...), in order.

    Returns:
        The integer result, (N, ...).
    """
    check_input(graph, x)
    tensors: dict[str, NDArray[np.int64]] = {}
    last_use = {name: i for i, node in enumerate(graph.nodes) for name in node.inputs}
    for i, node in enumerate(graph.nodes):
        args = [tensors[name] for name in node.inputs]
        tensors[node.name] = x.astype(np.int64) if isinstance(node, g.Input) else apply(node, args)
        if trace is not None:
            trace(node.name, tensors[node.name])
        for name in node.inputs:
            if last_use[name] == i and name != graph.output:
                tensors.pop(name, None)
    return tensors[graph.output]


def check_input(graph: IntegerGraph, x: g.Ints) -> None:
    """Raise BadInput unless ``x`` is a batch of integers that the graph's input type holds."""
    expected, dtype = graph.input.shape, graph.input.dtype
    if x.shape[1:] != expected:
        raise BadInput(
            "input data", f"has shape {x.shape}, the model takes {('N', *expected)}", "reshape the data"
        )
    if not np.issubdtype(x.dtype, np.integer):
        raise BadInput(
            "input data", f"is {x.dtype}, the model takes {dtype.name} integers", "quantize the data"
        )
    if x.size and (int(x.min()) < dtype.min or int(x.max()) > dtype.max):
        raise BadInput("input data", f"leaves the range of {dtype.name}", "check the data's scaling")
    if dtype == BIPOLAR and not x.all():
        raise BadInput(
            "input data", f"holds values between those of {dtype.name}", "check the data's scaling"
        )


def apply(node: g.Node, args: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """The behaviour of one node on batches (N, ...)."""
    match node:
        case g.Conv():
            return _conv(node, args[0])
        case g.Dense():
            return _matmul(args[0], node.weights.astype(np.int64).T)
        case g.Threshold():
            x = args[0]
            out = np.full(x.shape, node.dtype.min, dtype=np.int64)
            for column in node.thresholds.T:
                out += node.dtype.step * (x >= _along_channels(column, x))
            return out
        case g.MaxPool():
            lowest = np.iinfo(np.int64).min
            windows = _windows(_pad(args[0], node.pads, lowest), node.kernel, node.stride, (1, 1))
            return np.asarray(windows.max(axis=(-2, -1)))
        case g.SumPool():
            return np.asarray(args[0].sum(axis=(2, 3), keepdims=True))
        case g.Upsample():
            return args[0].repeat(node.factors[0], axis=2).repeat(node.factors[1], axis=3)
        case g.DepthToSpace():
            return to_space(args[0], node.block, node.interleaved)
        case g.Add():
            return args[0] + args[1]
        case g.Concat():
            return np.concatenate(args, axis=1)
        case g.SelectChannels():
            return args[0][:, node.channels]
        case g.ChannelAffine():
            return args[0] * _along_channels(node.mul, args[0]) + _along_channels(node.add, args[0])
        case g.Flatten():
            return args[0].reshape(len(args[0]), prod(args[0].shape[1:]))
    raise AssertionError(f"node kind {type(node).__name__} has no behaviour")


def _conv(node: g.Conv, x: NDArray[np.int64]) -> NDArray[np.int64]:
    outputs, inputs_a_group, kernel_h, kernel_w = node.weights.shape
    fan_in = inputs_a_group * kernel_h * kernel_w
    windows = _windows(_pad(x, node.pads, node.pad_value), (kernel_h, kernel_w), node.stride, node.dilation)
    batch, _, height, width = windows.shape[:4]
    columns = windows.transpose(0, 2, 3, 1, 4, 5).reshape(batch * height * width, node.groups, fan_in)
    filters = node.weights.astype(np.int64).reshape(node.groups, outputs // node.groups, fan_in)
    sums = [_matmul(columns[:, i], filters[i].T) for i in range(node.groups)]
    return np.concatenate(sums, axis=1).reshape(batch, height, width, outputs).transpose(0, 3, 1, 2)


def _along_channels(values: g.Ints, x: NDArray[np.int64]) -> g.Ints:
    """One value a channel, shaped to meet ``x`` (N, C, ...)."""
    return values.reshape(len(values), *(1,) * (x.ndim - 2))


def _matmul(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    # numpy has no BLAS for integers; float64 is exact below 2**53 and a hundred times faster
    bound = int(np.abs(a).max(initial=0)) * int(np.abs(b).max(initial=0)) * a.shape[1]
    assert bound < 2**53, "sums leave the exact range of float64"
    return np.asarray(np.rint(a.astype(np.float64) @ b.astype(np.float64)), dtype=np.int64)


def _pad(x: NDArray[np.int64], pads: g.Pads, value: int) -> NDArray[np.int64]:
    top, left, bottom, right = pads
    return np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=value)


def _windows(x: NDArray[np.int64], kernel: g.Pair, stride: g.Pair, dilation: g.Pair) -> NDArray[np.int64]:
    """(N, C, H', W', KH, KW) views of all windows."""
    reach = ((kernel[0] - 1) * dilation[0] + 1, (kernel[1] - 1) * dilation[1] + 1)
    views = np.lib.stride_tricks.sliding_window_view(x, reach, axis=(2, 3))
    return views[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]
