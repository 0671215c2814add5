"""``etb-hw devices``: what boards and parts are known."""

from __future__ import annotations

import json
from dataclasses import asdict

import click


@click.command("devices")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
def command(as_json: bool) -> None:
    """List the parts and boards that are known, with their resources and the source of the figures."""
    from rich.table import Table

    from etb_hw.cli.console import console
    from etb_hw.dataflow import devices

    if as_json:
        click.echo(json.dumps([asdict(device) for device in devices()]))
        return
    table = Table("part", "boards", "LUT", "FF", "BRAM 18k", "URAM", "DSP", "source")
    for device in devices():
        has = device.resources
        counts = (f"{int(n):,}" for n in (has.lut, has.ff, has.bram_18k, has.uram, has.dsp))
        table.add_row(device.part, ", ".join(device.boards), *counts, device.source)
    console().print(table)
