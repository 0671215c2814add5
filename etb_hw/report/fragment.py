"""A section of the report inside a notebook."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from etb_hw.errors import BadInput
from etb_hw.report.page import page
from etb_hw.report.run import read_run
from etb_hw.report.run_page import SECTIONS


@dataclass(frozen=True)
class Fragment:
    """HTML that Jupyter shows in a frame of its own, so that no style of the notebook meets ours."""

    html: str
    height: int

    def _repr_html_(self) -> str:
        frame = Markup('<iframe srcdoc="{}" style="width:100%;height:{}px;border:0"></iframe>')
        return str(frame.format(self.html, self.height))


def show(run_dir: Path | str, section: str, height: int = 600) -> Fragment:
    """One section of a run's report, for a notebook cell.

    Args:
        section: its key, such as "evolution", "filters", "pipeline" or "proof".
        height: of the frame, in pixels.

    Raises:
        BadInput: no such section, or a run folder that cannot be read.
    """
    run = read_run(Path(run_dir))
    made = {found.key: found for found in (make(run) for make in SECTIONS)}
    if section not in made:
        known = ", ".join(made)
        raise BadInput(f"section {section!r}", "is not in the report", f"use one of: {known}")
    return Fragment(page(run.name, "", "", None, [made[section]], bare=True), height)
