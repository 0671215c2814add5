"""Counted beside estimated resources, for the terminal and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.table import Table

from etb_hw.dataflow import DataflowGraph, finn_model
from etb_hw.dataflow.models import resource_model
from etb_hw.rtl import SynthReport


def synth_rows(report: SynthReport) -> dict[str, Any]:
    """The content of ``--out``: tool, family, a row a block."""
    rows = [{"name": row.name, "layer": row.layer, **asdict(row.usage)} for row in report.rows]
    return {"tool": report.tool, "family": report.family, "whole": report.whole, "rows": rows}


def synth_table(report: SynthReport, design: DataflowGraph) -> Table:
    """A row a block (FIFOs in one), with FINN's estimate beside the count."""
    made = Table(title=f"{report.tool}, {report.family}", title_justify="left")
    for name in ("block", "layer"):
        made.add_column(name)
    for name in ("LUT", "LUTRAM", "FF", "carry", "BRAM", "DSP", "FINN's LUT", "calibrated"):
        made.add_column(name, justify="right")
    known, calibrated = design.by_name, resource_model("calibrated")
    rows = [(row.name, row.layer, row.usage) for row in report.rows if row.name in known or report.whole]
    fifos = [row.usage for row in report.rows if row.name not in known and not report.whole]
    if fifos:
        rows.append((f"{len(fifos)} FIFOs", "", sum(fifos[1:], fifos[0])))
    for name, layer, usage in rows:
        counts = (usage.lut, usage.lutram, usage.ff, usage.carry, usage.bram, usage.dsp)
        estimates = [f"{model(known[name]).lut:,.0f}" for model in (finn_model, calibrated) if name in known]
        made.add_row(name, layer, *(f"{count:,}" if count else "" for count in counts), *estimates)
    if not report.whole:
        total = sum((usage for _, _, usage in rows[1:]), rows[0][2])
        counts = (total.lut, total.lutram, total.ff, total.carry, total.bram, total.dsp)
        made.add_section()
        estimates = [f"{design.cost(model).lut:,.0f}" for model in (finn_model, calibrated)]
        made.add_row("total", "", *(f"{count:,}" for count in counts), *estimates)
    return made
