"""Everything that a board needs to run a design: gateware, bitstream, host program, and the proof."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from etb_hw.board.boards import Board
from etb_hw.board.gateware import (
    BOARD_TOP,
    SECONDS_WITHOUT_A_BYTE,
    SYSTEM,
    build_id,
    clocks_a_bit,
    gateware,
    lpf_text,
    system_text,
    top_text,
)
from etb_hw.board.host import Accelerator
from etb_hw.board.readme import readme_text
from etb_hw.board.simulated import SimulatedLine
from etb_hw.dataflow.graph import DataflowGraph
from etb_hw.dataflow.stream import Stream
from etb_hw.errors import InfeasibleTarget
from etb_hw.files import write_bytes
from etb_hw.rtl.generator import axis_width
from etb_hw.rtl.place import Placement, place_sources
from etb_hw.rtl.tools import Origin
from etb_hw.verification import Proof, prove


@dataclass(frozen=True, eq=False)
class Package:
    """Files by their path in the package, how the design was routed (None: it was not), and the proof."""

    files: Mapping[str, bytes]
    placement: Placement | None
    proof: Proof | None

    def write(self, folder: Path) -> None:
        """Write all files below ``folder``."""
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, content)


def package(
    design: DataflowGraph,
    board: Board,
    *,
    clock_mhz: float = 50.0,
    place: bool = True,
    frames: int = 4,
    tools: Origin = "pinned",
    stage: Callable[[str], None] | None = None,
) -> Package:
    """The package of a design for a board.

    Args:
        clock_mhz: of the design; a multiple of the board's oscillator that a PLL can make.
        place: route it and make the bitstream, which takes minutes.
        frames: random ones that the host's program sends through the simulated gateware; 0 for no proof.
        stage: gets the name of each part of the work as it begins.

    Raises:
        BadInput: a clock that the PLL or the serial line cannot have.
        InfeasibleTarget: the design does not fit, or does not reach the clock.
        ProofFailed: the simulated board answers with other numbers.
        MissingTool: without Verilator, Yosys or nextpnr.
    """
    sources = gateware(design)
    build = build_id(sources)
    described = description(design, board, clock_mhz, build)
    bit = clocks_a_bit(board, clock_mhz)
    top = top_text(board, clock_mhz)
    timeout = round(SECONDS_WITHOUT_A_BYTE * clock_mhz * 1e6)
    sources |= {f"{SYSTEM}.sv": system_text(design, build, bit, timeout), f"{BOARD_TOP}.sv": top}
    if frames and stage is not None:
        stage("proving: host.py through the simulated board")
    proof = prove_board(design, described, frames, tools) if frames else None
    placed = _placed(sources, board, clock_mhz, tools, stage) if place else None
    texts = {f"gateware/{name}": text for name, text in sources.items()}
    texts["gateware/pins.lpf"] = lpf_text(board)
    texts["accelerator.json"] = json.dumps(described, indent=1) + "\n"
    texts["host.py"] = (files("etb_hw.board") / "host.py").read_text(encoding="utf-8")
    texts["README.md"] = readme_text(design, board, described, placed, proof, list(sources))
    contents = {name: text.encode("utf-8") for name, text in texts.items()}
    if placed is not None and placed.bitstream is not None:
        contents["design.bit"] = placed.bitstream
    return Package(contents, placed, proof)


def description(design: DataflowGraph, board: Board, clock_mhz: float, build: str) -> dict[str, Any]:
    """What the host's program has to know: ``accelerator.json``."""
    return {
        "build": build,
        "board": board.title,
        "baud": board.baud,
        "clock_mhz": clock_mhz,
        "cycles_a_frame": design.bottleneck.cycles,
        "input": _stream(design.input_stream),
        "output": _stream(design.output_stream),
    }


def prove_board(design: DataflowGraph, described: Mapping[str, Any], frames: int, tools: Origin) -> Proof:
    """The host's program gets from the simulated gateware what the blocks compute."""
    stream = design.input_stream
    levels = np.random.default_rng(0).integers(0, stream.dtype.levels, (frames, *stream.shape))
    x = stream.dtype.min + stream.dtype.step * levels
    with SimulatedLine(design, described["build"], tools=tools) as line:
        found = Accelerator(line, described).infer(x)
    expected = design.execute(x).reshape(found.shape)
    return prove("board, simulated", "dataflow blocks", found, expected)


def _stream(stream: Stream) -> dict[str, Any]:
    size = axis_width(stream) // 8
    return {
        "shape": list(stream.shape), "type": stream.dtype.name, "bits": stream.dtype.bits,
        "min": stream.dtype.min, "max": stream.dtype.max, "step": stream.dtype.step, "lanes": stream.lanes,
        "beat_bytes": size, "bytes": size * stream.beats,
    }  # fmt: skip


def _placed(
    sources: Mapping[str, str],
    board: Board,
    clock_mhz: float,
    tools: Origin,
    stage: Callable[[str], None] | None,
) -> Placement:
    placed = place_sources(
        sources, BOARD_TOP, board.device, package=board.package, constraints=lpf_text(board),
        target_mhz=clock_mhz, tools=tools, stage=stage,
    )  # fmt: skip
    if placed.fmax_mhz < clock_mhz:
        raise InfeasibleTarget(
            f"{board.title} at {clock_mhz:g} MHz",
            f"the design reaches {placed.fmax_mhz:.1f} MHz after routing",
            f"use --clock-mhz {max(1, int(placed.fmax_mhz))} or less, or fold the slowest block less",
        )
    return placed
