"""``etb-hw train``: the flow up to its step ``train``."""

from __future__ import annotations

from pathlib import Path

import click

from etb_hw.cli.options import flow_argument, out_option
from etb_hw.cli.output import Output, output_options


@click.command("train")
@flow_argument
@out_option
@click.option("--force", is_flag=True, help="Run the step again, whatever is there already.")
@output_options
def command(flow_file: Path, out: Path | None, force: bool, output: Output) -> None:
    """Train FLOW_FILE's network, resuming where an earlier run stopped.

    `etb-hw run FLOW_FILE --until baseline` trains the dense network too.
    """
    from etb_hw.cli.running import run_flow

    run_flow(flow_file, out, output, start="train" if force else None, until="train")
