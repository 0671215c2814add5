"""Horizontal bars: shares of a limit, kept against cut, parts of a total."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from etb_hw.report.svg.element import NARROW, group, picture, rect, text


@dataclass(frozen=True)
class Part:
    """A piece of a bar, in the units of the bar's total."""

    value: float
    class_: str
    tip: str = ""


@dataclass(frozen=True)
class Bar:
    """A labelled row: its parts from the left, of ``total`` (the full width)."""

    label: str
    parts: Sequence[Part]
    total: float
    note: str = ""


def bar_chart(
    title: str,
    bars: Sequence[Bar],
    *,
    narrow: bool = False,
) -> Markup:
    """Rows of bars on a pale track, the label at the left, the note at the right; ``narrow``: above it."""
    width, left, right, row, top = (
        (NARROW, 0.0, 0.0, 46.0, 18.0) if narrow else (1040.0, 150.0, 210.0, 26.0, 0.0)
    )
    thick = 14.0
    span = width - left - right
    drawn = []
    for i, bar in enumerate(bars):
        if narrow:
            parts = [text(0.0, 11.5, bar.label, "row-label"), text(width, 11.5, bar.note, "row-note", "end")]
        else:
            parts = [text(left - 12, thick - 2.5, bar.label, "row-label", "end")]
            parts.append(text(left + span + 12, thick - 2.5, bar.note, "row-note"))
        parts.append(rect(left, top, span, thick, "track", rx=3))
        at = left
        for part in bar.parts:
            length = span * min(1.0, part.value / bar.total) if bar.total > 0 else 0.0
            length = min(length, left + span - at)
            parts.append(rect(at, top, length, thick, part.class_, part.tip, rx=3 if length > 6 else 0))
            at += length
        drawn.append(group(*parts, y=6 + i * row))
    return picture(width, 6 + row * len(bars), title, *drawn)
