"""``etb-hw compare``: what pruning buys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from etb_hw.cli.options import build_options, force_option, input_options
from etb_hw.cli.output import Output, output_options


@click.command("compare")
@click.argument("model_files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="A B...")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for comparison.json and .svg.")
@build_options
@input_options
@force_option
@output_options
def command(
    model_files: tuple[Path, ...], out: Path | None, force: bool, output: Output, **options: Any
) -> None:
    """Fold the models A, B, ... (QONNX) for the same frame rate, for the same device, or both.

    With --target-fps: what each costs. With --device: how fast each gets. Ratios are to the first.
    """
    from etb_hw.cli.comparing import run_compare

    run_compare(model_files, out, options, force, output)
