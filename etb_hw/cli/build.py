"""``etb-hw build``: any QONNX file to dataflow blocks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from etb_hw.cli.options import build_options, input_options, model_argument


@click.command("build")
@model_argument
@click.option("--out", type=click.Path(path_type=Path), help="Default: a folder build beside the model.")
@build_options
@input_options
def command(model_file: Path, out: Path | None, **options: Any) -> None:
    """Map MODEL_FILE (QONNX) to dataflow blocks, fold them, and write FINN's files and estimates.

    With --target-fps: least resources at that frame rate. With --device alone: the highest frame rate that
    fits. With both: least resources at that rate within the device.
    """
    from etb_hw.cli.console import console
    from etb_hw.cli.models import build_config, import_options
    from etb_hw.dataflow import find_device, table
    from etb_hw.flow.building import build

    config = build_config(options)
    out = out or model_file.with_name("build")
    made = build(model_file, out, config, import_options(options))
    terminal = console()
    terminal.print(table(made.graph, None if config.device is None else find_device(config.device)))
    state = (
        "proved optimal" if made.optimal else f"at most {made.objective / max(made.bound, 1):.3g} x the best"
    )
    terminal.print(f"folding: {made.objective:,.0f} LUT equivalents, {state}; files are in {out}")
