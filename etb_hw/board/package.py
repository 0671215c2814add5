"""Everything that a board needs to run a design: gateware, host program, test bench, and the proof."""

from __future__ import annotations

from collections.abc import Callable

from etb_hw.board.boards import Board
from etb_hw.board.contents import Package, Trial, random_trial
from etb_hw.board.serial import package as serial
from etb_hw.board.zynq import package as zynq
from etb_hw.dataflow.graph import DataflowGraph
from etb_hw.rtl.tools import Origin


def package(
    design: DataflowGraph,
    board: Board,
    *,
    clock_mhz: float | None = None,
    place: bool = True,
    trial: Trial | int = 4,
    tools: Origin = "pinned",
    stage: Callable[[str], None] | None = None,
) -> Package:
    """The package of a design for a board.

    Args:
        clock_mhz: of the design; by default what suits the board.
        place: where open tools can, route it and make the bitstream, which takes minutes.
        trial: frames that the host's program sends through the simulated gateware, or how many random ones;
            0 for no proof.
        stage: gets the name of each part of the work as it begins.

    Raises:
        BadInput: a clock that the board cannot have.
        InfeasibleTarget: the design does not fit, or does not reach the clock.
        ProofFailed: the simulated board answers with other numbers.
        MissingTool: without Verilator, Yosys or nextpnr, where they are needed.
    """
    prove, say = trial != 0, stage or (lambda _: None)
    if isinstance(trial, int):
        trial = random_trial(design, trial or 2)
    mhz = clock_mhz or board.default_mhz
    if board.kind == "zynq":
        return zynq.package(design, board, mhz, trial, prove=prove, tools=tools, stage=say)
    return serial.package(design, board, mhz, trial, prove=prove, place=place, tools=tools, stage=say)
