"""Single pictures of a run as SVG files, for a README or a slide; they follow light and dark."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path

from markupsafe import Markup

from etb_hw.report.run import Run, read_run
from etb_hw.report.sections.evolution import shares_picture
from etb_hw.report.sections.filters import filters_picture
from etb_hw.report.sections.pipeline import pipeline_picture
from etb_hw.report.sections.proofs import proofs_picture

MARGIN = 20
PICTURES: Mapping[str, Callable[[Run], Markup | None]] = {
    "evolution": lambda run: shares_picture(run.epochs) if run.epochs else None,
    "filters": lambda run: filters_picture(run.pruning) if run.pruning else None,
    "pipeline": lambda run: pipeline_picture(run.stages) if run.stages else None,
    "proof": lambda run: proofs_picture(run.proofs) if run.proofs else None,
}


def pictures(run_dir: Path) -> dict[str, str]:
    """SVG files by name, of what the run has made. Raises BadInput as ``render`` does."""
    run = read_run(run_dir)
    made = {name: draw(run) for name, draw in PICTURES.items()}
    return {f"{name}.svg": standalone(picture) for name, picture in made.items() if picture is not None}


def standalone(picture: str) -> str:
    """An inline picture as a file of its own: with its name space, its size and the page's colours."""
    style = files("etb_hw.report").joinpath("templates/page.css").read_text(encoding="utf-8")
    variables = re.search(r":root \{(.*?)\n\}", style, re.DOTALL)
    drawing = style[style.index("/* pictures") : style.index("@media (max-width")]
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', picture)
    assert variables is not None
    assert size is not None
    colours = f"svg {{ {variables[1]}\n  background: var(--paper); }}"
    width, height = float(size[1]) + 2 * MARGIN, float(size[2]) + 2 * MARGIN
    box = f'viewBox="{-MARGIN} {-MARGIN} {width:g} {height:g}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
    start = picture.index(">") + 1
    opening = re.sub(r' style="[^"]*"', "", picture[:start]).replace("<svg ", head).replace(size[0], box)
    return f"{opening}<style>{colours}\n{drawing}</style>{picture[start:]}\n"
