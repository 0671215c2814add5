"""From a network and what is asked of its hardware to a folded design with sized FIFOs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from etb_hw.artifacts.hardware import Comparison
from etb_hw.config import BuildConfig, Builder
from etb_hw.dataflow.blocks import BLOCKS
from etb_hw.dataflow.comparison import compare
from etb_hw.dataflow.devices import find_device
from etb_hw.dataflow.finn.config_file import AppliedConfig, apply_folding_config, read_folding_config
from etb_hw.dataflow.folding import Effort, Folding, RateBound, Target, fold, rate_bound
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
        builder: who goes on with it.
        rate_bound: what keeps it from being faster, where the highest rate on a device was asked for.
    """

    graph: DataflowGraph
    target: Target
    folding: Folding
    streams: StreamReport
    config: AppliedConfig | None = None
    builder: Builder = "etb_hw"
    rate_bound: RateBound | None = None


def target_of(build: BuildConfig) -> Target:
    """What a build asks for, its device looked up and its calibration read.

    Raises BadInput for an unknown device, or a family that no calibration knows.
    """
    device = None if build.device is None else find_device(build.device)
    family = DEFAULT_FAMILY if device is None else device.family
    # what FINN builds costs what FINN says, unless the user wants it otherwise
    theirs = build.builder != "etb_hw" and "resource_model" not in build.model_fields_set
    return Target(
        fps=build.target_fps,
        device=device,
        share=build.max_utilization,
        model=resource_model("finn" if theirs else build.resource_model, family),
    )


def effort_of(build: BuildConfig) -> Effort:
    """How far a build lets the search go."""
    # FINN has no blocks of several pixels a cycle
    pixels = build.builder == "etb_hw"
    return Effort(pad_channels=build.pad_channels, time_limit_s=build.time_limit_s, pixels=pixels)


def compare_networks(graphs: Mapping[str, IntegerGraph], build: BuildConfig) -> Comparison:
    """Fold every network as the build asks: for the same frame rate, for the same device, or both.

    By the same search and with FIFOs sized the same way as ``design`` does.
    """
    _check_writable(build)
    lowered = {name: _lowered(graph, build, "etb_hw") for name, graph in graphs.items()}
    return compare(lowered, target_of(build), effort_of(build), build.fifo_sizing == "minimal")


def check_build(build: BuildConfig) -> None:
    """Raise for what no network can be built with, before one is trained for it.

    Raises:
        BadInput: settings that contradict one another, an unknown device, a folding file that cannot be read.
        InfeasibleTarget: more frames a second than cycles.
    """
    target = target_of(build)
    if build.folding_config is not None:
        read_folding_config(Path(build.folding_config))
    elif target.fps is None and target.device is None:
        remedy = "give target_fps (--target-fps) or device (--device), or both"
        raise BadInput("build", "says neither a frame rate nor a device", remedy)
    _check_writable(build)
    clock = 1e9 / build.clk_ns
    if target.fps is not None and target.fps > clock:
        raise InfeasibleTarget(
            f"{target.fps:,g} frames/s", f"is more than the {clock:,.0f} cycles a second", "ask for fewer"
        )


def _check_writable(build: BuildConfig) -> None:
    if build.weights == "writable" and build.builder != "etb_hw":
        raise BadInput(
            "writable weights", f"are of our RTL, and {build.builder} builds", "leave one of them out"
        )
    if build.weights == "writable" and build.pad_channels:
        raise BadInput(
            "writable weights",
            "of networks with other dead channels do not fit each other",
            "leave pad_channels (--pad-channels) out",
        )


def design(graph: IntegerGraph, build: BuildConfig) -> Design:
    """Lower, fold and size the FIFOs: least resources for a frame rate, else the highest rate on a device.

    Raises:
        UnsupportedNode: a node has no hardware form.
        InfeasibleTarget: the frame rate or the device cannot be met.
    """
    check_build(build)
    target = target_of(build)
    if build.folding_config is not None:
        path = Path(build.folding_config)
        config = read_folding_config(path)
        # FINN's files know its own blocks only
        own = any(name.startswith(block.OP) for name in config for block in BLOCKS if block.OURS)
        own |= any(entry.get("M", 1) != 1 for entry in config.values())
        kind: Builder = "etb_hw" if own else "finn" if build.builder == "etb_hw" else build.builder
        lowered = _lowered(graph, build, kind)
        return _as_configured(lowered, target, build, path, config)
    lowered = _lowered(graph, build, build.builder)
    if not any(block.tap_by_tap for block in lowered.blocks):
        return _searched(lowered, target, build)
    # weights that are written have one set of thresholds, for a tap at a time; FINN's form, two bits a value,
    # has whole windows
    wider = _lowered(graph, build, "finn")
    try:
        made = _searched(lowered, target, build)
    except InfeasibleTarget:
        return _searched(wider, target, build)
    slowest = made.graph.bottleneck
    if target.fps is None and slowest.tap_by_tap and slowest.fold["SIMD"] == slowest.folds[-1]["SIMD"]:
        other = _searched(wider, target, build)
        return other if other.graph.fps > made.graph.fps else made
    return made


def _lowered(graph: IntegerGraph, build: BuildConfig, builder: Builder) -> DataflowGraph:
    """The blocks of a network, with registers behind their memories where the build asks for them."""
    lowered = lower(graph, clk_ns=build.clk_ns, builder=builder, writable=build.weights == "writable")
    if not build.memory_registers:
        return lowered
    return replace(lowered, blocks=tuple(block.registered() for block in lowered.blocks))


def _searched(lowered: DataflowGraph, target: Target, build: BuildConfig) -> Design:
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
    bound = None
    if target.fps is None:
        bound = rate_bound(folding, replace(target, limit=limit), effort_of(build))
    return Design(sized.graph, target, folding, sized.report, builder=build.builder, rate_bound=bound)


def _as_configured(
    graph: DataflowGraph, target: Target, build: BuildConfig, path: Path, config: Mapping[str, Any]
) -> Design:
    """A design at the user's own folding; InfeasibleTarget where it misses the target or the device."""
    applied = apply_folding_config(graph, config)
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
    return Design(sized.graph, target, folding, sized.report, applied, build.builder)


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
        "rate_bound": None if made.rate_bound is None else asdict(made.rate_bound),
        "unmatched_names": dict(made.config.unmatched) if made.config else {},
        "dead_channels": dict(folding.dead_channels),
        "estimated_interval_cycles": made.graph.bottleneck.cycles,
        "simulated_interval_cycles": streams.interval,
        "simulated_latency_cycles": streams.latency,
        "fifo_depths": {f"{e.source.block} -> {e.target.block}": e.depth for e in made.graph.edges},
    }
