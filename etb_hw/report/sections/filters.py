"""Filters kept a layer."""

from __future__ import annotations

from markupsafe import Markup

from etb_hw.artifacts.sizes import PruningReport
from etb_hw.report.run import Run
from etb_hw.report.section import Column, Section, at_both_widths, figure, legend, table
from etb_hw.report.svg.bars import Bar, Part, bar_chart

INTRO = (
    "Filters whose weights and activations all became zero are cut out physically, and with them the inputs "
    "of the next layer that read them. Nothing else changes: the logits stay the same, bit for bit."
)


def filters(run: Run) -> Section:
    """Bars of kept and cut filters, and the numbers."""
    key, title = "filters", "Filters kept, layer by layer"
    if run.pruning is None:
        return Section(key, title, INTRO, None, "pruning writes pruning.json: etb-hw prune FLOW.toml")
    pruning = run.pruning
    picture = at_both_widths(lambda narrow: filters_picture(pruning, narrow))
    columns = [
        Column("layer"),
        Column("filters", True),
        Column("before", True),
        Column("parameters", True),
        Column("before", True),
        Column("cut", True),
        Column("MACs", True),
        Column("before", True),
        Column("bytes", True),
        Column("before", True),
    ]
    rows = [
        (
            row.name,
            f"{row.filters.after:,}",
            f"{row.filters.before:,}",
            f"{row.parameters.after:,}",
            f"{row.parameters.before:,}",
            f"{row.parameters.ratio:.1%}",
            f"{row.macs.after:,}",
            f"{row.macs.before:,}",
            f"{row.bytes.after:,}",
            f"{row.bytes.before:,}",
        )
        for row in run.pruning.layers
    ]
    body = (
        legend(("binary", "kept: binary"), ("cut", "cut: zero"))
        + figure(
            picture,
            "Number of filters in each layer; the last layer's outputs are the classes and are never cut.",
        )
        + table(columns, rows, "tight")
    )
    return Section(key, title, INTRO, body)


def filters_picture(pruning: PruningReport, narrow: bool = False) -> Markup:
    """Bars of kept and cut filters."""
    most = max(row.filters.before for row in pruning.layers)
    bars = [
        Bar(
            row.name,
            (
                Part(row.filters.after, "binary", f"{row.filters.after} filters kept"),
                Part(
                    row.filters.before - row.filters.after,
                    "cut",
                    f"{row.filters.before - row.filters.after} filters cut",
                ),
            ),
            most,
            f"{row.filters.after:,} of {row.filters.before:,}"
            + (f"  (−{row.filters.ratio:.1%})" if row.filters.ratio else ""),
        )
        for row in pruning.layers
    ]
    return bar_chart("Filters kept a layer", bars, narrow=narrow)
