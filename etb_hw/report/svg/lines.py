"""Curves over a common x axis: lines, and shares stacked to a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from etb_hw.report.svg.element import element, group, line, path, picture, short, text
from etb_hw.report.svg.scale import Scale, number

LEFT, RIGHT, TOP, BOTTOM = 46.0, 118.0, 22.0, 34.0


@dataclass(frozen=True)
class Curve:
    """A named line through points; ``class_`` sets its colour in the style sheet.

    ``peak``: its highest value is what matters, not its last.
    """

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    class_: str
    peak: bool = False

    @property
    def named_at(self) -> float:
        """The value that stands beside its name."""
        return max(self.ys) if self.peak else self.ys[-1]


@dataclass(frozen=True)
class Mark:
    """A vertical line at ``x`` with a word beside it: something happened then."""

    x: float
    label: str


def line_chart(
    title: str,
    curves: Sequence[Curve],
    *,
    x_label: str,
    percent: bool = False,
    low: float | None = None,
    high: float | None = None,
    x_range: tuple[float, float] | None = None,
    marks: Sequence[Mark] = (),
    width: float = 520.0,
    height: float = 250.0,
) -> Markup:
    """Lines, each named at its right end. ``low``, ``high`` and ``x_range`` fix the axes where given."""
    curves = [curve for curve in curves if len(curve.xs)]
    ys = [y for curve in curves for y in curve.ys]
    bottom = min(ys) if low is None else low
    top = max(ys) if high is None else high
    if top <= bottom:
        top = bottom + 1.0
    x, y = _scales(curves, bottom, top, width, height, x_range)
    drawn = [_frame(x, y, x_label, percent, width, height), *_marks(marks, x, height)]
    for curve in curves:
        points = [(x(a), y(min(max(b, bottom), top))) for a, b in zip(curve.xs, curve.ys, strict=True)]
        drawn.append(path(_polyline(points), f"curve {curve.class_}"))
        if len(points) <= 80:
            drawn.extend(
                element(
                    "circle",
                    element("title", f"{curve.name}, {x_label} {number(a)}: {_value(b, percent)}"),
                    cx=px,
                    cy=py,
                    r=5,
                    class_="hover",
                )
                for (px, py), a, b in zip(points, curve.xs, curve.ys, strict=True)
            )
    ends = [(curve, y(min(max(curve.named_at, bottom), top))) for curve in curves]
    drawn.extend(_end_labels(ends, width - RIGHT + 8, TOP + 4, height - BOTTOM + 4, percent))
    return picture(width, height, title, *drawn)


def share_chart(
    title: str, curves: Sequence[Curve], *, x_label: str, width: float = 520.0, height: float = 250.0
) -> Markup:
    """Shares that add up to one, stacked from the bottom in the order given."""
    x, y = _scales(curves, 0.0, 1.0, width, height)
    below = [0.0] * len(curves[0].xs)
    drawn: list[Markup] = []
    ends: list[tuple[Curve, float]] = []
    for curve in curves:
        above = [a + b for a, b in zip(below, curve.ys, strict=True)]
        up = [(x(a), y(b)) for a, b in zip(curve.xs, above, strict=True)]
        down = [(x(a), y(b)) for a, b in zip(curve.xs, below, strict=True)]
        tip = f"{curve.name}: {curve.ys[0]:.1%} at first, {curve.ys[-1]:.1%} in the end"
        drawn.append(path(_polyline(up + down[::-1]) + "Z", f"area {curve.class_}", tip))
        if curve.ys[-1] > 0 or max(curve.ys) < 1e-9:
            ends.append((curve, y((above[-1] + below[-1]) / 2) if curve.ys[-1] > 0 else y(0)))
        else:
            ends.append((curve, y(below[-1])))
        below = above
    frame = _frame(x, y, x_label, True, width, height)
    labels = _end_labels(ends, width - RIGHT + 8, TOP + 4, height - BOTTOM + 4, percent=True)
    return picture(width, height, title, *drawn, frame, *labels)


def _scales(
    curves: Sequence[Curve],
    bottom: float,
    top: float,
    width: float,
    height: float,
    x_range: tuple[float, float] | None = None,
) -> tuple[Scale, Scale]:
    xs = [x for curve in curves for x in curve.xs]
    first, last = x_range or (min(xs), max(xs))
    x = Scale(first, last if last > first else first + 1, LEFT, width - RIGHT)
    return x, Scale(bottom, top, height - BOTTOM, TOP)


def _frame(x: Scale, y: Scale, x_label: str, percent: bool, width: float, height: float) -> Markup:
    parts = [line(x.start, y(v), x.end, y(v), "grid") for v in y.ticks(4)]
    parts += [text(x.start - 7, y(v) + 4, _value(v, percent), "tick", "end") for v in y.ticks(4)]
    about = max(3, round((x.end - x.start) / 60))
    whole = [v for v in x.ticks(about) if float(v).is_integer()]  # there is no half epoch
    parts += [text(x(v), height - BOTTOM + 16, number(v), "tick", "middle") for v in whole]
    parts.append(line(x.start, height - BOTTOM, x.end, height - BOTTOM, "axis"))
    parts.append(text(x.end, height - 3, x_label, "tick", "end"))
    return group(*parts)


def _marks(marks: Sequence[Mark], x: Scale, height: float) -> list[Markup]:
    drawn = []
    for mark in marks:
        if x.low <= mark.x <= x.high:
            drawn.append(line(x(mark.x), TOP, x(mark.x), height - BOTTOM, "mark"))
            drawn.append(text(x(mark.x), TOP - 9, mark.label, "tick", "middle"))
    return drawn


def _end_labels(
    ends: Sequence[tuple[Curve, float]], x: float, top: float, bottom: float, percent: bool
) -> list[Markup]:
    """Names beside the ends of the lines, moved apart where they would overlap."""
    step = 15.0
    order = sorted(ends, key=lambda end: end[1])
    ys: list[float] = []
    for _, y in order:
        ys.append(max(y + 4, ys[-1] + step) if ys else max(y + 4, top))
    overflow = ys[-1] - bottom if ys else 0.0
    if overflow > 0:  # push back up from the bottom
        limit = bottom
        for i in range(len(ys) - 1, -1, -1):
            ys[i] = min(ys[i], limit)
            limit = ys[i] - step
    return [
        text(x, y, f"{curve.name} {_value(curve.named_at, percent)}", f"label {curve.class_}")
        for (curve, _), y in zip(order, ys, strict=True)
    ]


def _value(value: float, percent: bool) -> str:
    if not percent:
        return number(value)
    return f"{100 * value:.3g}%"


def _polyline(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{short(px)} {short(py)}" for px, py in points)
