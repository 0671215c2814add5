"""Horizontal bars: shares of a limit, kept against cut, parts of a total."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from etb_hw.report.svg.element import group, picture, rect, text


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
    label_width: float = 150.0,
    note_width: float = 210.0,
    width: float = 1040.0,
) -> Markup:
    """Rows of bars on a pale track, the label at the left, the note at the right."""
    row, thick = 26.0, 14.0
    span = width - label_width - note_width
    drawn = []
    for i, bar in enumerate(bars):
        parts = [text(label_width - 12, thick - 2.5, bar.label, "row-label", "end")]
        parts.append(rect(label_width, 0.0, span, thick, "track", rx=3))
        at = label_width
        for part in bar.parts:
            length = span * min(1.0, part.value / bar.total) if bar.total > 0 else 0.0
            length = min(length, label_width + span - at)
            parts.append(rect(at, 0.0, length, thick, part.class_, part.tip, rx=3 if length > 6 else 0))
            at += length
        parts.append(text(label_width + span + 12, thick - 2.5, bar.note, "row-note"))
        drawn.append(group(*parts, y=6 + i * row))
    return picture(width, 6 + row * len(bars), title, *drawn)
