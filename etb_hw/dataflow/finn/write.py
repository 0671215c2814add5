"""The one place that writes FINN's files."""

from __future__ import annotations

from pathlib import Path

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
from etb_hw.dataflow.resources import ResourceModel, finn_model
from etb_hw.files import write_bytes, write_json


def write(graph: DataflowGraph, folder: Path, model: ResourceModel = finn_model) -> tuple[Path, ...]:
    """Write ``dataflow.onnx``, FINN's two configurations and ``report/*.json``; the paths written."""
    folder = Path(folder)
    onnx_path = folder / "dataflow.onnx"
    write_bytes(onnx_path, to_onnx(graph).SerializeToString())
    reports = {
        "auto_folding_config.json": folding_config(graph),
        "final_hw_config.json": final_hw_config(graph),
        "report/estimate_layer_resources.json": layer_resources(graph, model),
        "report/estimate_layer_cycles.json": layer_cycles(graph),
        "report/estimate_network_performance.json": network_performance(graph),
        "report/op_and_param_counts.json": op_and_param_counts(graph),
    }
    paths = [onnx_path]
    for name, report in reports.items():
        path = folder / name
        write_json(path, report)
        paths.append(path)
    return tuple(paths)
