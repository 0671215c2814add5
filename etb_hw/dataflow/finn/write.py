"""The one place that writes FINN's files."""

from __future__ import annotations

from pathlib import Path

from etb_hw.artifacts import RunFile
from etb_hw.artifacts.run_files import (
    COUNTS,
    DATAFLOW,
    FOLDING_CONFIG,
    HW_CONFIG,
    LAYER_CYCLES,
    LAYER_RESOURCES,
    PERFORMANCE,
)
from etb_hw.config import Builder
from etb_hw.dataflow.finn.onnx_writer import to_onnx
from etb_hw.dataflow.finn.reports import (
    final_hw_config,
    folding_config,
    layer_cycles,
    layer_resources,
    network_performance,
    op_and_param_counts,
)
from etb_hw.dataflow.graph import DataflowGraph
from etb_hw.dataflow.resource_model import ResourceModel, finn_model
from etb_hw.files import write_bytes, write_json


def write(
    graph: DataflowGraph, folder: Path, model: ResourceModel = finn_model, builder: Builder = "etb_hw"
) -> tuple[Path, ...]:
    """Write ``dataflow.onnx``, FINN's two configurations and ``report/*.json``; the paths written.

    ``builder`` is who goes on with ``auto_folding_config.json``: node names are its own.
    """
    folder = Path(folder)
    onnx_path = DATAFLOW.path(folder)
    write_bytes(onnx_path, to_onnx(graph).SerializeToString())
    reports: dict[RunFile, object] = {
        FOLDING_CONFIG: folding_config(graph, builder),
        HW_CONFIG: final_hw_config(graph),
        LAYER_RESOURCES: layer_resources(graph, model),
        LAYER_CYCLES: layer_cycles(graph),
        PERFORMANCE: network_performance(graph),
        COUNTS: op_and_param_counts(graph),
    }
    paths = [onnx_path]
    for file, report in reports.items():
        path = file.path(folder)
        write_json(path, report)
        paths.append(path)
    return tuple(paths)
