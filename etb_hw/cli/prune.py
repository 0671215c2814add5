"""``etb-hw prune``: the flow up to its step ``prune``."""

from __future__ import annotations

from pathlib import Path

import click

from etb_hw.cli.options import flow_argument, out_option
from etb_hw.cli.output import Output, output_options


@click.command("prune")
@flow_argument
@out_option
@click.option("--force", is_flag=True, help="Run the step again, whatever is there already.")
@output_options
def command(flow_file: Path, out: Path | None, force: bool, output: Output) -> None:
    """Harden and slim FLOW_FILE's network, training it first where that is not done."""
    from etb_hw.cli.running import run_flow

    run_flow(flow_file, out, output, start="prune" if force else None, until="prune")
