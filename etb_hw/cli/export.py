"""``etb-hw export``: the flow up to its step ``export``."""

from __future__ import annotations

from pathlib import Path

import click

from etb_hw.cli.options import flow_argument, out_option


@click.command("export")
@flow_argument
@out_option
@click.option("--force", is_flag=True, help="Run the step again, whatever is there already.")
def command(flow_file: Path, out: Path | None, force: bool) -> None:
    """Write FLOW_FILE's slim network as QONNX, doing the steps before it where needed."""
    from etb_hw.cli.running import run_flow

    run_flow(flow_file, out, start="export" if force else None, until="export")
