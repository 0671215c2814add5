"""The page that fits a folder."""

from __future__ import annotations

from pathlib import Path

from etb_hw.report.run_page import run_page
from etb_hw.report.study import is_study, study


def render(folder: Path) -> str:
    """One self-contained HTML page about a folder: a run, a sweep, or a comparison with baselines.

    Parts whose files are not there yet are left out, with a line saying which step makes them.

    Raises:
        BadInput: nothing of the kind in the folder, or a damaged file in it.
    """
    return study(folder) if is_study(folder) else run_page(folder)
