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
    folding = made.folding
    state = "proved optimal" if folding.optimal else f"no folding is below {folding.bound:,.0f}"
    terminal.print(f"folding: {folding.objective:,.0f} LUT equivalents, {state} (model: {folding.model})")
    streams = f"{made.streams.interval:,} cycles a frame, latency {made.streams.latency:,} cycles"
    terminal.print(f"streams: {streams} (simulated with the FIFOs' depths)\nfiles:   {out}")
