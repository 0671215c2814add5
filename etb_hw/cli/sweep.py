"""``etb-hw sweep``: accuracy against size."""

from __future__ import annotations

from pathlib import Path

import click

from etb_hw.cli.options import flow_argument, out_option
from etb_hw.cli.output import Output, output_options


@click.command("sweep")
@flow_argument
@out_option
@click.option("--ratios", default="0.2,0.4,0.6", show_default=True, help="Pruning ratios, by commas.")
@click.option("--seeds", type=click.IntRange(1), default=1, show_default=True, help="Runs of each ratio.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes to start.")
@output_options
def command(flow_file: Path, out: Path | None, ratios: str, seeds: int, jobs: int, output: Output) -> None:
    """Train FLOW_FILE's network at several pruning ratios and draw the Pareto front.

    Several processes or machines that run the same command on the same folder share the work; one that was
    stopped goes on.
    """
    from etb_hw.cli.studies import run_sweep
    from etb_hw.errors import BadInput

    try:
        values = [float(ratio) for ratio in ratios.split(",")]
    except ValueError:
        raise BadInput(
            "--ratios", f"{ratios!r} is no list of numbers", "give for example 0.2,0.4,0.6"
        ) from None
    run_sweep(flow_file, out, values, seeds, jobs, output)
