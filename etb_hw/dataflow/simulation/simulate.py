"""One design, its FIFO depths, and what its streams do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from etb_hw.dataflow.graph import DataflowGraph, Edge, Port
from etb_hw.dataflow.machine import Machine
from etb_hw.dataflow.simulation.kernel import FIFO, MACHINE, WINDOW_FORM, Table, run
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
    machines, fifos = network.machines, network.empty_fifos(given)
    start, ends, stuck = run(
        machines, fifos, network.steps, network.sends, network.source, network.sink,
        graph.input_stream.beats, graph.output_stream.beats, interval, frames, goal, max_cycles,
    )  # fmt: skip
    activity = {}
    for name, members in network.members.items():
        last = members[-1]
        activity[name] = Activity(*(int(machines[last][kind]) for kind in ("busy", "starved", "blocked")))
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
        {edge: int(fifos[i]["most"]) for edge, i in network.fifos.items()},
        len(gaps) > 1 and bool(gaps[-1] == gaps[-2]),
    )


class _Network:
    """Machines and FIFOs of a design as the kernel's tables, before the first cycle."""

    def __init__(self, graph: DataflowGraph) -> None:
        machines: list[Machine] = []
        self.members: dict[str, list[int]] = {}
        for block in graph.blocks:
            parts = block.machines()
            self.members[block.name] = list(range(len(machines), len(machines) + len(parts)))
            machines += parts
        self.fifos = {edge: i for i, edge in enumerate(graph.edges)}
        self.source, self.sink = len(self.fifos), len(self.fifos) + 1
        self.steps = np.concatenate([machine.steps for machine in machines])
        self.machines = np.zeros(len(machines), dtype=MACHINE)
        lengths = [len(machine.steps) for machine in machines]
        self.machines["kind"] = [machine.kind for machine in machines]
        self.machines["length"], self.machines["first"] = lengths, np.cumsum([0, *lengths[:-1]])
        self.machines["latency"] = [machine.latency for machine in machines]
        for i, name in enumerate(WINDOW_FORM):
            self.machines[name] = [machine.window[i] for machine in machines]
        most = max([1, *(len(block.outputs) for block in graph.blocks)])
        self.sends = np.full((len(machines), most), -1, dtype=np.int64)
        self.count = self._connect(graph)

    def _connect(self, graph: DataflowGraph) -> int:
        """Which FIFOs each machine reads and sends to; how many there are with those within blocks."""
        reads = np.full((len(self.machines), 2), -1, dtype=np.int64)
        readers = {edge.source: i for edge, i in self.fifos.items()}
        count = self.sink + 1
        for block in graph.blocks:
            first, last = self.members[block.name][0], self.members[block.name][-1]
            for i in range(len(block.inputs)):
                edge = graph.driver.get(Port(block.name, i))
                reads[first, i] = self.source if edge is None else self.fifos[edge]
            for i in range(len(block.outputs)):
                self.sends[last, i] = readers.get(Port(block.name, i), self.sink)
            for before in self.members[block.name][:-1]:
                self.sends[before, 0] = reads[before + 1, 0] = count
                count += 1
        self.machines["read"] = reads[:, 0]
        self.machines["read_too"] = np.where(reads[:, 1] < 0, reads[:, 0], reads[:, 1])
        self.machines["send"] = self.sends[:, 0]
        return count

    def empty_fifos(self, depths: Mapping[Edge, int]) -> Table:
        """FIFOs of these depths, before the first cycle."""
        fifos = np.zeros(self.count, dtype=FIFO)
        fifos["depth"] = 2
        for edge, i in self.fifos.items():
            fifos["depth"][i] = depths[edge]
        fifos["writer"] = fifos["reader"] = -1
        reads = np.stack([self.machines["read"], self.machines["read_too"]], axis=1)
        for end, of in (("reader", reads), ("writer", self.sends)):
            for machine, row in enumerate(of):
                fifos[end][row[row >= 0]] = machine
        return fifos
