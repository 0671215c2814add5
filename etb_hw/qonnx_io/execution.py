"""Running a file in qonnx's own executor: the reference that every import is proved against."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.general import GiveUniqueNodeNames
from qonnx.transformation.infer_shapes import InferShapes

from etb_hw.errors import BadInput, one_line
from etb_hw.qonnx_io.batched import with_batch
from etb_hw.qonnx_io.four_bits import in_eight_bits
from etb_hw.qonnx_io.input_types import as_declared
from etb_hw.qonnx_io.model_file import CHANNELS_LAST, DOMAINS, network_input, read_model
from etb_hw.qonnx_io.node_label import node_label

_LAYOUT = re.compile(r"""\[(\s*["'][A-Za-z]["']\s*,?)*\s*\]""", re.ASCII)


def execute(
    model: Path | str | onnx.ModelProto, x: NDArray[np.generic], batch: int = 64
) -> NDArray[np.generic]:
    """Outputs of qonnx's executor, node by node, for ``x`` of shape (N, ...).

    qonnx's overhead is one onnxruntime session a node and call, so images go in batches; weights and nodes
    stay as the file has them. The last batch is filled up with copies, whose results are dropped.

    Raises BadInput where qonnx cannot execute the file.
    """
    proto = model if isinstance(model, onnx.ModelProto) else read_model(model)
    where = "the model" if isinstance(model, onnx.ModelProto) else str(model)
    _check_trusted(proto, where)
    proto = in_eight_bits(proto)
    batch = max(1, min(batch, len(x)))
    try:
        if any(node.domain == CHANNELS_LAST for node in proto.graph.node):
            wrapped = ModelWrapper(proto)
            batch = max(
                1, network_input(proto.graph).type.tensor_type.shape.dim[0].dim_value
            )  # qonnx cannot change it
        else:
            wrapped = ModelWrapper(with_batch(proto, batch)).transform(InferShapes())
        wrapped = wrapped.transform(GiveUniqueNodeNames())
        source, sink = network_input(wrapped.graph), wrapped.graph.output[0].name
        parts = []
        for start in range(0, len(x), batch):
            part = as_declared(source, x[start : start + batch])
            filled = np.concatenate([part, np.repeat(part[:1], batch - len(part), axis=0)])
            result = np.asarray(execute_onnx(wrapped, {source.name: filled})[sink])
            parts.append(result[: len(part)])
    except BadInput:
        raise
    except Exception as error:  # qonnx and onnxruntime raise whatever they meet
        reason = one_line(error, 300)
        raise BadInput(
            where, f"qonnx cannot execute it ({reason})", "run qonnx-cleanup on the file"
        ) from error
    return np.concatenate(parts)


def _check_trusted(model: onnx.ModelProto, where: str) -> None:
    """qonnx evaluates layout annotations as Python and imports a node's domain as a module: allow neither.

    A layout is a list of quoted letters and nothing else; qonnx writes 'x' for an axis of size 1. Each one is
    looked at, also where a file has several for a tensor.
    """
    for entry in model.graph.quantization_annotation:
        layouts = (p.value for p in entry.quant_parameter_tensor_names if p.key == "tensor_layout")
        if any(_LAYOUT.fullmatch(layout) is None for layout in layouts):
            raise BadInput(
                f"{where}: tensor {entry.tensor_name!r}", "has a layout annotation that is no list of axes",
                "remove it",
            )  # fmt: skip
    for node in model.graph.node:
        if node.domain not in DOMAINS:
            raise BadInput(
                f"{where}: {node_label(node)}", f"has domain {node.domain!r}",
                f"use {' or '.join(DOMAINS[2:])}",
            )  # fmt: skip
