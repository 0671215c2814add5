"""What the ONNX files of a run say about its hardware: the pipeline's stages, and the thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from etb_hw.errors import BadInput
from etb_hw.integer.datatype import DataType

# what may stand between a layer and its thresholds
_PASSING = ("MaxPool", "Resize", "Reshape", "Flatten", "Transpose")


@dataclass(frozen=True)
class Stage:
    """A block of the dataflow design.

    Attributes:
        name, op: FINN's, such as ``MVAU_hls_0`` and ``MVAU_hls``; ``layer`` is ours.
        shape: of the frames it yields, (H, W, C) or (C,).
        matrix: MVAUs only: (outputs, inputs).
        fold: PE, SIMD and what else it folds by.
        sources: indices of the stages that feed it, -1 for the design's input.
        cycles: a frame, None where the reports are missing.
        resources: by FINN's names (LUT, BRAM_18K, ...).
    """

    name: str
    op: str
    layer: str
    shape: tuple[int, ...]
    dtype: str
    matrix: tuple[int, int] | None
    fold: Mapping[str, int]
    sources: tuple[int, ...]
    cycles: float | None
    resources: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class LayerThresholds:
    """Thresholds of one layer. ``bound`` is the largest sum its inputs allow, None where that is unknown."""

    name: str
    values: NDArray[np.float64]
    bound: int | None


def read_stages(
    path: Path, cycles: Mapping[str, float], resources: Mapping[str, Mapping[str, float]]
) -> tuple[Stage, ...] | None:
    """The blocks of ``dataflow.onnx`` in its order, None where there is no file. Raises BadInput."""
    model = _load(path)
    if model is None:
        return None
    graph = model.graph
    initializers = {tensor.name for tensor in graph.initializer}
    shapes = {value.name: _shape(value) for value in (*graph.value_info, *graph.output, *graph.input)}
    producer = {name: i for i, node in enumerate(graph.node) for name in node.output}
    stages = []
    for node in graph.node:
        values = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        shape = shapes.get(node.output[0], ())[1:]
        matrix = (int(values["MH"]), int(values["MW"])) if "MH" in values and "MW" in values else None
        dtype = next(
            (values[key] for key in ("outputDataType", "dataType", "inputDataType") if key in values), b""
        )
        stages.append(
            Stage(
                name=node.name,
                op=node.op_type,
                layer=_text(values.get("etb_layer", b"")),
                shape=tuple(shape),
                dtype=_text(dtype),
                matrix=matrix,
                fold={key: int(values[key]) for key in ("PE", "SIMD", "M") if key in values},
                sources=tuple(
                    producer.get(name, -1) for name in node.input if name and name not in initializers
                ),
                cycles=cycles.get(node.name),
                resources=resources.get(node.name, {}),
            )
        )
    return tuple(stages)


def read_thresholds(path: Path) -> tuple[LayerThresholds, ...] | None:
    """Thresholds of ``streamlined.onnx``, None where there is no file. Raises BadInput."""
    model = _load(path)
    if model is None:
        return None
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    producer = {name: node for node in model.graph.node for name in node.output}
    types = {
        note.tensor_name: pair.value
        for note in model.graph.quantization_annotation
        for pair in note.quant_parameter_tensor_names
        if pair.key == "finn_datatype"
    }
    found = []
    for node in model.graph.node:
        if node.op_type != "MultiThreshold" or node.input[1] not in arrays:
            continue
        source = producer.get(node.input[0])
        while source is not None and source.op_type in _PASSING:
            source = producer.get(source.input[0])
        weights = None if source is None else next((arrays[n] for n in source.input if n in arrays), None)
        name = source.name if source is not None and source.name else node.name
        bound = None
        if weights is not None and source is not None and source.op_type in ("Conv", "MatMul", "Gemm"):
            rows = weights.reshape(weights.shape[0], -1) if source.op_type == "Conv" else weights.T
            bound = int(np.abs(rows).sum(axis=1).max()) * _largest(types.get(source.input[0], ""))
        found.append(LayerThresholds(name, arrays[node.input[1]].astype(np.float64), bound))
    return tuple(found)


def _largest(datatype: str) -> int:
    """Magnitude of the largest value of a type, 1 where the type is not known."""
    try:
        found = DataType.parse(datatype)
    except BadInput:
        return 1
    return max(-found.min, found.max)


def _load(path: Path) -> onnx.ModelProto | None:
    if not path.is_file():
        return None
    try:
        return onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf's own error type has no typed name
        raise BadInput(
            str(path),
            f"is no readable ONNX file ({error})",
            "run `etb-hw run` with --force to write it again",
        ) from None


def _shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    return tuple(dimension.dim_value for dimension in value.type.tensor_type.shape.dim)


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""
