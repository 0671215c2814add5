"""What a node of ``dataflow.onnx`` says, as a block reads it back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, helper

from etb_hw.integer.datatype import BIPOLAR, DataType


class FinnFields:
    """Attributes and parameters of one node."""

    def __init__(self, node: NodeProto, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.node = node
        self.attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        self.parameters = [arrays[name] for name in node.input if name in arrays]

    def get(self, key: str, default: Any) -> Any:
        return self.attributes.get(key, default)

    def text(self, key: str, default: str) -> str:
        """An attribute of ours, where it is noted."""
        return str(self[key]) if key in self.attributes else default

    def __getitem__(self, key: str) -> Any:
        value = self.attributes[key]
        return value.decode() if isinstance(value, bytes) else value

    def choice(self, key: str, allowed: tuple[Any, ...]) -> Any:
        """The value of an attribute that has but a few. Raises ValueError."""
        value = self[key]
        if type(value) not in map(type, allowed) or value not in allowed:
            raise ValueError(f"{key} is {value!r}, not one of {', '.join(map(str, allowed))}")
        return value

    def flag(self, key: str) -> bool:
        """An attribute of ours that is 1 where something holds, else missing or 0. Raises ValueError."""
        return key in self.attributes and bool(self.choice(key, (0, 1)))

    def pair(self, key: str) -> tuple[int, int]:
        first, second = self[key]
        return int(first), int(second)

    @property
    def names(self) -> dict[str, Any]:
        layer = self.attributes.get("etb_layer", self.node.name.encode())
        return {"name": self.node.name, "layer": layer.decode()}

    @property
    def pixels(self) -> tuple[int, ...]:
        return tuple(int(size) for size in self["numInputVectors"])[1:]

    def dtype(self, key: str, side: str = "etb_inputs", port: int = 0) -> DataType:
        """Our type of a stream: as we noted it, else FINN's, whose BINARY is our bipolar."""
        noted = self.attributes.get(side)
        if noted is not None:
            return DataType.parse(noted[port].decode())
        named = self[key]
        found = DataType.parse(named[port].decode() if isinstance(named, list) else named)
        return BIPOLAR if found == DataType.unsigned(1) else found

    def ints(self, index: int) -> NDArray[np.int64]:
        if index >= len(self.parameters):
            raise KeyError(f"parameter {index}")
        values = self.parameters[index]
        if not (np.abs(values) < 2**53).all() or (values != np.rint(values)).any():
            raise ValueError(f"parameter {index} holds no integers")
        return values.astype(np.int64)
