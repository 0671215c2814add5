"""What ``etb-hw synth --place`` shows and writes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from etb_hw.cli.console import console
from etb_hw.dataflow import DataflowGraph
from etb_hw.files import write_bytes, write_json
from etb_hw.flow.outputs import output_folder
from etb_hw.rtl.place import place_ecp5
from etb_hw.rtl.tools import Origin


def run_placement(design: DataflowGraph, device: str, out: Path | None, tools: Origin, force: bool) -> None:
    """Route the design, print utilisation and clock, write the bitstream where asked. Raises EtbError."""
    placed = place_ecp5(design, device, bitstream=out is not None, tools=tools)
    table = Table("cells", "used", "available", title=f"ECP5 {device}: {', '.join(placed.tools)}")
    for kind, (used, available) in placed.utilization.items():
        if used:
            table.add_row(kind, f"{used:,}", f"{available:,}")
    terminal = console()
    terminal.print(table)
    fps = placed.fmax_mhz * 1e6 / design.bottleneck.cycles
    terminal.print(f"{placed.fmax_mhz:.1f} MHz after routing: {fps:,.0f} frames/s", highlight=False)
    if out is not None and placed.bitstream is not None:
        values = asdict(placed)
        del values["bitstream"]
        with output_folder(out, "synth --place", force=force) as folder:
            write_bytes(folder / "design.bit", placed.bitstream)
            write_json(folder / "placement.json", values)
        terminal.print(f"files: {out}")
