"""Collects the integer graph's nodes while the interpreter walks, with types known at once."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from etb_hw.integer import (
    BIPOLAR,
    Chain,
    ChannelAffine,
    Conv,
    DataType,
    Dense,
    DepthToSpace,
    IntegerGraph,
    Node,
    Upsample,
)
from etb_hw.integer.chain import Link
from etb_hw.integer.graph import Source
from etb_hw.integer.infer import infer_node
from etb_hw.integer.nodes import TensorType
from etb_hw.qonnx_io.value import Value

NodeType = TypeVar("NodeType", bound=Node)


class GraphBuilder:
    """Nodes in order, and the type of each.

    Attributes:
        bipolar_pads: value of a border that a conv's ``pads`` attribute puts around a bipolar tensor.
    """

    def __init__(self, bipolar_pads: int = 0) -> None:
        self.bipolar_pads = bipolar_pads
        self.nodes: dict[str, Node] = {}
        self.types: dict[str, TensorType] = {}
        self.adding = ""  # the node that came last; errors of shape inference name it
        self.alone: set[str] = set()  # what only moves or shifts a tensor that nobody else reads
        self.layer = ""  # what the user calls the layer that is being read; its nodes are named after it
        self._count: Counter[str] = Counter()

    def add(self, kind: type[NodeType], prefix: str, inputs: tuple[str, ...] = (), **fields: Any) -> str:
        """A new node, named after the layer. Raises BadInput where shapes do not fit."""
        name = self.adding = self._name(prefix)
        node = kind(name=name, inputs=inputs, **fields)
        self.types[name] = infer_node(node, [self.types[i] for i in inputs])
        self.nodes[name] = node
        return name

    def _name(self, prefix: str) -> str:
        """The layer's name; ``<layer>.<prefix>`` for its further nodes, ``<prefix>_<number>`` without one."""
        wanted = [self.layer, f"{self.layer}.{prefix}"] if self.layer else []
        for name in wanted:
            if name not in self.nodes:
                return name
        stem = wanted[-1] if wanted else prefix
        while True:
            name = f"{stem}_{self._count[stem]}"
            self._count[stem] += 1
            if name not in self.nodes:
                return name

    def put(self, node: Node) -> str:
        """Replace the node of that name."""
        self.types[node.name] = infer_node(node, [self.types[i] for i in node.inputs])
        self.nodes[node.name] = node
        return node.name

    def negate(self, value: Value, channels: NDArray[np.bool_]) -> Value:
        """The same tensor over a core whose ``channels`` have the opposite sign.

        Free where the core comes from a filter bank that nobody else reads: its weights change sign.
        """
        sign = np.where(channels, -1, 1)
        core = value.core
        if value.shared or not self._turned(core, sign):
            core = self.add(
                ChannelAffine, "affine", (core,), mul=sign.astype(np.int64), add=np.zeros_like(sign)
            )
        return replace(value, core=core, chain=_signed(value.chain, sign), shared=False)

    def _turned(self, core: str, sign: NDArray[np.int64]) -> bool:
        """Give channels of a core that nobody has read these signs; whether its filters could take them."""
        node = self.nodes[core]
        if isinstance(node, Conv | Dense):
            weights = node.weights * sign.reshape((-1,) + (1,) * (node.weights.ndim - 1)).astype(np.int8)
            dtype = node.weight_dtype
            low, high = int(weights.min()), int(weights.max())
            if dtype != BIPOLAR and (low < dtype.min or high > dtype.max):
                dtype = DataType.smallest(low, high)
            self.put(replace(node, weights=weights, weight_dtype=dtype))
            return True
        of_source, made = sign, node
        match node:
            case Upsample():
                pass
            case DepthToSpace():
                parts = node.block**2
                of_source = np.repeat(sign, parts) if node.interleaved else np.tile(sign, parts)
            case ChannelAffine():
                made = replace(node, add=node.add * sign)
            case _:
                return False
        if core not in self.alone or not self._turned(node.inputs[0], of_source):
            return False
        self.put(made)
        return True

    def finish(
        self,
        output: str,
        dequant: Chain,
        top: int,
        source: Source,
        notes: tuple[str, ...],
        channels_last: bool,
    ) -> IntegerGraph:
        """The graph of what ``output`` needs; see IntegerGraph for the rest."""
        needed = {output}
        for name in reversed(self.nodes):
            if name in needed:
                needed.update(self.nodes[name].inputs)
        kept = tuple(node for name, node in self.nodes.items() if name in needed)
        return IntegerGraph(kept, output, dequant, top, source, notes, channels_last)


def _signed(chain: Chain, sign: NDArray[np.int64]) -> Chain:
    """``chain`` of ``sign * x``; signs are exact in float32, so a leading factor simply takes them."""
    if chain.start is not None:
        return replace(chain, start=replace(chain.start, sign=chain.start.sign * sign))
    if chain.links and chain.links[0].op in ("mul", "div"):
        first = chain.links[0]
        return Chain((Link(first.op, first.constant * sign.astype(np.float32)), *chain.links[1:]))
    return Chain((Link("mul", sign.astype(np.float32)), *chain.links))
