"""The dataflow pipeline from top to bottom: a rail of blocks, each with folding, cycles and resources.

Blocks stand in topological order, one a row; a stream to the next row is a straight piece of rail, a stream
that skips rows (a residual branch) runs in a lane of its own beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2

from markupsafe import Markup

from etb_hw.report.svg.element import NARROW, element, group, line, path, picture, rect, short, text
from etb_hw.report.svg.scale import number

LANE = 11.0
WIDTH = 1040.0
TALL, LOW = 44.0, 22.0
NAME, FOLD, CYCLES, LUT, BRAM = 44.0, 385.0, 560.0, 785.0, 925.0  # where the columns begin
CYCLES_SPAN, COST_SPAN = 110.0, 66.0


@dataclass(frozen=True)
class Row:
    """A block as the drawing needs it.

    Attributes:
        title: what it is, in words; ``detail``: its name and shape.
        sources: rows that feed it, -1 for the design's input.
        pe, simd: 0 where it does not fold so.
        busy: cycles as a share of the slowest block's.
        lut, bram: shares of the whole design, with their values in words.
        small: plumbing, drawn flat.
    """

    title: str
    detail: str
    class_: str
    sources: tuple[int, ...]
    pe: int
    simd: int
    cycles: float | None
    busy: float
    lut: tuple[float, float]
    bram: tuple[float, float]
    small: bool


def pipeline(title: str, rows: Sequence[Row]) -> Markup:
    """The whole drawing."""
    tops: list[float] = []
    y = 40.0
    for row in rows:
        tops.append(y)
        y += LOW if row.small else TALL
    middles = [top + (LOW if row.small else TALL) / 2 for top, row in zip(tops, rows, strict=True)]
    skips = _lanes(rows)
    depth = max((lane for *_, lane in skips), default=0)
    shift = depth * LANE
    height = y + 26.0
    drawn = [_head(shift), *_rail(rows, middles, skips, shift, height)]
    for i, row in enumerate(rows):
        size = LOW if row.small else TALL
        drawn.append(group(*_row(row, size, shift), y=tops[i]))
        if row.class_:
            dot = element(
                "circle",
                cx=20 + shift,
                cy=middles[i],
                r=3.5 if row.small else 6.5,
                class_=f"dot {row.class_}",
            )
            drawn.append(dot)
    return picture(WIDTH + shift, height, title, *drawn, class_="pipeline")


def pipeline_narrow(title: str, rows: Sequence[Row]) -> Markup:
    """The same for a phone: figures below each block's name instead of beside it."""
    left, span, y = 30.0, 120.0, 26.0
    drawn = [text(14.0, 16.0, "in", "tick", "middle")]
    middles: list[float] = []
    for i, row in enumerate(rows):
        high = 34.0 if row.small else 80.0
        middles.append(y + 12)
        if i and i - 1 in row.sources:
            drawn.append(line(14.0, middles[i - 1], 14.0, middles[i], "rail"))
        far = [rows[source].title for source in row.sources if 0 <= source != i - 1]
        detail = row.detail + (f" · reads {', '.join(far)}" if far else "")
        slowest = row.busy >= 0.9999
        parts = [rect(left - 6, 0.0, NARROW - left + 6, high - 3, "row slowest" if slowest else "row", rx=4)]
        parts.append(text(left, 15.0, row.title, "row-small" if row.small else "row-title"))
        parts.append(text(left, 28.0 if row.small else 31.0, detail, "row-detail"))
        if not row.small:
            fold = f"{row.pe} × {row.simd}" if row.pe and row.simd else f"{row.pe or row.simd}"
            costs = [f"{number(row.lut[1])} LUT"] if row.lut[1] else []
            costs += [f"{number(row.bram[1])} BRAM"] if row.bram[1] else []
            words = " · ".join(part for part in (fold, *costs) if part != "0")
            parts.append(text(left, 68.0 if row.cycles is not None else 48.0, words, "row-number"))
            if row.cycles is not None:
                kind = "busy slowest" if slowest else "busy"
                parts.append(rect(left, 41.0, span, 10.0, "track", rx=2))
                parts.append(rect(left, 41.0, span * row.busy, 10.0, kind, rx=2))
                share = "slowest" if slowest else f"{row.busy:.0%}"
                cycles = f"{row.cycles:,.0f} cycles a frame · {share}"
                parts.append(text(left + span + 8, 50.0, cycles, "row-number"))
        drawn.append(group(*parts, y=y))
        y += high
    for middle, row in zip(middles, rows, strict=True):
        size = 3.5 if row.small else 6.5
        drawn.append(element("circle", cx=14.0, cy=middle, r=size, class_=f"dot {row.class_}"))
    drawn.append(text(14.0, y + 12, "out", "tick", "middle"))
    return picture(NARROW, y + 18, title, *drawn)


def _head(shift: float) -> Markup:
    titles = (
        (NAME, "block"),
        (FOLD, "folding: PE × SIMD"),
        (CYCLES, "cycles a frame"),
        (LUT, "LUT"),
        (BRAM, "BRAM 18k"),
    )
    return group(
        *(text(x + shift, 14.0, name, "column-head") for x, name in titles),
        text(20.0 + shift, 32.0, "in", "tick", "middle"),
    )


def _row(row: Row, size: float, shift: float) -> list[Markup]:
    middle = size / 2
    slowest = row.busy >= 0.9999
    parts = [
        rect(NAME + shift - 10, 1.0, WIDTH - NAME + 10, size - 2, "row slowest" if slowest else "row", rx=4)
    ]
    if row.small:
        parts.append(text(NAME + shift, middle + 4, row.title, "row-small"))
        parts.append(text(NAME + shift + 105, middle + 4, row.detail, "row-detail"))
    else:
        parts.append(text(NAME + shift, middle - 3, row.title, "row-title"))
        parts.append(text(NAME + shift, middle + 13, row.detail, "row-detail"))
    if row.pe or row.simd:
        parts.append(_fold(FOLD + shift, middle, row, size))
    if row.cycles is not None:
        tip = f"{row.title}: {row.cycles:,.0f} cycles a frame, {row.busy:.1%} of the slowest block"
        thick = 6.0 if row.small else 12.0
        x = CYCLES + shift
        parts.append(rect(x, middle - thick / 2, CYCLES_SPAN, thick, "track", rx=2))
        parts.append(
            rect(
                x,
                middle - thick / 2,
                CYCLES_SPAN * row.busy,
                thick,
                "busy slowest" if slowest else "busy",
                tip,
                rx=2,
            )
        )
        words = f"{row.cycles:,.0f}" + (" ◂ slowest" if slowest else f" · {row.busy:.0%}")
        parts.append(text(x + CYCLES_SPAN + 8, middle + 4, words, "row-number"))
    for x, (share, value), name in ((LUT + shift, row.lut, "LUT"), (BRAM + shift, row.bram, "BRAM 18k")):
        if value > 0:
            thick = 6.0 if row.small else 12.0
            tip = f"{row.title}: {number(value)} {name}, {share:.1%} of the design"
            parts.append(rect(x, middle - thick / 2, COST_SPAN, thick, "track", rx=2))
            parts.append(rect(x, middle - thick / 2, COST_SPAN * share, thick, "cost", tip, rx=2))
            parts.append(text(x + COST_SPAN + 8, middle + 4, number(value), "row-number"))
    return parts


def _fold(x: float, middle: float, row: Row, size: float) -> Markup:
    """A rectangle of PE rows and SIMD columns (both on a logarithmic scale), with the numbers beside it."""
    wide = 5 + 7.0 * log2(max(1, row.simd))
    high = min(size - 6, 5 + 4.5 * log2(max(1, row.pe)))
    if row.small:
        high = min(high, size - 8)
    tip = f"{row.pe} processing elements, each takes {row.simd} inputs a cycle"
    if not (row.pe and row.simd):
        tip = f"{row.pe or row.simd} channels a cycle"
    words = f"{row.pe} × {row.simd}" if row.pe and row.simd else f"{row.pe or row.simd}"
    return group(
        rect(x, middle - high / 2, wide, high, f"fold {row.class_}", tip, rx=1.5),
        text(x + 84, middle + 4, words, "row-number"),
    )


def _lanes(rows: Sequence[Row]) -> list[tuple[int, int, int]]:
    """(from, to, lane) of every stream that skips a row; lanes count from 1 and never overlap."""
    taken: list[tuple[int, int, int]] = []
    for target, row in enumerate(rows):
        for source in row.sources:
            if source == target - 1:
                continue
            lane = 1
            while any(lane == other and source < end and start < target for start, end, other in taken):
                lane += 1
            taken.append((source, target, lane))
    return taken


def _rail(
    rows: Sequence[Row],
    middles: Sequence[float],
    skips: Sequence[tuple[int, int, int]],
    shift: float,
    height: float,
) -> list[Markup]:
    x = 20 + shift
    drawn = []
    for i, row in enumerate(rows):
        if i - 1 in row.sources:
            drawn.append(line(x, middles[i - 1] if i else 36.0, x, middles[i], "rail"))
    for source, target, lane in skips:
        start, end, far = middles[source] if source >= 0 else 36.0, middles[target], x - lane * LANE
        bend = 10.0
        drawn.append(
            path(
                f"M{short(x)} {short(start)}Q{short(far)} {short(start)} {short(far)} {short(start + bend)}"
                f"V{short(end - bend)}Q{short(far)} {short(end)} {short(x)} {short(end)}",
                "rail skip",
            )
        )
    if middles:
        drawn.append(line(x, middles[-1], x, height - 22, "rail"))
        drawn.append(path(f"M{short(x - 4)} {short(height - 24)}h8l-4 7z", "arrow"))
        drawn.append(text(x, height - 4, "out", "tick", "middle"))
    return drawn
