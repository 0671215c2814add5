"""The whole page: one file, no script, nothing fetched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from etb_hw import __version__
from etb_hw.report.section import Section


@dataclass(frozen=True)
class Verdict:
    """One line that says whether to believe the rest; ``class_`` is good or bad."""

    text: str
    class_: str


def page(
    title: str,
    over: str,
    subtitle: str,
    verdict: Verdict | None,
    sections: Sequence[Section],
    bare: bool = False,
) -> str:
    """HTML of a page with these sections; those without a body are named at its end.

    ``bare`` leaves out everything around the sections.
    """
    environment = Environment(
        loader=PackageLoader("etb_hw.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    style = files("etb_hw.report").joinpath("templates/page.css").read_text(encoding="utf-8")
    return environment.get_template("page.html.j2").render(
        title=title,
        over=over,
        subtitle=subtitle,
        verdict=verdict,
        sections=sections,
        style=Markup(style),
        version=__version__,
        bare=bare,
    )
