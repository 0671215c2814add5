"""``etb-hw devices``: what boards and parts are known."""

from __future__ import annotations

from dataclasses import asdict

import click

from etb_hw.cli.output import Output, output_options


@click.command("devices")
@output_options
def command(output: Output) -> None:
    """List the parts and boards that are known, with their resources and the source of the figures."""
    from rich.table import Table

    from etb_hw.dataflow import devices

    table = Table("part", "boards", "LUT", "FF", "BRAM 18k", "URAM", "DSP", "source")
    for device in devices():
        has = device.resources
        counts = (f"{int(n):,}" for n in (has.lut, has.ff, has.bram_18k, has.uram, has.dsp))
        table.add_row(device.part, ", ".join(device.boards), *counts, device.source)
    output.say(table)
    output.document([asdict(device) for device in devices()])
