"""What differs between the families that open tools place: clock, constraints, placing, commands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from etb_hw.board.boards import SerialBoard
from etb_hw.rtl.nextpnr import Placement
from etb_hw.rtl.tools import Origin

CLOCK = "etb_clock"


@dataclass(frozen=True)
class Toolchain:
    """One family.

    Attributes:
        clock_text: board and MHz to module ``etb_clock``, which makes ``clk`` of ``clock`` and says when it
            is ``locked``. Raises BadInput for a clock that its PLL cannot make.
        pins_file, pins_text: the constraints file and its content.
        place: sources by name, top, board, MHz, tools and who hears of the parts of the work, to a routed
            design with its bitstream. Raises InfeasibleTarget.
        bitfile: what the bitstream is called.
        commands: sources, top, board and MHz to the shell commands that build it again.
    """

    clock_text: Callable[[SerialBoard, float], str]
    pins_file: str
    pins_text: Callable[[SerialBoard], str]
    place: Callable[[Mapping[str, str], str, SerialBoard, float, Origin, Callable[[str], None]], Placement]
    bitfile: str
    commands: Callable[[str, str, SerialBoard, float], str]
