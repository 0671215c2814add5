"""What ``etb-hw synth --place`` shows and writes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from etb_hw.cli.output import Output
from etb_hw.dataflow import DataflowGraph
from etb_hw.files import write_bytes, write_json
from etb_hw.flow.outputs import output_folder
from etb_hw.rtl.place_ecp5 import place_ecp5
from etb_hw.rtl.tools import Origin


def run_placement(
    design: DataflowGraph, device: str, out: Path | None, tools: Origin, force: bool, output: Output
) -> None:
    """Route the design, print utilisation and clock, write the bitstream where asked. Raises EtbError."""
    with output.progress("synthesising") as bar:
        placed = place_ecp5(design, device, bitstream=out is not None, tools=tools, stage=bar.stage)
    table = Table("cells", "used", "available", title=f"ECP5 {device}: {', '.join(placed.tools)}")
    for kind, (used, available) in placed.utilization.items():
        if used:
            table.add_row(kind, f"{used:,}", f"{available:,}")
    fps = placed.fmax_mhz * 1e6 / design.bottleneck.cycles
    output.say(table, f"{placed.fmax_mhz:.1f} MHz after routing: {fps:,.0f} frames/s")
    values = asdict(placed)
    del values["bitstream"]
    if out is not None and placed.bitstream is not None:
        with output_folder(out, "synth --place", force=force) as folder:
            write_bytes(folder / "design.bit", placed.bitstream)
            write_json(folder / "placement.json", values)
        output.say(f"files: {out}")
    output.document({**values, "frames_per_second": fps, "out": None if out is None else str(out)})
