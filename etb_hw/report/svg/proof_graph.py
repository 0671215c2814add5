"""Stages as boxes from left to right, a line for every comparison between two of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from etb_hw.report.svg.element import element, group, path, picture, rect, short, text

WIDTH, GAP, ROW, BOX = 1040.0, 34.0, 62.0, 48.0
LINES = 3  # of a box at most
CHARACTER = 7.3  # width of one, about


@dataclass(frozen=True)
class Link:
    """``target`` was compared with ``source``."""

    source: str
    target: str
    equal: bool
    tip: str


def proof_graph(title: str, links: Sequence[Link]) -> Markup:
    """Every stage stands right of all that it was compared with."""
    columns = _columns(links)
    count = max(columns.values()) + 1
    box = (WIDTH - GAP * (count - 1)) / count
    places = _places(links, columns)
    height = ROW * (max(y for _, y in places.values()) + 1) - (ROW - BOX)

    def corner(name: str) -> tuple[float, float]:
        column, row = places[name]
        return column * (box + GAP), row * ROW + 1

    drawn = []
    for link in links:
        (x1, y1), (x2, y2) = corner(link.source), corner(link.target)
        x1, y1, y2 = x1 + box, y1 + BOX / 2, y2 + BOX / 2
        bend = (x2 - x1) / 2
        start, end = f"{short(x1)} {short(y1)}", f"{short(x2)} {short(y2)}"
        curve = f"M{start}C{short(x1 + bend)} {short(y1)} {short(x2 - bend)} {short(y2)} {end}"
        kind = "good" if link.equal else "bad"
        drawn.append(path(curve, f"proof {kind}", link.tip))
        drawn.append(
            element("circle", element("title", link.tip), cx=x2, cy=y2, r=3.5, class_=f"proof-end {kind}")
        )
    for name in places:
        x, y = corner(name)
        lines = _wrapped(name, int((box - 20) / CHARACTER))
        first = BOX / 2 + 4 - 6.5 * (len(lines) - 1)
        words = [text(box / 2, first + 13.0 * i, line, "box-name", "middle") for i, line in enumerate(lines)]
        drawn.append(group(rect(0.0, 0.0, box, BOX, "box", rx=7), *words, x=x, y=y))
    return picture(WIDTH, height + 2, title, *drawn)


def _columns(links: Sequence[Link]) -> dict[str, int]:
    """Longest way from a stage that was compared with nothing; cycles end where they close."""
    columns: dict[str, int] = {}
    for link in links:
        columns.setdefault(link.source, 0)
        columns.setdefault(link.target, 0)
    for _ in columns:
        for link in links:
            if link.source != link.target and columns[link.target] <= columns[link.source] < len(columns):
                columns[link.target] = columns[link.source] + 1
    return columns


def _places(links: Sequence[Link], columns: Mapping[str, int]) -> dict[str, tuple[int, float]]:
    """Column and row of every stage: rows near those of what it was compared with, columns centred."""
    members: dict[int, list[str]] = {}
    for name, column in columns.items():
        members.setdefault(column, []).append(name)
    most = max(len(names) for names in members.values())
    places: dict[str, tuple[int, float]] = {}
    for column in sorted(members):
        names = members[column]

        def wish(name: str) -> float:
            rows = [places[link.source][1] for link in links if link.target == name and link.source in places]
            return sum(rows) / len(rows) if rows else 0.0

        names = sorted(names, key=wish) if column else names
        for i, name in enumerate(names):
            places[name] = (column, i + (most - len(names)) / 2)
    return places


def _wrapped(name: str, characters: int) -> list[str]:
    """A few lines, cut where even these are too short."""
    if len(name) <= characters:
        return [name]
    lines = [""]
    for word in name.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > characters and len(lines) < LINES:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return [line if len(line) <= characters else line[: max(1, characters - 1)] + "…" for line in lines]
