"""From a network and what is asked of its hardware to a folded design with sized FIFOs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from etb_hw.config import BuildConfig
from etb_hw.dataflow.devices import find_device
from etb_hw.dataflow.folding import Folding, fold
from etb_hw.dataflow.graph import DataflowGraph
from etb_hw.dataflow.lower import lower
from etb_hw.dataflow.simulation import StreamReport, size_fifos
from etb_hw.errors import BadInput
from etb_hw.integer import IntegerGraph


@dataclass(frozen=True, eq=False)
class Design:
    """A design that is ready to be built.

    Attributes:
        graph: folded, with FIFOs deep enough for its frame rate.
        folding: how good the folding is, and how that is known.
        streams: interval, latency and stalls of a cycle-level simulation of the streams.
    """

    graph: DataflowGraph
    folding: Folding
    streams: StreamReport


def design(graph: IntegerGraph, build: BuildConfig) -> Design:
    """Lower, fold and size the FIFOs: least resources for a frame rate, else the highest rate on a device.

    Raises:
        UnsupportedNode: a node has no hardware form.
        InfeasibleTarget: the frame rate or the device cannot be met.
    """
    if build.target_fps is None and build.device is None:
        remedy = "give target_fps (--target-fps) or device (--device), or both"
        raise BadInput("build", "says neither a frame rate nor a device", remedy)
    folding = fold(
        lower(graph, clk_ns=build.clk_ns),
        target_fps=build.target_fps,
        device=None if build.device is None else find_device(build.device),
        max_utilization=build.max_utilization,
        pad_channels=build.pad_channels,
        time_limit_s=build.time_limit_s,
    )
    sized = size_fifos(folding.graph, minimal=build.fifo_sizing == "minimal")
    return Design(sized.graph, folding, sized.report)


def quality(made: Design) -> dict[str, Any]:
    """What is known of a design, for ``report/folding.json``: optimality, and its simulated streams."""
    folding, streams = made.folding, made.streams
    return {
        "resource_model": folding.model,
        "objective_lut_equivalents": folding.objective,
        "bound_lut_equivalents": folding.bound,
        "optimal": folding.optimal,
        "fps_bound": folding.fps_bound,
        "dead_channels": dict(folding.dead_channels),
        "estimated_interval_cycles": made.graph.bottleneck.cycles,
        "simulated_interval_cycles": streams.interval,
        "simulated_latency_cycles": streams.latency,
        "fifo_depths": {f"{e.source.block} -> {e.target.block}": e.depth for e in made.graph.edges},
    }
