"""``etb-hw build``: any QONNX file to dataflow blocks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from etb_hw.cli.options import build_options, force_option, input_options, model_argument
from etb_hw.cli.output import Output, output_options


@click.command("build")
@model_argument
@click.option("--out", type=click.Path(path_type=Path), help="Default: a folder build beside the model.")
@build_options
@input_options
@force_option
@output_options
def command(model_file: Path, out: Path | None, force: bool, output: Output, **options: Any) -> None:
    """Map MODEL_FILE (QONNX) to dataflow blocks, fold them, and write FINN's files and estimates.

    With --target-fps: least resources at that frame rate. With --device alone: the highest frame rate that
    fits. With both: least resources at that rate within the device.
    """
    from etb_hw.cli.build_notes import build_document, build_notes
    from etb_hw.cli.from_options import build_config, import_options
    from etb_hw.flow.building import build_model
    from etb_hw.flow.outputs import output_folder
    from etb_hw.report.design_table import design_table

    config = build_config(options)
    out = out or model_file.with_name("build")
    with (
        output.progress("mapping, folding and proving") as _,
        output_folder(out, "build", force=force) as folder,
    ):
        made, notes = build_model(model_file, folder, config, import_options(options))
    output.say(design_table(made.graph, made.target.device, made.target.model))
    output.say(*notes, *build_notes(made), f"files:   {out}")
    output.document({"out": str(out), "notes": notes, **build_document(made)})
