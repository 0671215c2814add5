"""One design, its FIFO depths, and what its streams do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.graph import DataflowGraph, Edge, Port
from etb_hw.dataflow.machine import Machine
from etb_hw.dataflow.simulation.kernel import run
from etb_hw.errors import EtbError


class Deadlock(EtbError):
    """Streams that wait for each other for ever."""

    exit_code = 1


@dataclass(frozen=True)
class Activity:
    """What a block did, in cycles, from the first beat in to the last beat out."""

    busy: int
    starved: int
    blocked: int


@dataclass(frozen=True, eq=False)
class StreamReport:
    """Result of a simulation.

    Attributes:
        interval: cycles between the last two frames, the initiation interval.
        latency: cycles from the first beat of the first frame in to its last beat out, both counted.
        ends: cycle in which each frame was complete.
        activity: by block name.
        occupancy: the most beats that each edge's FIFO held.
        steady: whether the last two intervals were equal.
    """

    interval: int
    latency: int
    ends: tuple[int, ...]
    activity: Mapping[str, Activity]
    occupancy: Mapping[Edge, int]
    steady: bool


def simulate_streams(
    graph: DataflowGraph,
    *,
    frames: int = 4,
    depths: Mapping[Edge, int] | None = None,
    interval: int = 0,
    goal: int = 0,
    max_cycles: int | None = None,
) -> StreamReport:
    """Run ``frames`` frames through the pipeline.

    Args:
        depths: FIFO depths by edge, instead of the edges' own; below 2 counts as 2.
        interval: cycles over which the source spreads each frame; 0 sends as fast as it can.
        goal: give up as soon as a frame after the second takes longer than so many cycles (0: never).
        max_cycles: give up after so many; by default a generous multiple of what the blocks need.

    Raises:
        Deadlock: when nothing moves any more, naming the blocks that wait to send.
    """
    network = _Network(graph)
    given = {edge: max(2, (depths or {}).get(edge, edge.depth)) for edge in graph.edges}
    slowest = max(graph.bottleneck.cycles, interval)
    if max_cycles is None:
        max_cycles = 10_000 + 4 * (frames + 2) * slowest + 2 * sum(block.cycles for block in graph.blocks)
    tables = network.tables(given)
    start, ends, busy, starved, blocked, most, stuck = run(
        *tables, network.source, network.sink, graph.input_stream.beats, graph.output_stream.beats,
        interval, frames, goal, max_cycles,
    )  # fmt: skip
    activity = {}
    for name, members in network.members.items():
        last = members[-1]
        activity[name] = Activity(int(busy[last]), int(starved[last]), int(blocked[last]))
    if stuck >= 0 or ends[-1] < 0:
        waiting = [name for name, of in activity.items() if of.blocked > of.busy] or list(activity)[-1:]
        raise Deadlock(
            "streams",
            f"nothing moves from cycle {stuck} on; {', '.join(waiting[:3])} cannot send"
            if stuck >= 0
            else f"{frames} frames are not done in {max_cycles:,} cycles",
            "deepen the FIFOs of the branches; size_fifos finds the depths",
        )
    gaps = np.diff(ends)
    return StreamReport(
        int(gaps[-1]) if len(gaps) else int(ends[0]),
        int(ends[0] - start),  # the sink's own FIFO took the cycle that both counted would add
        tuple(int(end) for end in ends),
        activity,
        {edge: int(most[i]) for edge, i in network.fifos.items()},
        len(gaps) > 1 and bool(gaps[-1] == gaps[-2]),
    )


class _Network:
    """Machines and FIFOs of a design as the kernel's tables."""

    def __init__(self, graph: DataflowGraph) -> None:
        self.machines: list[Machine] = []
        self.members: dict[str, list[int]] = {}
        for block in graph.blocks:
            parts = block.machines()
            self.members[block.name] = list(range(len(self.machines), len(self.machines) + len(parts)))
            self.machines += parts
        self.fifos = {edge: i for i, edge in enumerate(graph.edges)}
        self.source, self.sink = len(self.fifos), len(self.fifos) + 1
        self.extra = self.sink + 1
        width = max([1, *(len(block.outputs) for block in graph.blocks)])
        self.reads = np.full((len(self.machines), 2), -1, dtype=np.int64)
        self.sends = np.full((len(self.machines), width), -1, dtype=np.int64)
        readers = {edge.source: i for edge, i in self.fifos.items()}
        for block in graph.blocks:
            first, last = self.members[block.name][0], self.members[block.name][-1]
            for i in range(len(block.inputs)):
                edge = graph.driver.get(Port(block.name, i))
                self.reads[first, i] = self.source if edge is None else self.fifos[edge]
            for i in range(len(block.outputs)):
                self.sends[last, i] = readers.get(Port(block.name, i), self.sink)
            for before in self.members[block.name][:-1]:
                self.sends[before, 0] = self.reads[before + 1, 0] = self.extra
                self.extra += 1

    def tables(self, depths: Mapping[Edge, int]) -> tuple[NDArray[np.generic], ...]:
        depth = np.full(self.extra, 2, dtype=np.int64)
        for edge, i in self.fifos.items():
            depth[i] = depths[edge]
        lengths = np.array([len(machine.steps) for machine in self.machines], dtype=np.int64)
        return (
            np.array([machine.kind for machine in self.machines], dtype=np.int64),
            np.concatenate([machine.steps for machine in self.machines]),
            np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64),
            lengths,
            np.array([machine.latency for machine in self.machines], dtype=np.int64),
            np.array([machine.window for machine in self.machines], dtype=np.int64),
            self.reads,
            self.sends,
            depth,
        )
