"""The integer graph: nodes in order, and how their integers stand for the original network's numbers.

Values are plain integers: a bipolar tensor holds -1 and +1. Sums are exact (int64 in the reference executor,
far below 2**24 in practice).
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etb_hw.errors import BadInput
from etb_hw.integer.chain import Chain
from etb_hw.integer.infer import infer_types
from etb_hw.integer.nodes import Input, Ints, Node, Shape, TensorType


def unused(wanted: str, taken: Container[str]) -> str:
    """A name that none has: this one, or it with a few ' behind it. Others' names are whatever files say."""
    while wanted in taken:
        wanted += "'"
    return wanted


@dataclass(frozen=True, eq=False)
class Source:
    """How the original network reads the integer input.

    Attributes:
        chain: float32 steps from the integers to its numbers, constants along the channels.
        shape: of its input, without the batch; None for that of the integers.
        channels_last: it takes images (N, H, W, C), or signals (N, T, C).
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
        channels_last: the original network's output has its channels on the last axis (N, H, W, C).
        any_weights: whether tensors' types hold whatever weights and thresholds are, not for these alone.
    """

    nodes: tuple[Node, ...]
    output: str
    dequant: Chain = field(default_factory=Chain)
    top: int = 0
    source: Source = field(default_factory=Source)
    notes: tuple[str, ...] = ()
    channels_last: bool = False
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
        return infer_types(self.nodes, self.any_weights)

    def to_float(self, x: Ints) -> NDArray[np.float32]:
        """What the original network reads for integers ``x`` of shape (N, C, ...)."""
        return self.source.to_float(x)

    def dequantize(self, result: Ints) -> NDArray[np.float32]:
        """Float outputs of the original network, shape (N, C, ...), from integer results of that shape."""
        return self.dequant.apply(result, axis=1)

    def original(self, result: Ints) -> NDArray[np.generic]:
        """What the original network gives for integer results (N, C, ...), in its own order of axes.

        Float outputs, or its best classes, the first of equal ones.
        """
        values = self.dequantize(result)
        if self.top == 1:
            return np.asarray(values.argmax(axis=1))
        return self.laid_out(
            np.argsort(-values, axis=1, kind="stable")[:, : self.top] if self.top else values
        )

    def laid_out(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Outputs (N, C, ...) in the original network's order of axes."""
        return np.moveaxis(outputs, 1, -1) if self.channels_last else outputs
