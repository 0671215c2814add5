"""``etb-hw rtl``: the design as SystemVerilog."""

from __future__ import annotations

from pathlib import Path

import click

from etb_hw.cli.options import force_option
from etb_hw.cli.output import Output, output_options


@click.command("rtl")
@click.argument("dataflow_file", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Default: a folder rtl beside the file.")
@force_option
@output_options
def command(dataflow_file: Path, out: Path | None, force: bool, output: Output) -> None:
    """Write DATAFLOW_FILE (the dataflow.onnx of run or build) as a self-contained SystemVerilog design."""
    from etb_hw.dataflow.finn.onnx_reader import read as read_design
    from etb_hw.flow.outputs import output_folder
    from etb_hw.rtl import generate, write

    files = generate(read_design(dataflow_file))
    out = out or dataflow_file.with_name("rtl")
    with output_folder(out, "rtl", force=force) as folder:
        write(files, folder)
    output.say(f"{out}: {len(files)} files; its README.md explains ports and timing")
    output.document({"out": str(out), "files": sorted(files)})
