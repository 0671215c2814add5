"""A part of the page: HTML, or a line saying which step makes what it would show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape


@dataclass(frozen=True)
class Section:
    """One section.

    Attributes:
        key: anchor in the page.
        intro: a sentence or two for a newcomer.
        body: its contents, None where the run has none.
        missing: which step makes them.
    """

    key: str
    title: str
    intro: str
    body: Markup | None
    missing: str = ""


@dataclass(frozen=True)
class Column:
    """A table's column; numbers stand right."""

    title: str
    numeric: bool = False


def table(columns: Sequence[Column], rows: Sequence[Sequence[str | Markup]], class_: str = "") -> Markup:
    """An HTML table. Cells are escaped unless they are Markup; a row's first cell is its heading."""
    head = Markup("").join(_cell("th", column, column.title) for column in columns)
    lines = []
    for row in rows:
        cells = [
            _cell("th" if i == 0 else "td", column, value)
            for i, (column, value) in enumerate(zip(columns, row, strict=True))
        ]
        lines.append(Markup("<tr>{}</tr>").format(Markup("").join(cells)))
    return Markup(
        '<div class="scroll"><table class="{}"><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>'
    ).format(class_, head, Markup("").join(lines))


def _cell(tag: str, column: Column, value: str | Markup) -> Markup:
    kind = Markup(' class="num"') if column.numeric else Markup("")
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(tag), kind, escape(value))


def figure(picture: Markup, caption: str) -> Markup:
    """A picture with words under it."""
    return Markup("<figure>{}<figcaption>{}</figcaption></figure>").format(picture, caption)


def at_both_widths(draw: Callable[[bool], Markup]) -> Markup:
    """A picture for wide pages and paper, and one for phones; the style sheet shows one of them.

    Args:
        draw: gets whether the picture is to be narrow.
    """
    return Markup('<div class="wide">{}</div><div class="slim">{}</div>').format(draw(False), draw(True))


def side_by_side(*parts: Markup) -> Markup:
    """Parts two in a row where the page is wide enough."""
    return Markup('<div class="columns pairs">{}</div>').format(Markup("").join(parts))


def legend(*entries: tuple[str, str]) -> Markup:
    """Coloured squares with names: (class, name)."""
    items = [Markup('<li><i class="swatch {}"></i>{}</li>').format(kind, name) for kind, name in entries]
    return Markup('<ul class="legend">{}</ul>').format(Markup("").join(items))
