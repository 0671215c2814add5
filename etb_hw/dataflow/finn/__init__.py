"""FINN's files: ``dataflow.onnx``, folding configurations and estimate reports."""

from etb_hw.dataflow.finn.config_file import AppliedConfig, apply_folding_config, read_folding_config
from etb_hw.dataflow.finn.onnx_reader import from_onnx, read
from etb_hw.dataflow.finn.onnx_writer import to_onnx
from etb_hw.dataflow.finn.reports import (
    final_hw_config,
    folding_config,
    layer_cycles,
    layer_resources,
    network_performance,
    op_and_param_counts,
)
from etb_hw.dataflow.finn.write import write

__all__ = [
    "AppliedConfig",
    "apply_folding_config",
    "final_hw_config",
    "folding_config",
    "from_onnx",
    "layer_cycles",
    "layer_resources",
    "network_performance",
    "op_and_param_counts",
    "read",
    "read_folding_config",
    "to_onnx",
    "write",
]
