"""``etb-hw baselines``: is ETB worth it?"""

from __future__ import annotations

from pathlib import Path

import click

from etb_hw.cli.options import flow_argument, out_option
from etb_hw.cli.output import Output, output_options


@click.command("baselines")
@flow_argument
@out_option
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="Runs of each method.")
@output_options
def command(flow_file: Path, out: Path | None, seeds: int, output: Output) -> None:
    """Train FLOW_FILE's network by every method with the same recipe, budget and seeds.

    ETB against the dense network, a small dense network of equal size, L1-ranked and random pruning: writes
    baselines.json and baselines.md. A comparison that was stopped goes on.
    """
    from etb_hw.cli.studies import run_baselines

    run_baselines(flow_file, out, seeds, output)
