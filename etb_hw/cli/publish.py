"""``etb-hw publish``: a finished network for others."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("publish")
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write to.")
def command(run_dir: Path, out: Path) -> None:
    """Collect what is worth keeping of the finished run in RUN_DIR.

    That is the slim network, its training history, its flow file and a model card.
    """
    from etb_hw.flow.publish import publish

    for path in publish(run_dir, out):
        click.echo(path)
