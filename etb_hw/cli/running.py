"""Running a flow from the command line: read the file, run the steps, show the summary."""

from __future__ import annotations

from pathlib import Path

from etb_hw.artifacts.run_files import SUMMARY
from etb_hw.cli.console import console
from etb_hw.cli.summary_table import summary_table
from etb_hw.cli.terminal import TerminalObserver
from etb_hw.config import load_flow
from etb_hw.flow import run_steps
from etb_hw.flow.steps import STEPS


def run_flow(
    flow_file: Path,
    out: Path | None,
    *,
    start: str | None = None,
    until: str | None = None,
    force: bool = False,
) -> None:
    """Run a flow file into its folder and print what came out. Raises EtbError."""
    flow = load_flow(flow_file)
    run_dir = out or Path("runs") / flow_file.stem
    terminal = console()
    with TerminalObserver(terminal) as observer:
        run_steps(flow, run_dir, STEPS, start=start, until=until, force=force, observer=observer)
    if until is None:
        terminal.print(summary_table(SUMMARY.need(run_dir), run_dir))
