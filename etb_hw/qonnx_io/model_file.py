"""Reading an ONNX file into a checked proto and numpy constants. Nothing of the file is executed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError, Message  # type: ignore[import-untyped]
from numpy.typing import NDArray
from onnx import numpy_helper

from etb_hw.errors import BadInput
from etb_hw.files import read_bytes
from etb_hw.qonnx_io.external_data import ONE_FILE, load_external

MAX_BYTES = 2 * 2**30 - 1  # a protobuf message cannot be larger

CHANNELS_LAST = "qonnx.custom_op.channels_last"
QUANTIZERS = ("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general")
DOMAINS = ("", "ai.onnx", *QUANTIZERS, CHANNELS_LAST)
MAPPED = ("finn.custom_op.fpgadataflow", "etb_hw.dataflow")  # how domains of blocks in a dataflow.onnx begin

_REMEDY = "export the network again (qonnx, Brevitas `export_qonnx` or `etb-hw export`)"


def read_model(path: Path | str, remedy: str = "give the path of a QONNX file") -> onnx.ModelProto:
    """Parse a file, with the values that it keeps in files beside it.

    Raises BadInput where it is missing, truncated or no ONNX file, or keeps values anywhere else.
    """
    path = Path(path)
    data = read_bytes(path, MAX_BYTES, remedy)
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError:
        raise BadInput(str(path), "is no ONNX file, or is truncated", _REMEDY) from None
    check_model(model, str(path))
    load_external(model, path, MAX_BYTES - len(data))
    return model


def check_model(model: onnx.ModelProto, where: str) -> None:
    """What later steps rely on: a graph with nodes, one output or more, names of text."""
    if not model.HasField("graph") or not model.graph.node:
        raise BadInput(where, "holds no graph: it is no ONNX file, or is truncated", _REMEDY)
    if not model.graph.output or not model.graph.input:
        raise BadInput(where, "has no input or no output: it may be truncated", _REMEDY)
    for text in _texts(model):
        if isinstance(text, bytes):  # protobuf's answer to what is no UTF-8
            raise BadInput(where, f"holds a name that is no text ({text[:40]!r}): it may be damaged", _REMEDY)
    if len(model.functions):
        raise BadInput(where, "uses ONNX functions", "inline them, or export with dynamo=False and opset 13")


def _texts(message: Message) -> Iterator[str | bytes]:
    """All that a message and its parts hold in fields of text."""
    for field, value in message.ListFields():
        single = isinstance(value, (str, bytes, Message))
        if field.type == field.TYPE_STRING:
            yield from (value,) if single else value
        elif field.type == field.TYPE_MESSAGE:
            for part in (value,) if single else value:
                yield from _texts(part)


def network_input(graph: onnx.GraphProto) -> onnx.ValueInfoProto:
    """The one input that is no parameter: files may list weights among them, and some that nothing reads.

    Raises BadInput where there are several, or none.
    """
    known = {tensor.name for tensor in graph.initializer}
    inputs: list[onnx.ValueInfoProto] = [given for given in graph.input if given.name not in known]
    if len(inputs) > 1:  # exporters may leave parameters behind that nothing reads
        read = {name for node in graph.node for name in node.input}
        inputs = [given for given in inputs if given.name in read]
    if len(inputs) != 1:
        raise BadInput(
            "the graph",
            f"has {len(inputs)} inputs",
            "networks with one input are supported; cut the others",
        )
    return inputs[0]


def to_array(tensor: onnx.TensorProto) -> NDArray[np.generic]:
    """Values of a tensor. Raises BadInput for values that are broken, NaN or infinite."""
    where = f"tensor {tensor.name!r}"
    array = decoded(tensor)
    if array.dtype.kind not in "fiub":
        raise BadInput(
            where, f"holds {array.dtype} values", "use float32, or integers of 8 bits or more (int8)"
        )
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise BadInput(where, "holds NaN or infinite values", "check the training run, then export again")
        array = array.astype(np.float32, copy=False)
    return array


def decoded(tensor: onnx.TensorProto) -> NDArray[np.generic]:
    """Values of a tensor of any type. Raises BadInput where fewer are stored than its shape says."""
    where = f"tensor {tensor.name!r}"
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        raise BadInput(where, "keeps its values in another file", ONE_FILE)
    stored = max(
        len(tensor.raw_data), len(tensor.float_data), len(tensor.int32_data), len(tensor.int64_data),
        len(tensor.double_data), len(tensor.uint64_data),
    )  # fmt: skip
    if any(d < 0 for d in tensor.dims) or math.prod(tensor.dims) > stored * 8:
        raise BadInput(where, f"has shape {list(tensor.dims)} but fewer values", _REMEDY)
    try:
        return np.asarray(numpy_helper.to_array(tensor))
    except Exception as error:  # onnx raises whatever numpy and protobuf raise
        raise BadInput(where, f"cannot be decoded ({error})", _REMEDY) from None


def tensor_annotations(model: onnx.ModelProto, key: str = "finn_datatype") -> dict[str, str]:
    """qonnx's data type (or other) annotation of every annotated tensor."""
    return {
        entry.tensor_name: pair.value
        for entry in model.graph.quantization_annotation
        for pair in entry.quant_parameter_tensor_names
        if pair.key == key
    }
