"""Cycle-accurate simulation of a whole design, and where it first differs from the blocks' behaviour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.graph import DataflowGraph, Port
from etb_hw.dataflow.load_image import is_writable
from etb_hw.dataflow.stream import Stream
from etb_hw.errors import BadInput
from etb_hw.rtl import cache, verilator
from etb_hw.rtl.beats import from_beats, lane_values, to_beats, words_of
from etb_hw.rtl.generator import TOP, Wire, axis_width, generate, source_wires
from etb_hw.rtl.instance import CHAIN_BITS
from etb_hw.rtl.tools import Origin
from etb_hw.rtl.verilator import SIM, Drive, SimPort, SimulationError


@dataclass(frozen=True)
class Difference:
    """The first value of the first block (in order) that is not what the block's behaviour says."""

    block: str
    layer: str
    frame: int
    beat: int
    lane: int
    got: int
    expected: int

    def __str__(self) -> str:
        return (
            f"{self.block} ({self.layer}): frame {self.frame}, beat {self.beat}, lane {self.lane}: "
            f"RTL {self.got}, expected {self.expected}"
        )


@dataclass(frozen=True, eq=False)
class RtlRun:
    """What a simulation gave.

    Attributes:
        outputs: frames (N, H, W, C) or (N, C).
        cycles: clock cycles from reset to the last beat out.
        ii: measured initiation interval in cycles: the distance between the last two frames' ends; None for
            fewer than three frames, since the first ones meet an empty pipeline.
        latency: cycles from the first frame's first beat in to its last beat out, both counted.
        version: the simulator.
        traces: by block name, each output port's frames, where tracing was asked for.
    """

    outputs: NDArray[np.int64]
    cycles: int
    ii: int | None
    latency: int
    version: str
    frame_ends: tuple[int, ...] = ()
    traces: Mapping[str, tuple[NDArray[np.int64], ...]] = field(default_factory=dict)


def simulate(
    design: DataflowGraph,
    frames: NDArray[np.int64],
    *,
    stalls: float = 0.0,
    seed: int = 1,
    reset_at: int | None = None,
    trace: bool = False,
    cache_dir: Path = cache.DEFAULT,
    optimize: int = 1,
    timeout: float | None = None,
    tools: Origin = "pinned",
    sources: Mapping[str, str] | None = None,
) -> RtlRun:
    """Stream frames (N, H, W, C) or (N, C) through the RTL.

    Args:
        stalls: probability that the source, and independently the sink, holds back in a cycle.
        reset_at: cycle of a reset in mid-stream, after which all frames are sent again.
        trace: keep what every block sends.
        optimize: level for the C++ compiler; 1 builds fast, 2 or 3 run faster.
        sources: texts by file name in place of what ``generate`` makes of the design: a netlist of it, or one
            with a fault put in on purpose.

    Raises:
        MissingTool: without Verilator or a C++ compiler.
        SimulationError: if the pipeline gets stuck; the reason names the last block that sent anything.
    """
    stream_in, stream_out = design.input_stream, design.output_stream
    if frames.shape[1:] != stream_in.shape:
        raise BadInput(
            "frames", f"have shape {frames.shape[1:]}, the design takes {stream_in.shape}", "reshape"
        )
    wires = source_wires(design) if trace else ()
    model = verilator.build(
        {**(sources or generate(design)), f"{SIM}.sv": _wrapper(design, wires)},
        _ports(design, wires),
        cache_dir=cache_dir,
        optimize=optimize,
        tools=tools,
    )
    # nothing may stand still for longer than a pass through the whole pipeline
    idle = 2000 + 4 * sum(block.cycles for block in design.blocks)
    result = verilator.run(
        model,
        {
            "s": Drive(_axis(to_beats(frames, stream_in), stream_in), frame=stream_in.beats, stall=stalls),
            "m": Drive(count=len(frames) * stream_out.beats, frame=stream_out.beats, stall=stalls),
        },
        seed=seed,
        reset_at=reset_at,
        silent=True,
        idle_limit=idle,
        timeout=timeout,
    )
    if result.failure:
        raise SimulationError(
            "RTL simulation",
            f"{result.failure} ({'; '.join(result.progress)})",
            "simulate with trace=True, or look at FIFO depths of branches",
        )
    starts, ends = result.times["s"], result.times["m"]
    return RtlRun(
        outputs=from_beats(_strip(result.beats["m"], stream_out), stream_out),
        cycles=ends[-1] + 1 if ends else result.cycles,
        ii=ends[-1] - ends[-2] if len(ends) > 2 else None,
        latency=ends[0] - starts[0] + 1 if ends else 0,
        version=model.version,
        frame_ends=ends,
        traces=_traces(design, wires, result.beats, len(frames)),
    )


def first_difference(
    design: DataflowGraph,
    frames: NDArray[np.int64],
    traces: Mapping[str, tuple[NDArray[np.int64], ...]],
) -> Difference | None:
    """Compare traced streams with ``Block.execute``, block by block; None where all are equal.

    Each block is fed with what its neighbours sent in RTL, so that the block that errs is named and not the
    ones behind it.
    """
    sent: dict[Port, NDArray[np.int64]] = {}
    for block in design.blocks:
        ports = [Port(block.name, i) for i in range(len(block.inputs))]
        args = [frames if p == design.input_port else sent[design.driver[p].source] for p in ports]
        args = [a.reshape(-1, *s.shape) for a, s in zip(args, block.inputs, strict=True)]
        for i, (expected, stream) in enumerate(zip(block.execute(*args), block.outputs, strict=True)):
            got = traces[block.name][i]
            sent[Port(block.name, i)] = got
            where = np.flatnonzero(got.reshape(-1) != expected.reshape(-1)[: got.size])
            if where.size:
                at = int(where[0])
                beat, lane = divmod(at, stream.lanes)
                frame, beat = divmod(beat, stream.beats)
                values = int(got.reshape(-1)[at]), int(expected.reshape(-1)[at])
                return Difference(block.name, block.layer, frame, beat, lane, *values)
    return None


def _traces(
    design: DataflowGraph, wires: Sequence[Wire], beats: Mapping[str, NDArray[np.uint32]], frames: int
) -> dict[str, tuple[NDArray[np.int64], ...]]:
    found: dict[str, list[NDArray[np.int64]]] = {}
    for i, wire in enumerate(wires):
        assert wire.source is not None
        values = lane_values(beats[f"t{i}"][: frames * wire.stream.beats], wire.stream)
        found.setdefault(wire.source.block, []).append(values.reshape(-1, *wire.stream.shape))
    return {name: tuple(values) for name, values in found.items()}


def _ports(design: DataflowGraph, wires: Sequence[Wire]) -> tuple[SimPort, ...]:
    return (
        SimPort("s", axis_width(design.input_stream), "in"),
        SimPort("m", axis_width(design.output_stream), "out"),
        *(SimPort(f"t{i}", wire.stream.width, "tap") for i, wire in enumerate(wires)),
    )


def _wrapper(design: DataflowGraph, wires: Sequence[Wire]) -> str:
    """``etb_sim``: the top module as the harness drives it; taps look into it by hierarchical names."""
    width_in, width_out = axis_width(design.input_stream), axis_width(design.output_stream)
    ports = [
        "input logic clk",
        "input logic rst",
        f"input logic [{width_in - 1}:0] s_data",
        "input logic s_valid",
        "output logic s_ready",
        f"output logic [{width_out - 1}:0] m_data",
        "output logic m_valid",
        "input logic m_ready",
    ]
    body = ""
    for i, wire in enumerate(wires):
        ports += [f"output logic [{wire.stream.width - 1}:0] t{i}_data", f"output logic t{i}_valid"]
        body += f"  assign t{i}_data = dut.{wire.name}_data;\n"
        body += f"  assign t{i}_valid = dut.{wire.name}_valid & dut.{wire.name}_ready;\n"
    connections = "aclk(clk)|aresetn(~rst)|s_axis_tdata(s_data)|s_axis_tvalid(s_valid)|s_axis_tready(s_ready)"
    connections += "|m_axis_tdata(m_data)|m_axis_tvalid(m_valid)|m_axis_tready(m_ready)"
    if is_writable(design):  # the end of the chain is its beginning: nothing is ever written
        connections += "|load_in(chain)|load_out(chain)"
        body += f"  logic [{CHAIN_BITS - 1}:0] chain;\n"
    wired = ", ".join(f".{item}" for item in connections.split("|"))
    head = ",\n  ".join(ports)
    return f"module {SIM} (\n  {head}\n);\n{body}  {TOP} dut ({wired});\nendmodule\n"


def _axis(beats: NDArray[np.uint32], stream: Stream) -> NDArray[np.uint32]:
    words = words_of(axis_width(stream))
    return np.pad(beats, ((0, 0), (0, words - beats.shape[1])))


def _strip(beats: NDArray[np.uint32], stream: Stream) -> NDArray[np.uint32]:
    return np.asarray(beats[:, : words_of(stream.width)], dtype=np.uint32)
