"""A node as its handler sees it: decoded attributes, known inputs, and one way to refuse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import onnx
from numpy.typing import NDArray

from etb_hw.errors import BadInput, UnsupportedNode
from etb_hw.qonnx_io.builder import GraphBuilder
from etb_hw.qonnx_io.node_label import node_label
from etb_hw.qonnx_io.value import Best, Const, Grouped, Tensor, Value


@dataclass(frozen=True, eq=False)
class Call:
    """One node to interpret.

    Attributes:
        node: the ONNX node.
        inputs: its tensors in order; None for an optional one that is left out.
        builder: takes the integer nodes.
        opset: version of the standard operator set.
        batch: samples that the file's input is declared for; 1 where it is open.
    """

    node: onnx.NodeProto
    inputs: Sequence[Tensor | None]
    builder: GraphBuilder
    opset: int
    batch: int = 1

    @property
    def label(self) -> str:
        return node_label(self.node)

    def fail(self, reason: str, remedy: str) -> NoReturn:
        raise UnsupportedNode(self.label, reason, remedy)

    def attributes(self) -> Mapping[str, Any]:
        return {a.name: onnx.helper.get_attribute_value(a) for a in self.node.attribute}

    def attr(self, name: str, default: Any = None) -> Any:
        for attribute in self.node.attribute:
            if attribute.name == name:
                value = onnx.helper.get_attribute_value(attribute)
                return value.decode(errors="replace") if isinstance(value, bytes) else value
        return default

    def real(self, name: str, default: float) -> float:
        """A finite number among the attributes."""
        value = self.attr(name, default)
        if not isinstance(value, int | float) or not np.isfinite(value):
            raise BadInput(self.label, f"attribute {name} is no finite number", "export the network again")
        return float(value)

    def ints(self, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
        value = self.attr(name, default)
        try:
            return tuple(int(v) for v in value)
        except (TypeError, ValueError):
            raise BadInput(self.label, f"attribute {name} is no list of integers", "export again") from None

    def input(self, index: int) -> Tensor | None:
        return self.inputs[index] if index < len(self.inputs) else None

    def value(self, index: int) -> Value:
        """The input that must depend on the network's input."""
        found = self.input(index)
        if isinstance(found, Grouped):
            self.fail("reads channels in groups", "only a Transpose and a Reshape may: a shuffle of channels")
        if isinstance(found, Best):
            self.fail("reads the winning class, an index", "end the network in the ArgMax or TopK")
        if not isinstance(found, Value):
            self.fail(f"input {index} is not a tensor that depends on the image", "check the graph's wiring")
        return found

    def const(self, index: int) -> Const:
        """The input that must be known now."""
        found = self.input(index)
        if not isinstance(found, Const):
            self.fail(f"input {index} is not constant", "fold it into an initializer (qonnx-cleanup)")
        return found

    def optional(self, index: int) -> Const | None:
        return None if self.input(index) is None else self.const(index)

    def scalar(self, index: int) -> float:
        array = self.const(index).value
        if array.size != 1:
            self.fail(f"input {index} has {array.size} values, one is needed", "use a single value")
        return float(array.reshape(-1)[0])

    def int_list(self, attribute: str, index: int) -> tuple[int, ...] | None:
        """Integers that older operator sets keep in an attribute and newer ones in an input."""
        given = self.optional(index)
        if given is not None:
            return tuple(int(v) for v in given.value.reshape(-1))
        return self.ints(attribute, ()) if self.attr(attribute) is not None else None

    def per_channel(self, value: Value, array: NDArray[np.generic]) -> NDArray[np.float32]:
        """A constant that broadcasts against ``value``'s ONNX tensor, as () or one a core channel (C,)."""
        array = np.asarray(array, dtype=np.float32)
        if array.size == 1:
            return np.asarray(array.reshape(()), dtype=np.float32)
        rank = len(value.axes) + 1
        if array.ndim > rank:
            self.fail(f"a constant of shape {array.shape} adds dimensions", "use a scalar or one a channel")
        array = array.reshape((1,) * (rank - array.ndim) + array.shape)
        channels = self.builder.types[value.core].channels
        axis = 1 + value.axes.index(0)
        others = tuple(i for i in range(rank) if i != axis)
        first = array.min(axis=others)
        if first.shape[0] not in (1, channels) or (first != array.max(axis=others)).any():
            self.fail(
                f"a constant of shape {array.shape} is neither a scalar nor one value a channel",
                "constants must not differ between pixels",
            )
        if first.shape[0] == 1:
            return np.asarray(first.reshape(()), dtype=np.float32)
        if value.order is not None:
            natural = np.empty_like(first)
            natural[value.order] = first
            first = natural
        return np.asarray(first, dtype=np.float32)
