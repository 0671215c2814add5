"""Running a flow from the command line: read the file, run the steps, show the summary."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from etb_hw.artifacts.run_files import SUMMARY
from etb_hw.board import find_board
from etb_hw.cli.output import Output
from etb_hw.cli.summary_table import summary_table
from etb_hw.cli.terminal import TerminalObserver
from etb_hw.config import load_flow
from etb_hw.dataflow.design import check_build
from etb_hw.flow import run_steps
from etb_hw.flow.steps import STEPS
from etb_hw.flow_files import find_flow
from etb_hw.training.distributed import leads


def run_flow(
    flow_file: Path,
    out: Path | None,
    output: Output,
    *,
    start: str | None = None,
    until: str | None = None,
    force: bool = False,
) -> None:
    """Run a flow file into its folder and print what came out. Raises EtbError."""
    flow = load_flow(find_flow(flow_file))
    names = [step.name for step in STEPS]
    if until not in names[: names.index("build")]:
        check_build(flow.build)  # what cannot be built, or for no board, is better known before the training
    if flow.board.name is not None:
        find_board(flow.board.name)
    run_dir = out or Path("runs") / flow_file.stem
    if not leads():
        output = Output(quiet=True)
    with TerminalObserver(output) as observer:
        run_steps(flow, run_dir, STEPS, start=start, until=until, force=force, observer=observer)
    summary = SUMMARY.need(run_dir) if until is None and leads() else None
    if summary is not None:
        output.say(summary_table(summary, run_dir))
    output.document(
        {
            "run": str(run_dir),
            "steps": observer.steps,
            "summary": None if summary is None else asdict(summary),
        }
    )
