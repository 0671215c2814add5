"""Values of a few runs a row: a dot each, and a line at their mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from markupsafe import Markup

from etb_hw.report.svg.element import NARROW, element, group, line, picture, rect, text
from etb_hw.report.svg.scale import Scale


@dataclass(frozen=True)
class Dots:
    """A labelled row of shares (0 to 1)."""

    label: str
    values: Sequence[float]
    note: str
    class_: str


def dot_chart(title: str, rows: Sequence[Dots], *, narrow: bool = False) -> Markup:
    """Rows over a common axis of percent. ``narrow``: with label and note above each."""
    wide = (1040.0, 260.0, 150.0, 30.0, 0.0)
    width, label_width, note_width, row, top = (NARROW, 8.0, 8.0, 48.0, 17.0) if narrow else wide
    values = [value for dots in rows for value in dots.values]
    pad = max(0.005, 0.08 * (max(values) - min(values)))
    x = Scale(min(values) - pad, max(values) + pad, label_width, width - note_width)
    bottom = 6 + row * len(rows)
    drawn = []
    for tick in x.ticks(3 if narrow else 6):
        drawn.append(line(x(tick), 4.0, x(tick), bottom, "grid"))
        drawn.append(text(x(tick), bottom + 14, f"{100 * tick:.4g}%", "tick", "middle"))
    for i, dots in enumerate(rows):
        parts = [
            text(0.0, 11.5, dots.label, "row-label")
            if narrow
            else text(label_width - 14, 14.0, dots.label, "row-label", "end"),
            rect(x(mean(dots.values)) - 1.5, top, 3.0, 20.0, dots.class_, f"mean {mean(dots.values):.2%}"),
        ]
        parts += [
            element(
                "circle",
                element("title", f"{value:.2%}"),
                cx=x(value),
                cy=top + 10,
                r=5,
                class_=f"point {dots.class_}",
            )
            for value in dots.values
        ]
        parts.append(
            text(width, 11.5, dots.note, "row-note", "end")
            if narrow
            else text(width - note_width + 14, 14.0, dots.note, "row-note")
        )
        drawn.append(group(*parts, y=6 + i * row))
    return picture(width, bottom + 20, title, *drawn)
