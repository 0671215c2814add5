"""``etb-hw run``: the whole flow."""

from __future__ import annotations

from pathlib import Path

import click

from etb_hw.cli.options import flow_argument, out_option


@click.command("run")
@flow_argument
@out_option
@click.option("--from", "start", metavar="STEP", help="Run this step and all after it again.")
@click.option("--until", metavar="STEP", help="Stop after this step.")
@click.option("--force", is_flag=True, help="Run every step again, whatever is there already.")
def command(flow_file: Path, out: Path | None, start: str | None, until: str | None, force: bool) -> None:
    """Run FLOW_FILE from data to report.

    A run resumes at the first step whose inputs changed; Ctrl-C leaves it resumable.
    """
    from etb_hw.cli.running import run_flow

    run_flow(flow_file, out, start=start, until=until, force=force)
