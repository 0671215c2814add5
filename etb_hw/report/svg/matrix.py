"""A square of counts, such as a confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

from markupsafe import Markup

from etb_hw.report.svg.element import group, picture, rect, text


def confusion_matrix(title: str, counts: Sequence[Sequence[int]], names: Sequence[str]) -> Markup:
    """Rows are true classes, columns predictions. Right ones in one colour, wrong ones in another."""
    size = len(names)
    cell = 38.0 if size <= 12 else max(9.0, 460.0 / size)
    side = max(60.0, 10.0 + 7.0 * max(len(name) for name in names))
    head = 34.0 if max(len(name) for name in names) <= 4 else side * 0.8
    drawn: list[Markup] = []
    for i, row in enumerate(counts):
        total = max(1, sum(row))
        drawn.append(text(side - 8, head + (i + 0.5) * cell + 4, names[i], "row-label", "end"))
        x = side + (i + 0.5) * cell
        if head == 34.0:
            drawn.append(text(x, head - 8, names[i], "row-label", "middle"))
        else:
            turn = f"rotate(-50 {x:.1f} {head - 8:.1f})"
            drawn.append(text(x - 4, head - 6, names[i], "row-label", "start", transform=turn))
        for j, count in enumerate(row):
            kind = "hit" if i == j else "miss"
            tip = f"{count} of {total} {names[i]!r} taken for {names[j]!r}"
            # square root: a single mistake among hundreds must still be seen
            strength = sqrt(count / total)
            box = rect(0.0, 0.0, cell - 2, cell - 2, kind, tip, rx=3, fill_opacity=f"{strength:.3f}")
            inside = [rect(0.0, 0.0, cell - 2, cell - 2, "track", rx=3), box]
            if count and cell >= 20:
                shade = "on-strong" if strength > 0.6 else "on-weak"
                inside.append(text((cell - 2) / 2, cell / 2 + 3, str(count), f"cell {shade}", "middle"))
            drawn.append(group(*inside, x=side + j * cell, y=head + i * cell))
    width, height = side + size * cell + 8, head + size * cell + 24
    drawn.append(text(side, height - 6, "number of images · columns: predicted · rows: true class", "tick"))
    return picture(width, height, title, *drawn)
