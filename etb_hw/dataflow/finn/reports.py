"""FINN's JSON reports and folding configuration: same keys, same types."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, TypeAlias

from etb_hw.config import Builder
from etb_hw.dataflow.block import Block
from etb_hw.dataflow.finn.finn_plus import finn_plus_nodes
from etb_hw.dataflow.graph import DataflowGraph, Port
from etb_hw.dataflow.refold import strip
from etb_hw.dataflow.resource_model import ResourceModel, finn_model

Report: TypeAlias = dict[str, Any]

# what FINN's step_target_fps_parallelization extracts from every node that has it
_FOLDING_KEYS = (
    "PE",
    "SIMD",
    "parallel_window",
    "M",
    "ram_style",
    "resType",
    "mem_mode",
    "runtime_writeable_weights",
    "depth_trigger_uram",
    "depth_trigger_bram",
)


def folding_config(graph: DataflowGraph, builder: Builder = "etb_hw") -> Report:
    """``auto_folding_config.json``: ``{"Defaults": {}, node: {"PE": ..., "SIMD": ..., ...}}``.

    Nodes have the names that the builder's own front end gives them.
    """
    config: Report = {"Defaults": {}}
    plain = strip(graph)
    nodes = finn_plus_nodes(plain) if builder == "finn-plus" else plain.by_name
    for name, block in nodes.items():
        attributes = block.finn_node().attributes
        keys = ("PE",) if name.startswith("Elementwise") else _FOLDING_KEYS
        config[name] = {key: attributes[key] for key in keys if key in attributes}
    return config


def final_hw_config(graph: DataflowGraph) -> Report:
    """``final_hw_config.json``: the folding configuration and the FIFO depths of every port."""
    config: Report = {"Defaults": {}}
    plain = strip(graph)
    for block in plain.blocks:
        attributes = {**block.finn_node().attributes, **fifo_depths(plain, block)}
        config[block.name] = {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in attributes.items()
            if key in (*_FOLDING_KEYS, "inFIFODepths", "outFIFODepths")
        }
    return config


def fifo_depths(graph: DataflowGraph, block: Block) -> dict[str, tuple[int, ...]]:
    """FINN keeps FIFO depths at both ends of a stream; the larger one counts."""
    before = {edge.target: edge.depth for edge in graph.edges}
    after = {edge.source: edge.depth for edge in graph.edges}
    return {
        "inFIFODepths": tuple(before.get(Port(block.name, i), 2) for i in range(len(block.inputs))),
        "outFIFODepths": tuple(after.get(Port(block.name, i), 2) for i in range(len(block.outputs))),
    }


def layer_resources(graph: DataflowGraph, model: ResourceModel = finn_model) -> Report:
    """``estimate_layer_resources.json``: a node's resources and memory efficiencies, and their total.

    The FIFOs between the nodes are listed under FINN's name for them.
    """
    report: Report = {}
    for block in (*graph.blocks, *graph.fifos.values()):
        found = model(block)
        brams, urams = found.bram_18k, found.uram
        report[block.name] = {
            "BRAM_18K": _number(brams),
            "BRAM_efficiency": block.memory_bits / (brams * 36 * 512) if brams and block.memory_bits else 1,
            "LUT": _number(found.lut),
            "URAM": _number(urams),
            "URAM_efficiency": block.memory_bits / (urams * 72 * 4096) if urams and block.memory_bits else 1,
            "DSP": _number(found.dsp),
        }
    report["total"] = _total(report)
    return report


def layer_cycles(graph: DataflowGraph) -> Report:
    """``estimate_layer_cycles.json``: cycles a frame by node, as our RTL takes them.

    FINN's own formulas differ a little for window generators, pools and global sums (``finn_cycles``).
    """
    return {block.name: block.cycles for block in graph.blocks}


def network_performance(graph: DataflowGraph) -> Report:
    """``estimate_network_performance.json``. Latency is FINN's sum along the path."""
    critical = graph.critical_path_cycles
    return {
        "critical_path_cycles": critical,
        "max_cycles": graph.bottleneck.cycles,
        "max_cycles_node_name": graph.bottleneck.name,
        "estimated_throughput_fps": graph.fps,
        "estimated_latency_ns": critical * graph.clk_ns,
    }


def op_and_param_counts(graph: DataflowGraph) -> Report:
    """``op_and_param_counts.json``: operations and parameters a frame by node, and their total."""
    report: Report = {block.name: dict(block.counts) for block in strip(graph).blocks}
    report["total"] = _total(report)
    return report


def _total(report: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    total: defaultdict[str, float] = defaultdict(float)
    for values in report.values():
        for key, value in values.items():
            if "efficiency" not in key:
                total[key] += float(value)
    return dict(total)


def _number(value: float) -> int | float:
    return int(value) if float(value).is_integer() else value
