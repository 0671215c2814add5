"""The whole gateware in Verilator behind a serial line that the real host program talks to, bit by bit."""

from __future__ import annotations

import subprocess
from importlib.resources import files
from types import TracebackType

from etb_hw.board.gateware import SYSTEM, gateware, system_text
from etb_hw.dataflow.graph import DataflowGraph
from etb_hw.rtl import cache, verilator
from etb_hw.rtl.tools import Origin
from etb_hw.rtl.verilator import SIM

CLOCKS = 8  # a bit: the fewest that the bridge takes, so that simulation is quick
TIMEOUT = 2000


class SimulatedLine:
    """A serial line as pyserial has it, to a board that is simulated; its time is counted in cycles."""

    def __init__(
        self,
        design: DataflowGraph,
        build: str,
        *,
        tools: Origin = "pinned",
        patience: int = 2_000_000,
        seed: int = 1,
    ) -> None:
        sources = {**gateware(design), f"{SYSTEM}.sv": system_text(design, build, CLOCKS, TIMEOUT)}
        sources[f"{SIM}.sv"] = (
            f"module {SIM} (input logic clk, input logic rst, input logic rx, output logic tx,\n"
            f"    output logic [1:0] led);\n  {SYSTEM} dut (.*);\nendmodule\n"
        )
        harness = (files("etb_hw.board") / "uart_harness.cpp").read_text(encoding="utf-8")
        self.model = verilator.build(sources, (), harness=harness, cache_dir=cache.DEFAULT, tools=tools)
        self.patience = patience
        self.process = subprocess.Popen(
            [str(self.model.program), str(CLOCKS), str(seed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=self.model.folder,
        )

    def write(self, data: bytes) -> None:
        self._send(b"W" + len(data).to_bytes(4, "little") + data)

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; fewer when the board says nothing for ``patience`` cycles."""
        limit = self.patience if size < 4096 else 40 * CLOCKS  # a drain ends as soon as the line is quiet
        self._send(b"R" + size.to_bytes(4, "little") + limit.to_bytes(4, "little"))
        assert self.process.stdout is not None
        count = int.from_bytes(self.process.stdout.read(4), "little")
        return self.process.stdout.read(count)

    def reset(self, cycles: int = 3) -> None:
        """Hold the board's reset."""
        self._send(b"X" + cycles.to_bytes(4, "little"))

    def idle(self, cycles: int) -> None:
        """Let time pass."""
        self._send(b"I" + cycles.to_bytes(4, "little"))

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> SimulatedLine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()
