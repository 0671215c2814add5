"""What ``etb-hw build`` says below its table, and to programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from etb_hw.dataflow.design import Design, quality
from etb_hw.report.design_table import block_rows


def build_notes(made: Design) -> list[str]:
    """How good the folding is, how the streams run, and which names of a configuration fit nothing."""
    folding, streams = made.folding, made.streams
    cost = f"{folding.objective:,.0f} LUT equivalents by {folding.model}"
    if made.config is not None:
        notes = [f"folding: as configured, {cost}"]
        notes += [
            f"no block has the name {name}{_near(near)}" for name, near in made.config.unmatched.items()
        ]
    else:
        proof = "proved optimal" if folding.optimal else f"not proved: none is below {folding.bound:,.0f}"
        notes = [f"folding: {cost}, {proof}"]
    if made.rate_bound is not None:
        notes.append(f"rate:    {made.rate_bound.reason}; to lift it: {made.rate_bound.remedy}")
    if folding.dead_channels:
        added = ", ".join(f"{count} to {layer}" for layer, count in folding.dead_channels.items())
        notes.append(f"dead channels added so that it folds cheaper: {added}")
    interval = f"{streams.interval:,} cycles a frame, latency {streams.latency:,} cycles"
    return [*notes, f"streams: {interval}, simulated with the FIFOs' depths"]


def build_document(made: Design) -> dict[str, Any]:
    """The same for programs, with a row a block."""
    graph = made.graph
    return {
        "frames_per_second": graph.fps,
        "clk_ns": graph.clk_ns,
        **quality(made),
        "blocks": [asdict(row) for row in block_rows(graph, made.target.model)],
    }


def _near(names: object) -> str:
    return f": did you mean {names}?" if names else ""
