"""``etb-hw package``: a design, ready for a board."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from etb_hw.cli.between import Between
from etb_hw.cli.complete import Known, boards
from etb_hw.cli.options import force_option, tools_option
from etb_hw.cli.output import Output, output_options

if TYPE_CHECKING:
    from etb_hw.rtl.tools import Origin


@click.command("package")
@click.argument("dataflow_file", type=click.Path(path_type=Path))
@click.option(
    "--board",
    required=True,
    metavar="BOARD",
    type=Known("board", boards, files=True),
    help="A known board (pynq-z2, ulx3s-85f, ...), or a .toml file of yours.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Default: a folder BOARD beside the file.")
@click.option("--clock-mhz", type=Between(1, 500), help="Of the design; default: what suits the board.")
@click.option(
    "--place/--no-place", default=True, help="Where open tools can: route it, make the bitstream; minutes."
)
@click.option(
    "--frames", type=click.IntRange(0, 1000), default=4, show_default=True, help="Frames of the proof."
)
@tools_option
@force_option
@output_options
def command(
    dataflow_file: Path,
    board: str,
    out: Path | None,
    clock_mhz: float | None,
    place: bool,
    frames: int,
    tools: Origin,
    force: bool,
    output: Output,
) -> None:
    """Make DATAFLOW_FILE (the dataflow.onnx of run or build) ready for a board.

    Boards with a serial line get the gateware, a bitstream by open tools, and the host's program; Zynq boards
    an IP, scripts for Vivado, and drivers for PYNQ and for C. All is simulated, with the host's own program
    at its other end, before anything is written.
    """
    from etb_hw.board import find_board
    from etb_hw.board import package as make
    from etb_hw.dataflow.finn.onnx_reader import read as read_design
    from etb_hw.flow.outputs import output_folder

    target, design = find_board(board), read_design(dataflow_file)
    out = out or dataflow_file.with_name(Path(board).stem)
    with output_folder(out, "package", force=force) as folder:  # a place that cannot be written is told first
        with output.progress("making the gateware") as bar:
            made = make(
                design, target, clock_mhz=clock_mhz, place=place, trial=frames, tools=tools, stage=bar.stage
            )
        made.write(folder)
    if made.proof is not None:
        output.say(
            f"{made.proof.samples} frames from the host's program through the simulated board: all equal"
        )
    if made.placement is not None:
        output.say(
            f"routed: {made.placement.fmax_mhz:.1f} MHz, {clock_mhz or target.default_mhz:g} MHz needed"
        )
    output.say(f"{out}: README.md says how to go on")
    output.document(
        {
            "out": str(out),
            "files": sorted(made.files),
            "fmax_mhz": None if made.placement is None else made.placement.fmax_mhz,
            "proof": None if made.proof is None else asdict(made.proof),
        }
    )
