"""Single pictures of a run as SVG files, for a README or a slide; they follow light and dark."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from markupsafe import Markup

from etb_hw.artifacts.training import Epoch
from etb_hw.report.run import Run, read_run
from etb_hw.report.sections.evolution import KINDS, WIDE, shares_picture, thresholds_picture
from etb_hw.report.sections.filters import filters_picture
from etb_hw.report.sections.pipeline import pipeline_picture
from etb_hw.report.sections.proofs import proofs_picture
from etb_hw.report.svg.element import picture, short, text

MARGIN = 20
SIZE = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')
PICTURES: Mapping[str, Callable[[Run], Markup | None]] = {
    "evolution": lambda run: evolution_picture(run.epochs) if run.epochs else None,
    "filters": lambda run: filters_picture(run.pruning) if run.pruning else None,
    "pipeline": lambda run: pipeline_picture(run.stages) if run.stages else None,
    "proof": lambda run: proofs_picture(run.proofs) if run.proofs else None,
}


def evolution_picture(epochs: Sequence[Epoch]) -> Markup:
    """The shares of filters, and under them, over the same epochs, the thresholds that move them."""
    shares = shares_picture(epochs)
    kinds = [kind for kind in KINDS if any(KINDS[kind](epoch) for epoch in epochs)]
    if not kinds:
        return shares
    parts = [shares, thresholds_picture(epochs, kinds[-1])]
    words = [
        "share of the filters in each state",
        f"mean threshold of the {kinds[-1]}, a layer, and its peak",
    ]
    drawn, y = [], 0.0
    for part, word in zip(parts, words, strict=True):
        size = SIZE.search(part)
        assert size is not None
        at = Markup('<svg x="0" y="{}" width="{}" height="{}" ').format(short(y + 20.0), size[1], size[2])
        drawn += [text(0.0, y + 12.0, word, "tick"), Markup(part.replace("<svg ", at, 1))]
        y += float(size[2]) + 26.0
    return picture(WIDE, y, "Filters while they train, and the thresholds that move them", *drawn)


def pictures(run_dir: Path) -> dict[str, str]:
    """SVG files by name, of what the run has made. Raises BadInput as ``render`` does."""
    run = read_run(run_dir)
    made = {name: draw(run) for name, draw in PICTURES.items()}
    return {f"{name}.svg": standalone(picture) for name, picture in made.items() if picture is not None}


def standalone(drawn: str) -> str:
    """An inline picture as a file of its own: with its name space, its size and the page's colours."""
    style = files("etb_hw.report").joinpath("templates/page.css").read_text(encoding="utf-8")
    variables = re.search(r":root \{(.*?)\n\}", style, re.DOTALL)
    drawing = style[style.index("/* pictures") : style.index("@media (max-width")]
    size = SIZE.search(drawn)
    assert variables is not None
    assert size is not None
    colours = f"svg {{ {variables[1]}\n  background: var(--paper); }}"
    width, height = float(size[1]) + 2 * MARGIN, float(size[2]) + 2 * MARGIN
    box = f'viewBox="{-MARGIN} {-MARGIN} {width:g} {height:g}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
    start = drawn.index(">") + 1
    opening = re.sub(r' style="[^"]*"', "", drawn[:start]).replace("<svg ", head).replace(size[0], box)
    return f"{opening}<style>{colours}\n{drawing}</style>{drawn[start:]}\n"
