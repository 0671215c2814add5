"""Counted beside estimated resources, for the terminal and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from etb_hw.dataflow import DataflowGraph, finn_model
from etb_hw.dataflow.calibrated import CALIBRATED
from etb_hw.dataflow.models import resource_model
from etb_hw.dataflow.resource_model import ResourceModel
from etb_hw.rtl import SynthReport, Usage
from etb_hw.rtl.longest_path import WIRE_PS, LongestPath


def synth_rows(report: SynthReport) -> dict[str, Any]:
    """The content of ``--out``: tool, family, a row a block."""
    rows = [{"name": row.name, "layer": row.layer, **asdict(row.usage)} for row in report.rows]
    made = {"tool": report.tool, "family": report.family, "whole": report.whole, "rows": rows}
    if report.path is not None:
        made["longest_path"] = {**asdict(report.path), "mhz": report.path.mhz}
    return made


def path_line(path: LongestPath) -> str:
    """The longest path in a sentence."""
    return (
        f"longest path: {path.ps / 1000:.2f} ns ({path.mhz:.0f} MHz) over {path.levels} cells "
        f"from {path.start} to {path.end}, before place and route, with {WIRE_PS / 1000} ns a wire"
    )


def synth_table(report: SynthReport, design: DataflowGraph) -> Table:
    """A row a block (FIFOs in one), with the estimates of both models beside the count."""
    models: tuple[ResourceModel, ...] = (finn_model,)
    if report.family in CALIBRATED:
        models += (resource_model("calibrated", report.family),)
    made = Table(title=f"{report.tool}, {report.family}", title_justify="left")
    for name in ("block", "layer"):
        made.add_column(name)
    for name in ("LUT", "LUTRAM", "FF", "carry", "BRAM", "DSP", *(f"LUT, {model.name}" for model in models)):
        made.add_column(name, justify="right")

    def add(name: str, layer: str, usage: Usage, luts: Sequence[float], empty: str = "") -> None:
        counts = (usage.lut, usage.lutram, usage.ff, usage.carry, usage.bram, usage.dsp)
        texts = [f"{count:,}" if count else empty for count in counts]
        made.add_row(name, layer, *texts, *(f"{lut:,.0f}" for lut in luts))

    between = [design.fifo_cost(model).lut for model in models]
    everything = [design.cost(model).lut for model in models]
    if report.whole:
        add(report.rows[0].name, report.rows[0].layer, report.total, everything)
        return made
    fifos = []
    for row in report.rows:
        if row.name in design.by_name:
            block = design.by_name[row.name]
            add(row.name, row.layer, row.usage, [model(block).lut for model in models])
        else:
            fifos.append(row.usage)
    if fifos:
        total = sum(fifos[1:], fifos[0])
        add(f"{len(fifos)} FIFOs", "", total, between)
    made.add_section()
    add("total", "", report.total, everything, "0")
    return made
