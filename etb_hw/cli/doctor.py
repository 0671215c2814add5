"""``etb-hw doctor``: what is installed."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from etb_hw.cli.output import Output, output_options


@click.command("doctor")
@output_options
def command(output: Output) -> None:
    """Check the installation and the optional tools, and say how to get what is missing."""
    from rich.table import Table
    from rich.text import Text

    from etb_hw.doctor import examine, healthy

    colours = {"ok": "green", "missing": "yellow", "problem": "red"}
    table = Table("tool", "for", "version", "status", "how to get it")
    checks = examine()
    for check in checks:
        status = Text(check.status, colours[check.status])
        table.add_row(check.name, check.needed_for, check.version, status, check.remedy)
    output.say(table)
    output.document([asdict(check) for check in checks])
    sys.exit(int(not healthy(checks)))
