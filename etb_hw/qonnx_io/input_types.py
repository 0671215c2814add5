"""What type a file declares its input to have: float32 as a rule, else what makes float32 of it at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from etb_hw.errors import BadInput, UnsupportedNode
from etb_hw.integer import DataType
from etb_hw.qonnx_io.node_label import node_label

INTEGERS: Mapping[int, DataType] = {
    TensorProto.UINT8: DataType.parse("UINT8"),
    TensorProto.INT8: DataType.parse("INT8"),
    TensorProto.UINT16: DataType.parse("UINT16"),
    TensorProto.INT16: DataType.parse("INT16"),
    TensorProto.INT32: DataType.parse("INT32"),
    TensorProto.INT64: DataType.parse("INT64"),
}
FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.UNDEFINED)
MOVES = ("Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity")


def declared_integers(given: onnx.ValueInfoProto) -> DataType | None:
    """The integers that a network's input is declared to hold; None where it holds floats.

    Raises BadInput for other types: half precision rounds in ways of its own.
    """
    kind = given.type.tensor_type.elem_type
    if kind not in FLOATS and kind not in INTEGERS:
        raise BadInput(f"input {given.name!r}", f"is {_name(kind)}", "export in float32 (model.float())")
    return INTEGERS.get(kind)


def check_readers(graph: onnx.GraphProto, given: onnx.ValueInfoProto) -> None:
    """Raise UnsupportedNode where a node computes with an input that is not float32 yet.

    A Cast, or a DequantizeLinear, has to make float32 of it: integers wrap, float64 rounds otherwise.
    """
    kind = given.type.tensor_type.elem_type
    if kind in (TensorProto.FLOAT, TensorProto.UNDEFINED):
        return
    waiting, seen = [given.name], {given.name}
    while waiting:
        name = waiting.pop()
        for node in graph.node:
            if name not in node.input or node.op_type == "Shape" or _makes_float32(node, kind):
                continue
            if not _keeps(node) or node.input[0] != name:
                raise UnsupportedNode(
                    node_label(node),
                    f"computes in {_name(kind)}, the type of input {given.name!r}",
                    "let a Cast to float32 stand right behind the input, or export in float32",
                )
            waiting += [output for output in node.output if output not in seen]
            seen.update(node.output)


def as_declared(given: onnx.ValueInfoProto, x: NDArray[np.generic]) -> NDArray[np.generic]:
    """``x`` in the type that an input is declared to have; float32 where the file does not say."""
    kind = given.type.tensor_type.elem_type or TensorProto.FLOAT
    return x.astype(helper.tensor_dtype_to_np_dtype(kind))


def _makes_float32(node: onnx.NodeProto, kind: int) -> bool:
    if node.op_type == "Cast":
        return _cast_to(node) == TensorProto.FLOAT
    return node.op_type == "DequantizeLinear" and kind in INTEGERS


def _keeps(node: onnx.NodeProto) -> bool:
    wider: Sequence[int | None] = (TensorProto.INT32, TensorProto.INT64)
    return node.op_type in MOVES or (node.op_type == "Cast" and _cast_to(node) in wider)


def _cast_to(node: onnx.NodeProto) -> int | None:
    return next((int(a.i) for a in node.attribute if a.name == "to"), None)


def _name(kind: int) -> str:
    return (
        str(TensorProto.DataType.Name(kind)).lower()
        if kind in TensorProto.DataType.values()
        else f"type {kind}"
    )
