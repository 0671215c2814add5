"""The integer graph: frozen dataclasses, one a kind of node; every node yields the tensor of its name.

Tensors are (C, H, W) or (C,), without the batch. Values are plain integers: a bipolar tensor holds -1
and +1. Sums are exact (int64 in the reference executor, far below 2**24 in practice).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from etb_hw.errors import BadInput
from etb_hw.integer.chain import Chain
from etb_hw.integer.datatype import DataType

Ints: TypeAlias = NDArray[np.integer]
Shape: TypeAlias = tuple[int, ...]
Pair: TypeAlias = tuple[int, int]
Pads: TypeAlias = tuple[int, int, int, int]  # top, left, bottom, right


@dataclass(frozen=True)
class TensorType:
    """Shape, data type and the exact reachable range a channel, ``low`` and ``high`` of shape (C,)."""

    shape: Shape
    dtype: DataType
    low: tuple[int, ...]
    high: tuple[int, ...]

    @property
    def channels(self) -> int:
        return self.shape[0]

    @property
    def pixels(self) -> int:
        return int(np.prod(self.shape[1:], dtype=np.int64))


@dataclass(frozen=True, eq=False, kw_only=True)
class Node:
    """A step of the computation. ``inputs`` are names of the nodes it reads."""

    name: str
    inputs: tuple[str, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Input(Node):
    """The network's input: integers, for images (C, H, W), normally UINT8 pixels."""

    shape: Shape
    dtype: DataType
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class Conv(Node):
    """Cross-correlation. ``weights`` has shape (O, I/groups, KH, KW).

    ``pad_value`` is what the border holds: -1 for bipolar inputs in everything that we train, 0 for pixels.
    """

    weights: Ints
    weight_dtype: DataType
    stride: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    pad_value: int = 0


@dataclass(frozen=True, eq=False, kw_only=True)
class Dense(Node):
    """Matrix product with a flat input; ``weights`` has shape (O, I)."""

    weights: Ints
    weight_dtype: DataType


@dataclass(frozen=True, eq=False, kw_only=True)
class Threshold(Node):
    """``y = dtype.min + dtype.step * #{t : x >= thresholds[c, t]}``; thresholds (C, T), rising along T.

    A channel that is constant over its range simply has thresholds out of reach.
    """

    thresholds: NDArray[np.int64]
    dtype: DataType


@dataclass(frozen=True, eq=False, kw_only=True)
class MaxPool(Node):
    """Maximum over windows; borders (``pads``) never win."""

    kernel: Pair
    stride: Pair
    pads: Pads = (0, 0, 0, 0)


@dataclass(frozen=True, eq=False, kw_only=True)
class SumPool(Node):
    """Sum over all pixels, (C, H, W) -> (C, 1, 1): a global average pool without its division."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Add(Node):
    """Sum of two tensors of one shape."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Concat(Node):
    """The channels of several tensors of one image size, one tensor's behind the other's."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ChannelAffine(Node):
    """``y = mul[c] * x + add[c]`` in integers, both of shape (C,)."""

    mul: NDArray[np.int64]
    add: NDArray[np.int64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Flatten(Node):
    """(C, H, W) -> (C*H*W,), channels slowest, as torch does it."""


@dataclass(frozen=True, eq=False)
class Source:
    """How the original network reads the integer input.

    Attributes:
        chain: float32 steps from the integers to its numbers, constants along the channels.
        shape: of its input, without the batch; None for that of the integers.
        channels_last: it takes images (N, H, W, C).
    """

    chain: Chain = field(default_factory=Chain)
    shape: Shape | None = None
    channels_last: bool = False

    def to_float(self, x: Ints) -> NDArray[np.float32]:
        """What the original network reads for integers (N, C, ...)."""
        return self._laid_out(self.chain.apply(x, axis=1))

    def in_float64(self, x: Ints) -> NDArray[np.float64]:
        """The same without float32's rounding."""
        return self._laid_out(self.chain.in_float64(x, axis=1))

    def _laid_out(self, x: NDArray[Any]) -> NDArray[Any]:
        x = np.moveaxis(x, 1, -1) if self.channels_last else x
        return x if self.shape is None else x.reshape(len(x), *self.shape)


@dataclass(frozen=True, eq=False)
class IntegerGraph:
    """A feed-forward network over integers.

    Attributes:
        nodes: in topological order; the first and only the first is the Input.
        output: name of the node whose tensor is the result (the integer logits).
        dequant: float32 chain that turns the integer result into the original network's float output.
        top: how many of the best classes the original network names (ArgMax, TopK), the best first; 0 where
            it gives scores. Executors return logits all the same.
        source: how the original network reads the input.
        notes: what a user should know of the translation.
        any_weights: whether tensors' types hold whatever weights and thresholds are, not for these alone.
    """

    nodes: tuple[Node, ...]
    output: str
    dequant: Chain = field(default_factory=Chain)
    top: int = 0
    source: Source = field(default_factory=Source)
    notes: tuple[str, ...] = ()
    any_weights: bool = False

    @cached_property
    def by_name(self) -> Mapping[str, Node]:
        return {node.name: node for node in self.nodes}

    def __getitem__(self, name: str) -> Node:
        try:
            return self.by_name[name]
        except KeyError:
            known = ", ".join(self.by_name)
            raise BadInput(f"layer {name!r}", "is not in the graph", f"use one of: {known}") from None

    @cached_property
    def input(self) -> Input:
        first = self.nodes[0]
        assert isinstance(first, Input), "an integer graph starts with its Input"
        return first

    def consumers(self, name: str) -> tuple[Node, ...]:
        return tuple(node for node in self.nodes if name in node.inputs)

    @cached_property
    def types(self) -> Mapping[str, TensorType]:
        """The type of every tensor, by name (shape errors raise BadInput naming the node)."""
        from etb_hw.integer.infer import infer_types

        return infer_types(self)

    def to_float(self, x: Ints) -> NDArray[np.float32]:
        """What the original network reads for integers ``x`` of shape (N, C, ...)."""
        return self.source.to_float(x)

    def dequantize(self, result: Ints) -> NDArray[np.float32]:
        """Float outputs of the original network, shape (N, C, ...), from integer results of that shape."""
        return self.dequant.apply(result, axis=1)

    def original(self, result: Ints) -> NDArray[np.generic]:
        """What the original network gives: float outputs, or its best classes, the first of equal ones."""
        values = self.dequantize(result)
        if self.top == 1:
            return np.asarray(values.argmax(axis=1))
        return np.argsort(-values, axis=1, kind="stable")[:, : self.top] if self.top else values
