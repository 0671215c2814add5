"""Shapes and exact reachable ranges of every tensor of an integer graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from etb_hw.errors import BadInput
from etb_hw.integer import nodes as g
from etb_hw.integer.datatype import DataType
from etb_hw.integer.nodes import Node, TensorType

Range = tuple[NDArray[np.int64], NDArray[np.int64]]


def infer_types(nodes: Sequence[Node], any_weights: bool = False) -> Mapping[str, TensorType]:
    """Types of all tensors, by name, of nodes in topological order; ``any_weights``: see ``infer_node``.

    Raises BadInput that names the node where shapes do not fit.
    """
    types: dict[str, TensorType] = {}
    for node in nodes:
        missing = [name for name in node.inputs if name not in types]
        if missing:
            raise BadInput(node.name, f"reads {missing[0]!r}, which no earlier node yields", "sort the graph")
        types[node.name] = infer_node(node, [types[name] for name in node.inputs], any_weights)
    return types


def conv_output_size(size: int, kernel: int, stride: int, dilation: int, pad: int) -> int:
    """Output pixels along one axis; ``pad`` counts both sides."""
    return (size + pad - dilation * (kernel - 1) - 1) // stride + 1


def infer_node(node: Node, inputs: list[TensorType], any_weights: bool = False) -> TensorType:
    """The type of one node's tensor from those of its inputs. Raises BadInput where shapes do not fit.

    ``any_weights``: whatever values of their types its weights have, and wherever its thresholds are.
    """
    match node:
        case g.Input():
            full = np.ones(node.shape[0], dtype=np.int64)
            return _typed(node.shape, full * node.dtype.min, full * node.dtype.max, node.dtype)
        case g.Conv():
            return _conv(node, inputs[0], any_weights)
        case g.Dense():
            x = inputs[0]
            if len(x.shape) != 1 or node.weights.shape[1] != x.shape[0]:
                _misfit(node, f"weights of {node.weights.shape[1]} inputs meet a tensor of shape {x.shape}")
            low, high = _matmul_range(node, node.weights, *_bounds(x), any_weights=any_weights)
            return _typed((node.weights.shape[0],), low, high)
        case g.Threshold():
            x = inputs[0]
            if node.thresholds.shape[0] != x.channels:
                _misfit(node, f"{node.thresholds.shape[0]} threshold rows meet {x.channels} channels")
            if any_weights:
                full = np.ones(x.channels, dtype=np.int64)
                return _typed(x.shape, full * node.dtype.min, full * node.dtype.max, node.dtype)
            low, high = (
                node.dtype.min + node.dtype.step * (bound[:, None] >= node.thresholds).sum(axis=1)
                for bound in _bounds(x)
            )
            return _typed(x.shape, low, high, node.dtype)
        case g.MaxPool():
            x = inputs[0]
            height, width = _spatial(node, x)
            top, left, bottom, right = node.pads
            shape = (
                x.channels,
                conv_output_size(height, node.kernel[0], node.stride[0], 1, top + bottom),
                conv_output_size(width, node.kernel[1], node.stride[1], 1, left + right),
            )
            _positive(node, shape)
            return _typed(shape, *_bounds(x), x.dtype)
        case g.SumPool():
            x = inputs[0]
            _spatial(node, x)
            low, high = _bounds(x)
            _exact(node, _largest(x) * x.pixels)
            return _typed((x.channels, 1, 1), low * x.pixels, high * x.pixels)
        case g.Upsample():
            x = inputs[0]
            height, width = _spatial(node, x)
            shape = (x.channels, height * node.factors[0], width * node.factors[1])
            _positive(node, shape)
            return _typed(shape, *_bounds(x), x.dtype)
        case g.DepthToSpace():
            x = inputs[0]
            height, width = _spatial(node, x)
            parts = node.block**2
            if x.channels % parts:
                _misfit(node, f"{x.channels} channels are no multiple of {parts}")
            shape = (x.channels // parts, height * node.block, width * node.block)
            _positive(node, shape)
            along = -1 if node.interleaved else 0
            split = (-1, parts) if node.interleaved else (parts, -1)
            low, high = (bound.reshape(split) for bound in _bounds(x))
            return _typed(shape, low.min(axis=along), high.max(axis=along), x.dtype)
        case g.Add():
            a, b = inputs
            if a.shape != b.shape:
                _misfit(node, f"shapes {a.shape} and {b.shape} differ")
            _exact(node, _largest(a) + _largest(b))
            (a_low, a_high), (b_low, b_high) = _bounds(a), _bounds(b)
            return _typed(a.shape, a_low + b_low, a_high + b_high)
        case g.Concat():
            sizes = {x.shape[1:] for x in inputs}
            if len(sizes) != 1:
                _misfit(node, f"shapes {', '.join(str(x.shape) for x in inputs)} differ beside the channels")
            joined = (sum(x.channels for x in inputs), *inputs[0].shape[1:])
            low, high = np.concatenate([_bounds(x) for x in inputs], axis=1)
            same = len({x.dtype for x in inputs}) == 1
            return _typed(joined, low, high, inputs[0].dtype if same else None)
        case g.SelectChannels():
            x, chosen = inputs[0], node.channels
            if not chosen.size or chosen.min() < 0 or chosen.max() >= x.channels:
                _misfit(node, f"it selects others than the {x.channels} channels")
            low, high = (bound[chosen] for bound in _bounds(x))
            return _typed((len(chosen), *x.shape[1:]), low, high, x.dtype)
        case g.ChannelAffine():
            x = inputs[0]
            if node.mul.shape != (x.channels,) or node.add.shape != (x.channels,):
                _misfit(node, f"{node.mul.shape[0]} factors meet {x.channels} channels")
            steepest, most = (float(np.abs(v.astype(np.float64)).max()) for v in (node.mul, node.add))
            _exact(node, steepest * _largest(x) + most)
            if any_weights:
                return _affine_of_any(node, x)
            ends = np.stack([node.mul * bound + node.add for bound in _bounds(x)])
            return _typed(x.shape, ends.min(axis=0), ends.max(axis=0))
        case g.Flatten():
            x = inputs[0]
            low, high = (np.repeat(bound, x.pixels) for bound in _bounds(x))
            return _typed((x.channels * x.pixels,), low, high, x.dtype)
    raise AssertionError(f"node kind {type(node).__name__} has no type rule")


def _affine_of_any(node: g.ChannelAffine, x: TensorType) -> TensorType:
    """Whatever is added within the type's ``addend``; factors stay what they are."""
    ends = np.stack([node.mul * x.dtype.min, node.mul * x.dtype.max])
    kind = DataType.smallest(int(ends.min()), int(ends.max()))
    full = np.ones(x.channels, dtype=np.int64)
    return _typed(x.shape, full * (kind.min + kind.addend.min), full * (kind.max + kind.addend.max))


def _conv(node: g.Conv, x: TensorType, any_weights: bool) -> TensorType:
    height, width = _spatial(node, x)
    outputs, inputs_a_group, kernel_h, kernel_w = node.weights.shape
    if inputs_a_group * node.groups != x.channels or outputs % node.groups:
        _misfit(node, f"weights {node.weights.shape} in {node.groups} groups meet {x.channels} channels")
    top, left, bottom, right = node.pads
    shape = (
        outputs,
        conv_output_size(height, kernel_h, node.stride[0], node.dilation[0], top + bottom),
        conv_output_size(width, kernel_w, node.stride[1], node.dilation[1], left + right),
    )
    _positive(node, shape)
    low, high = _bounds(x)
    if any(node.pads):
        low, high = np.minimum(low, node.pad_value), np.maximum(high, node.pad_value)
    a_group = outputs // node.groups
    # a group's filters see their own slice of the input channels, each at every kernel position
    ranges = [
        _matmul_range(
            node,
            node.weights[i * a_group : (i + 1) * a_group].reshape(a_group, -1),
            *(
                np.repeat(bound[i * inputs_a_group : (i + 1) * inputs_a_group], kernel_h * kernel_w)
                for bound in (low, high)
            ),
            any_weights=any_weights,
        )
        for i in range(node.groups)
    ]
    return _typed(shape, *np.concatenate(ranges, axis=1))


def _matmul_range(
    node: g.Conv | g.Dense,
    weights: NDArray[np.integer],
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    *,
    any_weights: bool,
) -> Range:
    """Extremes of ``weights @ x`` for low <= x <= high: centre plus and minus spread.

    In floats, for which there are fast products; all sums are integers that the chosen type holds exactly.
    """
    if any_weights:
        kind = node.weight_dtype
        corners = np.stack([weight * bound for weight in (kind.min, kind.max) for bound in (low, high)])
        _exact(node, float(np.abs(corners).max(axis=0).sum()))
        rows = np.ones(len(weights), dtype=np.int64)
        return rows * corners.min(axis=0).sum(), rows * corners.max(axis=0).sum()
    largest = np.abs((low, high)).max(initial=0)
    steepest = np.abs(weights.astype(np.int64)).max(initial=0)
    reach = 2.0 * weights.shape[1] * float(steepest) * float(largest)
    _exact(node, reach)
    exact = np.float32 if reach < 2**24 else np.float64
    matrix = weights.astype(exact)
    centre = matrix @ (low + high).astype(exact)
    spread = np.abs(matrix, out=matrix) @ (high - low).astype(exact)
    return ((centre - spread) / 2).astype(np.int64), ((centre + spread) / 2).astype(np.int64)


def _exact(node: Node, reach: float) -> None:
    """Refuse a tensor whose values, at most ``reach`` in size, float64 and int64 may not hold exactly."""
    if reach >= 2.0**53:
        raise BadInput(
            node.name,
            "its sums may leave the exact range of 53 bits",
            "put a quantizer in front, or scale the tensor down",
        )


def _largest(x: TensorType) -> float:
    return float(max(abs(value) for value in (*x.low, *x.high)))


def _bounds(x: TensorType) -> Range:
    return np.asarray(x.low, dtype=np.int64), np.asarray(x.high, dtype=np.int64)


def _typed(
    shape: g.Shape, low: NDArray[np.int64], high: NDArray[np.int64], dtype: DataType | None = None
) -> TensorType:
    if dtype is None:
        dtype = DataType.smallest(int(low.min()), int(high.max()))
    return g.TensorType(shape, dtype, tuple(low.tolist()), tuple(high.tolist()))


def _spatial(node: Node, x: TensorType) -> tuple[int, int]:
    if len(x.shape) != 3:
        _misfit(node, f"needs a tensor (C, H, W) and meets shape {x.shape}")
    return x.shape[1], x.shape[2]


def _positive(node: Node, shape: g.Shape) -> None:
    if min(shape) < 1:
        _misfit(node, f"its output would have shape {shape}")


def _misfit(node: Node, reason: str) -> None:
    raise BadInput(node.name, reason, "check the shapes of the model or of its input")
