"""``etb-hw publish``: a finished network for others."""

from __future__ import annotations

from pathlib import Path

import click

from etb_hw.cli.options import force_option


@click.command("publish")
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write to.")
@force_option
def command(run_dir: Path, out: Path, force: bool) -> None:
    """Collect what is worth keeping of the finished run in RUN_DIR.

    That is the slim network, its training history, its flow file and a model card.
    """
    from etb_hw.flow.outputs import output_folder
    from etb_hw.flow.publish import publish

    with output_folder(out, "publish", force=force) as folder:
        names = publish(run_dir, folder, out.resolve().name)
    for name in names:
        click.echo(out / name)
