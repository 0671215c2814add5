"""``etb-hw run``: the whole flow."""

from __future__ import annotations

from pathlib import Path

import click

from etb_hw.cli.complete import Known, steps
from etb_hw.cli.options import flow_argument, out_option
from etb_hw.cli.output import Output, output_options


@click.command("run")
@flow_argument
@out_option
@click.option(
    "--from", "start", metavar="STEP", type=Known("step", steps), help="Run this step and all after it again."
)
@click.option("--until", metavar="STEP", type=Known("step", steps), help="Stop after this step.")
@click.option("--force", is_flag=True, help="Run every step again, whatever is there already.")
@output_options
def command(
    flow_file: Path, out: Path | None, start: str | None, until: str | None, force: bool, output: Output
) -> None:
    """Run FLOW_FILE from data to report.

    A run resumes at the first step whose inputs changed; Ctrl-C leaves it resumable.
    """
    from etb_hw.cli.running import run_flow

    run_flow(flow_file, out, output, start=start, until=until, force=force)
