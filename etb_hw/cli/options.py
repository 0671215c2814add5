"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

flow_argument = click.argument("flow_file", type=click.Path(path_type=Path))
model_argument = click.argument("model_file", type=click.Path(path_type=Path))
out_option = click.option(
    "--out", type=click.Path(path_type=Path), help="Run folder (default: runs/<name of the flow file>)."
)
