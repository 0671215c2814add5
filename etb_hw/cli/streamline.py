"""``etb-hw streamline``: any QONNX file to the integer graph."""

from __future__ import annotations

from pathlib import Path

import click

from etb_hw.cli.options import force_option, input_options, model_argument


@click.command("streamline")
@model_argument
@click.option("--out", type=click.Path(path_type=Path), help="Default: streamlined.onnx beside the model.")
@input_options
@force_option
def command(model_file: Path, out: Path | None, force: bool, **mapping: str | None) -> None:
    """Fold the BatchNorms and scales of MODEL_FILE (QONNX) into exact integer thresholds."""
    from etb_hw.artifacts.run_files import STREAMLINED
    from etb_hw.cli.from_options import import_options
    from etb_hw.flow.outputs import output_file
    from etb_hw.qonnx_io import import_model, write_streamlined

    graph = import_model(model_file, import_options(mapping))
    out = out or STREAMLINED.path(model_file.parent)
    with output_file(out, "streamline", force=force) as path:
        write_streamlined(graph, path)
    click.echo(f"{out}: {len(graph.nodes)} nodes over integers")
