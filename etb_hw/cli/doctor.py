"""``etb-hw doctor``: what is installed."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
def command(as_json: bool) -> None:
    """Check the installation and the optional tools, and say how to get what is missing."""
    from rich.table import Table
    from rich.text import Text

    from etb_hw.cli.console import console
    from etb_hw.doctor import examine, healthy

    colours = {"ok": "green", "missing": "yellow", "problem": "red"}
    table = Table("tool", "for", "version", "status", "how to get it")
    checks = examine()
    if as_json:
        click.echo(json.dumps([asdict(check) for check in checks]))
        sys.exit(int(not healthy(checks)))
    for check in checks:
        status = Text(check.status, colours[check.status])
        table.add_row(check.name, check.needed_for, check.version, status, check.remedy)
    console().print(table)
    sys.exit(int(not healthy(checks)))
