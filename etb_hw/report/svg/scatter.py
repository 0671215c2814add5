"""Points of two measures, and the front of those that nothing beats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from etb_hw.report.svg.element import NARROW, element, line, path, picture, short, text
from etb_hw.report.svg.scale import Scale, number

LEFT, RIGHT, TOP, BOTTOM = 56.0, 24.0, 14.0, 40.0


@dataclass(frozen=True)
class Point:
    """``x`` should be small, ``y`` large; ``link`` is opened by a click."""

    x: float
    y: float
    label: str
    class_: str = "c1"
    link: str = ""


def front(points: Sequence[Point]) -> list[Point]:
    """The points that no other beats in both measures, by rising x."""
    best: list[Point] = []
    for point in sorted(points, key=lambda p: (p.x, -p.y)):
        if not best or point.y > best[-1].y:
            best.append(point)
    return best


def scatter(
    title: str,
    points: Sequence[Point],
    *,
    x_label: str,
    y_label: str,
    narrow: bool = False,
    height: float = 330.0,
) -> Markup:
    """Points with their front as a staircase; labels show when the pointer rests on a point."""
    width = NARROW if narrow else 520.0
    xs, ys = [p.x for p in points], [p.y for p in points]
    pad_x = (max(xs) - min(xs)) * 0.08 or max(1.0, abs(xs[0]) * 0.1)
    pad_y = (max(ys) - min(ys)) * 0.12 or 0.01
    x = Scale(min(xs) - pad_x, max(xs) + pad_x, LEFT, width - RIGHT)
    y = Scale(min(ys) - pad_y, max(ys) + pad_y, height - BOTTOM, TOP)
    drawn = [line(x.start, y(v), x.end, y(v), "grid") for v in y.ticks(5)]
    drawn += [text(x.start - 7, y(v) + 4, f"{100 * v:.4g}%", "tick", "end") for v in y.ticks(5)]
    drawn += [
        text(x(v), height - BOTTOM + 16, number(v), "tick", "middle") for v in x.ticks(3 if narrow else 6)
    ]
    drawn.append(line(x.start, y.start, x.end, y.start, "axis"))
    drawn.append(text(x.end, height - 6, x_label, "tick", "end"))
    drawn.append(text(x.start + 6, TOP + 8, y_label, "tick"))
    drawn.append(path(_staircase(front(points), x, y), "curve front"))
    drawn += [_dot(p, x(p.x), y(p.y)) for p in points]
    return picture(width, height, title, *drawn)


def _dot(point: Point, x: float, y: float) -> Markup:
    dot = element("circle", element("title", point.label), cx=x, cy=y, r=5, class_=f"point {point.class_}")
    return element("a", dot, href=point.link) if point.link else dot


def _staircase(points: Sequence[Point], x: Scale, y: Scale) -> str:
    commands = f"M{short(x(points[0].x))} {short(y.start)}"
    for point in points:
        commands += f"H{short(x(point.x))}V{short(y(point.y))}"
    return commands + f"H{short(x.end)}"
