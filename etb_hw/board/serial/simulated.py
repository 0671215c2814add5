"""The whole gateware in Verilator behind a serial line that the real host program talks to, bit by bit."""

from __future__ import annotations

from importlib.resources import files

from etb_hw.board.pipes import PipedModel
from etb_hw.board.serial.gateware import SYSTEM, gateware, system_text
from etb_hw.dataflow.graph import DataflowGraph
from etb_hw.rtl import cache, verilator
from etb_hw.rtl.tools import Origin
from etb_hw.rtl.verilator import SIM

CLOCKS = 8  # a bit: the fewest that the bridge takes, so that simulation is quick
TIMEOUT = 2000


class SimulatedLine(PipedModel):
    """A serial line as pyserial has it, to a board that is simulated; its time is counted in cycles."""

    def __init__(
        self,
        design: DataflowGraph,
        build: str,
        *,
        tools: Origin = "pinned",
        patience: int = 2_000_000,
        seed: int = 1,
        clocks: int = CLOCKS,
        host_clocks: int | None = None,
    ) -> None:
        """``clocks`` a bit on the board, and on the host where its clock is another."""
        timeout = TIMEOUT * clocks // CLOCKS
        sources = {**gateware(design), f"{SYSTEM}.sv": system_text(design, build, clocks, timeout)}
        sources[f"{SIM}.sv"] = (
            f"module {SIM} (input logic clk, input logic rst, input logic rx, output logic tx,\n"
            f"    output logic [1:0] led);\n  {SYSTEM} dut (.*);\nendmodule\n"
        )
        harness = (files("etb_hw.board.serial") / "uart_harness.cpp").read_text(encoding="utf-8")
        model = verilator.build(sources, (), harness=harness, cache_dir=cache.DEFAULT, tools=tools)
        super().__init__(model, host_clocks or clocks, seed)
        self.patience, self.clocks = patience, clocks

    def write(self, data: bytes) -> None:
        self.tell("W", len(data), data=data)

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; fewer when the board says nothing for ``patience`` cycles."""
        limit = (
            self.patience if size < 4096 else 40 * self.clocks
        )  # a drain ends as soon as the line is quiet
        self.tell("R", size, limit)
        return self.answer(self.number())

    def reset(self, cycles: int = 3) -> None:
        """Hold the board's reset."""
        self.tell("X", cycles)

    def idle(self, cycles: int) -> None:
        """Let time pass."""
        self.tell("I", cycles)
