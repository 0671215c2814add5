"""The dataflow graph: *how* the network is built. Blocks, and the streams (FIFOs) between their ports."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.block import Block
from etb_hw.dataflow.blocks.fifo import Fifo
from etb_hw.dataflow.resource_model import ResourceModel, finn_model
from etb_hw.dataflow.resources import Resources
from etb_hw.dataflow.stream import Stream
from etb_hw.errors import BadInput
from etb_hw.integer.chain import Chain


@dataclass(frozen=True)
class Port:
    """Port ``index`` of block ``block``."""

    block: str
    index: int = 0


@dataclass(frozen=True)
class Edge:
    """A stream from an output port to an input port through a FIFO of ``depth`` beats."""

    source: Port
    target: Port
    depth: int = 2


Trace: TypeAlias = Callable[[Port, NDArray[np.int64]], None]


@dataclass(frozen=True, eq=False)
class DataflowGraph:
    """Blocks in topological order and the edges between them; one input port and one output port are free.

    Attributes:
        dequant: float chain from the integer result to the original network's output.
    """

    blocks: tuple[Block, ...]
    edges: tuple[Edge, ...]
    dequant: Chain = field(default_factory=Chain)
    clk_ns: float = 10.0

    @cached_property
    def by_name(self) -> Mapping[str, Block]:
        return {block.name: block for block in self.blocks}

    def __getitem__(self, name: str) -> Block:
        try:
            return self.by_name[name]
        except KeyError:
            known = ", ".join(self.by_name)
            raise BadInput(f"block {name!r}", "is not in the design", f"use one of: {known}") from None

    @cached_property
    def driver(self) -> Mapping[Port, Edge]:
        """The edge that feeds each connected input port."""
        return {edge.target: edge for edge in self.edges}

    @cached_property
    def input_port(self) -> Port:
        """The input port that no edge feeds: the design's input."""
        free = [
            Port(block.name, i)
            for block in self.blocks
            for i in range(len(block.inputs))
            if Port(block.name, i) not in self.driver
        ]
        assert len(free) == 1, f"a design has one input, found {free}"
        return free[0]

    @cached_property
    def output_port(self) -> Port:
        """The output port that feeds no edge: the design's output."""
        used = {edge.source for edge in self.edges}
        free = [
            Port(block.name, i)
            for block in self.blocks
            for i in range(len(block.outputs))
            if Port(block.name, i) not in used
        ]
        assert len(free) == 1, f"a design has one output, found {free}"
        return free[0]

    @property
    def input_stream(self) -> Stream:
        return self[self.input_port.block].inputs[self.input_port.index]

    @property
    def output_stream(self) -> Stream:
        return self[self.output_port.block].outputs[self.output_port.index]

    def may_meet(self, edge: Edge, given: tuple[int, int], taken: tuple[int, int]) -> bool:
        """Whether the two ends of a stream may have these (channels, lanes)."""
        same = given[0] == taken[0] or not self[edge.target.block].SAME_CHANNELS
        return same and (given[1] == taken[1] or not self[edge.source.block].fixes_lanes)

    @cached_property
    def bottleneck(self) -> Block:
        """The slowest block: it sets the frame rate."""
        return max(self.blocks, key=lambda block: block.cycles)

    @cached_property
    def critical_path_cycles(self) -> int:
        """FINN's latency: cycles summed along the longest path. Pessimistic, since blocks overlap."""
        until: dict[str, int] = {}
        for block in self.blocks:
            before = [until[edge.source.block] for edge in self.edges if edge.target.block == block.name]
            until[block.name] = block.cycles + max(before, default=0)
        return max(until.values())

    @property
    def fps(self) -> float:
        """Frames a second in steady state."""
        return 1e9 / (self.clk_ns * self.bottleneck.cycles)

    @cached_property
    def fifos(self) -> Mapping[Port, Fifo]:
        """The FIFO of every edge that has a depth, by the port that feeds it.

        What is priced, built and counted. Edges of depth 0 are plain connections.
        """
        # a design whose blocks have registers for a faster clock has FIFOs with them
        register = any(block.choices.get("register") for block in self.blocks)
        return {
            edge.source: Fifo(
                name=f"{Fifo.OP}_{i}",
                layer=self[edge.target.block].layer,
                stream=self[edge.source.block].outputs[edge.source.index],
                depth=max(2, edge.depth),  # two registers are the least that keeps beats moving every cycle
                register=register,
            )
            for i, edge in enumerate(self.edges)
            if edge.depth > 0
        }

    @property
    def resources(self) -> Resources:
        """The blocks by FINN's formulas, as FINN's own estimates are: without FIFOs."""
        return self.block_cost(finn_model)

    def cost(self, model: ResourceModel) -> Resources:
        """All that is built: blocks, converters and FIFOs."""
        return self.block_cost(model) + self.fifo_cost(model)

    def fifo_cost(self, model: ResourceModel) -> Resources:
        """All FIFOs together."""
        return _sum(model, self.fifos.values())

    def block_cost(self, model: ResourceModel) -> Resources:
        """Blocks and converters, without the FIFOs, whose depths are known only once the design is folded."""
        return _sum(model, self.blocks)

    def least_cost(self, model: ResourceModel) -> Resources:
        """What a search can know: blocks, converters and, where the model counts them, shallowest FIFOs."""
        shallow = (replace(fifo, depth=2) for fifo in self.fifos.values() if model.counts_fifos)
        return self.block_cost(model) + _sum(model, shallow)

    def execute(self, frames: NDArray[np.int64], trace: Trace | None = None) -> NDArray[np.int64]:
        """Bit-exact behaviour on a batch (N, H, W, C): the blocks' own, one after another.

        ``trace`` is called with every output port and its frames (N, *stream shape), in order.
        """
        values: dict[Port, NDArray[np.int64]] = {}
        for block in self.blocks:
            ports = [Port(block.name, i) for i in range(len(block.inputs))]
            args = [frames if port == self.input_port else values[self.driver[port].source] for port in ports]
            # a stream may join pixels and channels of its producer (flattening): same beats, other shape
            shaped = (arg.reshape(-1, *stream.shape) for arg, stream in zip(args, block.inputs, strict=True))
            for i, value in enumerate(block.execute(*shaped)):
                values[Port(block.name, i)] = value
                if trace is not None:
                    trace(Port(block.name, i), value)
        return values[self.output_port]


def _sum(model: ResourceModel, blocks: Iterable[Block]) -> Resources:
    total = Resources()
    for block in blocks:
        total += model(block)
    return total
