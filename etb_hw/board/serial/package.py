"""The package for a board with a serial line: gateware, bitstream, host, test bench, and the proof."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from etb_hw.board.boards import SerialBoard
from etb_hw.board.contents import Package, Trial
from etb_hw.board.describe import build_id, stream_description
from etb_hw.board.host.frames import to_bytes
from etb_hw.board.host.serial_line import INFER, Accelerator, packet
from etb_hw.board.reload import prove_loading
from etb_hw.board.serial.gateware import (
    BOARD_TOP,
    SECONDS_WITHOUT_A_BYTE,
    SYSTEM,
    clocks_a_bit,
    gateware,
    system_text,
    top_text,
)
from etb_hw.board.serial.readme import loads_in_simulation, readme_text
from etb_hw.board.serial.simulated import SimulatedLine
from etb_hw.board.serial.toolchain import CLOCK
from etb_hw.board.serial.toolchains import TOOLCHAINS
from etb_hw.board.shared_files import host_files, test_bench_files, words_text
from etb_hw.board.weights import weights_description, writable_files
from etb_hw.dataflow.graph import DataflowGraph
from etb_hw.errors import InfeasibleTarget
from etb_hw.rtl.generator import axis_width
from etb_hw.rtl.nextpnr import Placement
from etb_hw.rtl.tools import Origin
from etb_hw.verification import Proof, prove


def package(
    design: DataflowGraph,
    board: SerialBoard,
    clock_mhz: float,
    trial: Trial,
    *,
    prove: bool,
    place: bool,
    tools: Origin,
    stage: Callable[[str], None],
) -> Package:
    """The package; see ``etb_hw.board.package``. ``clock_mhz`` is one that the board's PLL can make."""
    chain = TOOLCHAINS[board.kind]
    sources = gateware(design)
    build = build_id(sources)
    described = description(design, board, clock_mhz, build)
    bit = clocks_a_bit(board, clock_mhz)
    timeout = round(SECONDS_WITHOUT_A_BYTE * clock_mhz * 1e6)
    sources |= {
        f"{SYSTEM}.sv": system_text(design, build, bit, timeout),
        f"{CLOCK}.sv": chain.clock_text(board, clock_mhz),
        f"{BOARD_TOP}.sv": top_text(board, clock_mhz),
    }
    proof = None
    if prove:
        stage("proving: the host's program through the simulated board")
        proof = prove_board(design, described, trial, tools)
    placed = _placed(sources, board, clock_mhz, tools, stage) if place else None
    texts = {f"gateware/{name}": text for name, text in sources.items()}
    texts |= {
        f"gateware/{chain.pins_file}": chain.pins_text(board),
        "accelerator.json": json.dumps(described, indent=1) + "\n",
        "README.md": readme_text(design, board, described, placed, proof, trial, list(sources)),
        **host_files("serial_line"),
        **_test_bench(design, described, trial, bit),
    }
    contents = {name: text.encode("utf-8") for name, text in texts.items()} | writable_files(design, build)
    if placed is not None and placed.bitstream is not None:
        contents[chain.bitfile] = placed.bitstream
    return Package(contents, placed, proof)


def description(design: DataflowGraph, board: SerialBoard, clock_mhz: float, build: str) -> dict[str, Any]:
    """What the host's program has to know: ``accelerator.json``."""
    return {
        "build": build,
        "board": board.title,
        "baud": board.baud,
        "clock_mhz": clock_mhz,
        "cycles_a_frame": design.bottleneck.cycles,
        "input": stream_description(design.input_stream, axis_width(design.input_stream) // 8),
        "output": stream_description(design.output_stream, axis_width(design.output_stream) // 8),
        **weights_description(design),
    }


def prove_board(design: DataflowGraph, described: Mapping[str, Any], trial: Trial, tools: Origin) -> Proof:
    """The host's program gets from the simulated gateware what it must.

    Writable weights are replaced and restored before that, where that takes no more than minutes.
    """
    with SimulatedLine(design, described["build"], tools=tools) as line:
        accelerator = Accelerator(line, described)
        if loads_in_simulation(described):
            # a serial line is slow
            few = replace(trial, images=trial.images[:2], expected=trial.expected[:2])
            infer = partial(accelerator.infer, few.images)
            prove_loading(accelerator, infer, design, described["build"], few)
        found = accelerator.infer(trial.images)
    return prove("board, simulated", trial.against, found, trial.expected.reshape(found.shape))


def _test_bench(
    design: DataflowGraph, described: Mapping[str, Any], trial: Trial, clocks: int
) -> dict[str, str]:
    """Golden packets, and the bench that sends them."""
    count = min(2, len(trial.images))  # a serial line is slow
    payloads = to_bytes(trial.images[:count], described["input"])
    replies = to_bytes(trial.expected[:count], described["output"])
    request = b"".join(packet(0xA5, INFER, i, data.tobytes()) for i, data in enumerate(payloads))
    reply = b"".join(packet(0x5A, INFER, i, data.tobytes()) for i, data in enumerate(replies))
    parameters = {
        "FRAMES": count, "CLOCKS": clocks, "REQUEST": len(request) // count, "REPLY": len(reply) // count,
    }  # fmt: skip
    return {
        **test_bench_files("serial", parameters, "gateware"),
        "test/request.mem": words_text(request, 1),
        "test/reply.mem": words_text(reply, 1),
    }


def _placed(
    sources: Mapping[str, str],
    board: SerialBoard,
    clock_mhz: float,
    tools: Origin,
    stage: Callable[[str], None],
) -> Placement:
    placed = TOOLCHAINS[board.kind].place(sources, BOARD_TOP, board, clock_mhz, tools, stage)
    if placed.fmax_mhz < clock_mhz:
        raise InfeasibleTarget(
            f"{board.title} at {clock_mhz:g} MHz",
            f"the design reaches {placed.fmax_mhz:.1f} MHz after routing",
            f"use --clock-mhz {max(1, int(placed.fmax_mhz))} or less, or fold the slowest block less",
        )
    return placed
