"""The figures that matter most, on tiles."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from etb_hw.artifacts.summary import Summary
from etb_hw.report.estimates import error_band
from etb_hw.report.run import Run
from etb_hw.report.section import Section

INTRO = "What came out: the network as it will run on the FPGA, and what it costs."


@dataclass(frozen=True)
class Tile:
    """A figure, what it is, and what to compare it with."""

    value: str
    unit: str
    name: str
    note: str = ""


def summary(run: Run) -> Section:
    """Tiles of accuracy, pruning, size, speed and resources."""
    if run.summary is None:
        missing = "the last step of `etb-hw run` writes summary.json"
        return Section("summary", "Summary", INTRO, None, missing)
    cells = [
        Markup(
            '<div class="tile"><span class="name">{}</span><span class="value">{}<small>{}</small></span>'
            '<span class="note">{}</span></div>'
        ).format(tile.name, tile.value, tile.unit, tile.note)
        for tile in tiles(run.summary, run)
    ]
    body = Markup('<div class="tiles">{}</div>').format(Markup("").join(cells))
    return Section("summary", "Summary", INTRO, body)


def tiles(values: Summary, run: Run) -> list[Tile]:
    """Only of figures that the run has."""
    found = []
    if values.accuracy_integer is not None:
        note = ""
        if values.accuracy_dense_baseline is not None:
            gap = 100 * (values.accuracy_integer - values.accuracy_dense_baseline)
            note = f"dense baseline {values.accuracy_dense_baseline:.2%}, {signed(gap)} points"
        if values.accuracy_float_teacher is not None:
            note += f"; float teacher {values.accuracy_float_teacher:.2%}"
        found.append(Tile(f"{100 * values.accuracy_integer:.2f}", "%", "accuracy in integers", note))
    if values.pruned_parameter_ratio is not None:
        note = ""
        if values.pruned_filter_ratio is not None:
            note = f"{values.pruned_filter_ratio:.1%} of the filters"
        found.append(Tile(f"{100 * values.pruned_parameter_ratio:.1f}", "%", "parameters cut", note))
    if values.size_bytes is not None:
        before = None if run.pruning is None else run.pruning.bytes.before
        note = "" if before is None else f"dense {size(before)[0]} {size(before)[1]}"
        found.append(Tile(*size(values.size_bytes), "weights and thresholds", note))
    if values.estimated_fps is not None:
        note = ""
        if run.rtl is not None and run.rtl.fps is not None:
            note = f"measured in RTL simulation: {run.rtl.fps:,.0f} fps"
        elif run.performance is not None:
            note = f"latency about {run.performance.estimated_latency_ns / 1000:,.1f} µs"
        found.append(Tile(f"{values.estimated_fps:,.0f}", "fps", "estimated frame rate", note))
    if values.lut is not None:
        band = error_band(values.resource_model)
        note = f"by FINN's formulas {values.lut_finn:,.0f}" if band is None else f"estimate: {band}"
        found.append(Tile(f"{values.lut:,.0f}", "LUT", "estimated logic, with FIFOs", note))
    if values.bram_18k is not None:
        found.append(Tile(f"{values.bram_18k:,.0f}", "BRAM 18k", "estimated memory", values.resource_model))
    return found


def signed(value: float) -> str:
    """With a sign that is as wide as the plus."""
    return f"{value:+.2f}".replace("-", "−")


def size(count: int) -> tuple[str, str]:
    """Bytes as a figure and its unit: ("340", "kB")."""
    if count >= 1_000_000:
        return f"{count / 1e6:.2f}", "MB"
    return (f"{count / 1e3:.1f}", "kB") if count >= 1000 else (str(count), "bytes")
