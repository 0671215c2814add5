"""``etb-hw publish``: a finished network for others."""

from __future__ import annotations

from pathlib import Path

import click

from etb_hw.cli.options import force_option
from etb_hw.cli.output import Output, output_options


@click.command("publish")
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write to.")
@force_option
@output_options
def command(run_dir: Path, out: Path, force: bool, output: Output) -> None:
    """Collect what is worth keeping of the finished run in RUN_DIR.

    That is the slim network, its training history, its flow file and a model card.
    """
    from etb_hw.flow.outputs import output_folder
    from etb_hw.flow.publish import publish

    with output_folder(out, "publish", force=force) as folder:
        names = publish(run_dir, folder, out.resolve().name)
    files = [str(out / name) for name in names]
    output.say(*files)
    output.document({"out": str(out), "files": files})
