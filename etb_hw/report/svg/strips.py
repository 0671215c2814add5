"""Where values lie: a strip of bins a layer, dark where many values are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from markupsafe import Markup

from etb_hw.report.svg.element import NARROW, group, line, picture, rect, text


@dataclass(frozen=True)
class Strip:
    """A row of equally wide bins between -1 and 1."""

    label: str
    counts: Sequence[int]
    note: str


def strip_chart(
    title: str, strips: Sequence[Strip], *, left: str, right: str, narrow: bool = False
) -> Markup:
    """Strips one below another, the middle marked. ``narrow``: with label and note above each."""
    wide = (1040.0, 150.0, 250.0, 22.0, 0.0)
    width, label_width, note_width, row, top = (NARROW, 0.0, 0.0, 44.0, 17.0) if narrow else wide
    span = width - label_width - note_width
    drawn: list[Markup] = []
    for i, strip in enumerate(strips):
        most = max(1, *strip.counts)
        cell = span / len(strip.counts)
        if narrow:
            words = [
                text(0.0, 11.5, strip.label, "row-label"),
                text(width, 11.5, strip.note, "row-note", "end"),
            ]
        else:
            words = [
                text(label_width - 12, 12.5, strip.label, "row-label", "end"),
                text(label_width + span + 12, 12.5, strip.note, "row-note"),
            ]
        parts = [*words, rect(label_width, top, span, 16.0, "track", rx=3)]
        for j, count in enumerate(strip.counts):
            if count:
                x = label_width + j * cell
                # square root: a lone threshold must stay visible beside a crowd
                shade = f"{0.15 + 0.85 * sqrt(count / most):.2f}"
                tip = f"{count} threshold{'s' if count > 1 else ''}"
                parts.append(rect(x, top, cell - 0.5, 16.0, "density", tip, fill_opacity=shade))
        drawn.append(group(*parts, y=4 + i * row))
    bottom = 4 + row * len(strips)
    middle = label_width + span / 2
    drawn.append(line(middle, 0.0, middle, bottom - 2, "mark"))
    drawn.append(text(label_width, bottom + 12, left, "tick"))
    drawn.append(text(middle, bottom + 12, "0", "tick", "middle"))
    drawn.append(text(label_width + span, bottom + 12, right, "tick", "end"))
    return picture(width, bottom + 18, title, *drawn)
