"""FINN's files: ``dataflow.onnx``, folding configurations and estimate reports."""

from etb_hw.dataflow.finn.onnx_writer import to_onnx
from etb_hw.dataflow.finn.reports import (
    folding_config,
    layer_cycles,
    layer_resources,
    network_performance,
    op_and_param_counts,
)
from etb_hw.dataflow.finn.write import write

__all__ = [
    "folding_config",
    "layer_cycles",
    "layer_resources",
    "network_performance",
    "op_and_param_counts",
    "to_onnx",
    "write",
]
