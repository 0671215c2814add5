"""``etb-hw weights``: another network for the hardware of a package."""

from __future__ import annotations

from pathlib import Path

import click

from etb_hw.cli.options import force_option
from etb_hw.cli.output import Output, output_options


@click.command("weights")
@click.argument("dataflow_file", type=click.Path(path_type=Path))
@click.option(
    "--for",
    "package",
    required=True,
    metavar="PACKAGE",
    type=click.Path(path_type=Path),
    help="A folder that etb-hw package made of a design with writable weights.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Default: weights.bin beside the design.")
@force_option
@output_options
def command(dataflow_file: Path, package: Path, out: Path | None, force: bool, output: Output) -> None:
    """Make the file that loads DATAFLOW_FILE's network into the hardware of a package.

    The network must have the package's shape and types, and be built with --weights writable as well; it may
    be folded otherwise. The host's program writes the file: accelerator.load("weights.bin").
    """
    from etb_hw.board.weights import weights_for
    from etb_hw.dataflow.finn.onnx_reader import read as read_design
    from etb_hw.files import write_bytes
    from etb_hw.flow.outputs import output_file

    content = weights_for(package, read_design(dataflow_file))
    out = out or dataflow_file.with_name("weights.bin")
    with output_file(out, "weights", force=force) as path:
        write_bytes(path, content)
    output.say(f'{out}: {len(content):,} bytes; on the host, accelerator.load("{out.name}")')
    output.document({"out": str(out), "bytes": len(content)})
