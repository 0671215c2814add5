"""``etb-hw synth``: counted resources instead of estimated ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from etb_hw.cli.options import force_option, tools_option
from etb_hw.cli.output import Output, output_options

if TYPE_CHECKING:
    from etb_hw.rtl.tools import Origin
    from etb_hw.rtl.yosys import Family


@click.command("synth")
@click.argument("dataflow_file", type=click.Path(path_type=Path))
@click.option(
    "--family", type=click.Choice(["xc7", "xcup", "ecp5", "ice40"]), default="xc7", show_default=True
)
@click.option("--whole", is_flag=True, help="Synthesise the design in one piece instead of block by block.")
@click.option(
    "--place", type=click.Choice(["25k", "45k", "85k"]), help="Place and route on an ECP5 of this size."
)
@tools_option
@click.option("--out", type=click.Path(path_type=Path), help="Also write the counts as JSON.")
@force_option
@output_options
def command(
    dataflow_file: Path,
    family: Family,
    whole: bool,
    place: str | None,
    tools: Origin,
    out: Path | None,
    force: bool,
    output: Output,
) -> None:
    """Synthesise DATAFLOW_FILE (the dataflow.onnx of run or build) with Yosys and count what it takes.

    Blocks are synthesised one by one and kept by content: the second time is fast. With --whole, the longest
    path between registers is told too (7 series; wires are reckoned all alike). With --place, nextpnr
    routes the whole design on an ECP5, behind six pins, and says how fast it runs; --out then is the folder
    of the configuration, which fits no board.
    """
    from etb_hw.cli.placing import run_placement
    from etb_hw.cli.synth_table import path_line, synth_rows, synth_table
    from etb_hw.dataflow.finn.onnx_reader import read as read_design
    from etb_hw.files import write_json
    from etb_hw.flow.outputs import output_file
    from etb_hw.rtl import synth
    from etb_hw.rtl.tools import find_yosys

    design = read_design(dataflow_file)
    if place is not None:
        return run_placement(design, place, out, tools, force, output)
    with output.progress("synthesising") as bar:
        report = synth(design, family, whole=whole, yosys=find_yosys(tools), progress=bar.update)
    output.say(synth_table(report, design), *([path_line(report.path)] if report.path is not None else []))
    output.document(synth_rows(report))
    if out is not None:
        with output_file(out, "synth", force=force) as path:
            write_json(path, synth_rows(report))
    return None
