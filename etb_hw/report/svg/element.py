"""Building SVG text: one function, everything escaped, numbers short."""

from __future__ import annotations

from markupsafe import Markup, escape

NARROW = 350.0  # a picture's width on a phone, where text keeps its size


def element(tag: str, *children: str | Markup, **attributes: str | float | None) -> Markup:
    """An element as text. Plain strings are escaped; attributes of None are left out.

    ``class_`` gives ``class``, other underscores become hyphens: ``text_anchor`` gives ``text-anchor``.
    """
    parts = [
        Markup(' {}="{}"').format(name.rstrip("_").replace("_", "-"), short(value))
        for name, value in attributes.items()
        if value is not None
    ]
    inside = Markup("").join(escape(child) for child in children)
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(tag), Markup("").join(parts), inside)


def short(value: str | float) -> str:
    """A number with two decimals at most, as SVG needs no more."""
    if isinstance(value, str):
        return value
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def picture(width: float, height: float, title: str, *children: Markup, class_: str = "") -> Markup:
    """A whole inline SVG that scales with the page. ``title`` is read to those who cannot see it."""
    return element(
        "svg",
        *children,
        viewBox=f"0 0 {short(width)} {short(height)}",
        role="img",
        aria_label=title,
        class_=f"picture {class_}".strip(),
        style=f"max-width:{short(width)}px",
    )


def group(*children: Markup, x: float = 0.0, y: float = 0.0, class_: str | None = None) -> Markup:
    """Children moved to (x, y)."""
    move = f"translate({short(float(x))} {short(float(y))})" if x or y else None
    return element("g", *children, transform=move, class_=class_)


def text(
    x: float,
    y: float,
    content: str,
    class_: str | None = None,
    anchor: str | None = None,
    **more: str | float,
) -> Markup:
    return element("text", content, x=x, y=y, class_=class_, text_anchor=anchor, **more)


def rect(
    x: float,
    y: float,
    width: float,
    height: float,
    class_: str | None = None,
    tip: str = "",
    **more: str | float,
) -> Markup:
    """A rectangle; ``tip`` shows when the pointer rests on it."""
    children = (element("title", tip),) if tip else ()
    return element(
        "rect", *children, x=x, y=y, width=max(0.0, width), height=max(0.0, height), class_=class_, **more
    )


def line(x1: float, y1: float, x2: float, y2: float, class_: str | None = None) -> Markup:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def path(commands: str, class_: str | None = None, tip: str = "") -> Markup:
    children = (element("title", tip),) if tip else ()
    return element("path", *children, d=commands, class_=class_)
