"""From a network and what is asked of its hardware to a folded design with sized FIFOs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from etb_hw.artifacts.hardware import Comparison
from etb_hw.config import BuildConfig
from etb_hw.dataflow.comparison import compare
from etb_hw.dataflow.devices import find_device
from etb_hw.dataflow.finn.config_file import AppliedConfig, apply_folding_config, read_folding_config
from etb_hw.dataflow.folding import Effort, Folding, Target, fold
from etb_hw.dataflow.graph import DataflowGraph
from etb_hw.dataflow.lower import lower
from etb_hw.dataflow.models import DEFAULT_FAMILY, MODELS, resource_model
from etb_hw.dataflow.resources import Resources
from etb_hw.dataflow.simulation import StreamReport, size_fifos
from etb_hw.errors import BadInput, InfeasibleTarget
from etb_hw.integer import IntegerGraph

_ROUNDS = 3  # of folding for a device, each with room for the FIFOs of the one before


@dataclass(frozen=True, eq=False)
class Design:
    """A design that is ready to be built.

    Attributes:
        graph: folded, with FIFOs deep enough for its frame rate.
        target: what was asked of it.
        folding: how good the folding is, and how that is known.
        streams: interval, latency and stalls of a cycle-level simulation of the streams.
        config: what became of the user's folding configuration, if one was given.
    """

    graph: DataflowGraph
    target: Target
    folding: Folding
    streams: StreamReport
    config: AppliedConfig | None = None


def target_of(build: BuildConfig) -> Target:
    """What a build asks for, its device looked up and its calibration read.

    Raises BadInput for an unknown device, or a family that no calibration knows.
    """
    device = None if build.device is None else find_device(build.device)
    family = DEFAULT_FAMILY if device is None else device.family
    return Target(
        fps=build.target_fps,
        device=device,
        share=build.max_utilization,
        model=resource_model(build.resource_model, family),
    )


def effort_of(build: BuildConfig) -> Effort:
    """How far a build lets the search go."""
    return Effort(pad_channels=build.pad_channels, time_limit_s=build.time_limit_s)


def compare_networks(graphs: Mapping[str, IntegerGraph], build: BuildConfig) -> Comparison:
    """Fold every network as the build asks: for the same frame rate, for the same device, or both."""
    lowered = {name: lower(graph, clk_ns=build.clk_ns) for name, graph in graphs.items()}
    return compare(lowered, target_of(build), Effort(time_limit_s=build.time_limit_s))


def design(graph: IntegerGraph, build: BuildConfig) -> Design:
    """Lower, fold and size the FIFOs: least resources for a frame rate, else the highest rate on a device.

    Raises:
        UnsupportedNode: a node has no hardware form.
        InfeasibleTarget: the frame rate or the device cannot be met.
    """
    target, lowered = target_of(build), lower(graph, clk_ns=build.clk_ns)
    if build.folding_config is not None:
        return _as_configured(lowered, target, build, Path(build.folding_config))
    if target.fps is None and target.device is None:
        remedy = "give target_fps (--target-fps) or device (--device), or both"
        raise BadInput("build", "says neither a frame rate nor a device", remedy)
    budget = target.budget
    between = Resources()
    for _ in range(_ROUNDS):
        limit = None if budget is None else budget.less(between)
        folding = fold(lowered, replace(target, limit=limit), effort_of(build))
        sized = size_fifos(folding.graph, minimal=build.fifo_sizing == "minimal")
        if budget is None or sized.graph.cost(target.model).within(budget):
            break
        # depths are known only once the design is folded: leave room for them and fold again
        between = between.most(sized.graph.cost(target.model).less(sized.graph.least_cost(target.model)))
    check_fits(sized.graph, target)
    return Design(sized.graph, target, folding, sized.report)


def _as_configured(graph: DataflowGraph, target: Target, build: BuildConfig, path: Path) -> Design:
    """A design at the user's own folding; InfeasibleTarget where it misses the target or the device."""
    applied = apply_folding_config(graph, read_folding_config(path))
    made = applied.graph
    if target.fps is not None and made.fps < target.fps:
        slowest = made.bottleneck
        raise InfeasibleTarget(
            f"target of {target.fps:,.0f} frames/s",
            f"{path} folds {slowest.name} to {slowest.cycles:,} cycles, {made.fps:,.0f} frames/s",
            "raise its PE or SIMD, or leave folding_config out to have it searched",
        )
    objective = target.weights.of(made.least_cost(target.model))
    folding = Folding(made, objective, 0.0, False, None, {}, target.model.name)
    sized = size_fifos(made, minimal=build.fifo_sizing == "minimal")
    check_fits(sized.graph, target)
    return Design(sized.graph, target, folding, sized.report, applied)


def check_fits(graph: DataflowGraph, target: Target) -> None:
    """Raise InfeasibleTarget for a design that is too big, naming the resource and its largest user."""
    device, model = target.device, target.model
    if device is None:
        return
    used, budget = graph.cost(model), device.budget(target.share)
    for kind in ("lut", "ff", "bram_18k", "uram", "dsp"):
        if getattr(used, kind) > getattr(budget, kind):
            largest = max(
                (*graph.blocks, *graph.fifos.values()), key=lambda block: getattr(model(block), kind)
            )
            raise InfeasibleTarget(
                f"{device.part} at {target.share:.0%}",
                f"the design takes {getattr(used, kind):,.0f} {kind} of {getattr(budget, kind):,.0f}, "
                f"{getattr(used, kind) - getattr(budget, kind):,.0f} too many; "
                f"{largest.name} ({largest.layer}) takes most",
                "lower its PE or SIMD, choose another ram_style, or a larger device",
            )


def quality(made: Design) -> dict[str, Any]:
    """What is known of a design, for ``report/folding.json``: optimality, and its simulated streams."""
    folding, streams, device = made.folding, made.streams, made.target.device
    family = DEFAULT_FAMILY if device is None else device.family
    return {
        "resource_model": folding.model,
        "resources": {name: asdict(made.graph.cost(resource_model(name, family))) for name in MODELS},
        "objective_lut_equivalents": folding.objective,
        "bound_lut_equivalents": folding.bound,
        "optimal": folding.optimal,
        "fps_bound": folding.fps_bound,
        "unmatched_names": dict(made.config.unmatched) if made.config else {},
        "dead_channels": dict(folding.dead_channels),
        "estimated_interval_cycles": made.graph.bottleneck.cycles,
        "simulated_interval_cycles": streams.interval,
        "simulated_latency_cycles": streams.latency,
        "fifo_depths": {f"{e.source.block} -> {e.target.block}": e.depth for e in made.graph.edges},
    }
