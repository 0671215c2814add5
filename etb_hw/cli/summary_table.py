"""The table that ends a run."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from etb_hw.artifacts.hardware import RtlResult
from etb_hw.artifacts.summary import Summary


def summary_table(summary: Summary, run_dir: Path) -> Table:
    """``summary.json`` as a table for the terminal."""
    table = Table(title=f"{summary.model} on {summary.data}", show_header=False, title_justify="left")
    teacher, dense = summary.accuracy_float_teacher, summary.accuracy_dense_baseline
    rows = (
        *([] if teacher is None else [("accuracy, float teacher", f"{teacher:.2%}")]),
        *([] if dense is None else [("accuracy, dense baseline", f"{dense:.2%}")]),
        ("accuracy, ETB in torch", f"{summary.accuracy_torch:.2%}"),
        ("accuracy, integer simulation", f"{summary.accuracy_integer:.2%}"),
        ("filters pruned", f"{summary.pruned_filter_ratio:.1%}"),
        ("parameters pruned", f"{summary.pruned_parameter_ratio:.1%}"),
        ("size", f"{summary.size_bytes:,} bytes"),
        ("estimated speed", f"{summary.estimated_fps:,.0f} frames/s at {summary.clk_ns:g} ns"),
        ("estimated LUT, with FIFOs", f"{summary.lut:,.0f}{_dense(summary, 'lut')}"),
        ("  by", summary.resource_model),
        ("  by FINN's formulas", f"{summary.lut_finn:,.0f}"),
        ("estimated BRAM (18 kbit)", f"{summary.bram_18k:g}{_dense(summary, 'bram_18k')}"),
        ("bit-accurate simulation", f"{summary.simulated_images_per_second:,.0f} images/s"),
        ("RTL simulation", _rtl(summary.rtl)),
        ("files", str(run_dir)),
    )
    for name, value in rows:
        table.add_row(name, value)
    return table


def _rtl(found: RtlResult) -> str:
    if found.skipped is not None:
        return f"left out ({found.skipped}); then: etb-hw run ... --from rtl"
    if not found.frames:
        return "not asked for (verification.rtl_frames)"
    interval = f"{found.initiation_interval:,} cycles" if found.initiation_interval else "not measured"
    return f"{found.frames} frames equal; interval {interval}, estimated {found.estimated_interval:,}"


def _dense(summary: Summary, resource: str) -> str:
    """What the dense network takes at the same frame rate, where that was asked for."""
    found = summary.comparison.at_equal_fps.get("dense")
    return f" (dense network: {found.resources[resource]:,.0f})" if found else ""
