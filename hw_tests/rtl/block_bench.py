"""Blocks by themselves: several independent ones in one simulator, each with its own frames and stalls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.block import Block
from etb_hw.rtl import cache, verilator
from etb_hw.rtl.beats import from_beats, to_beats
from etb_hw.rtl.generator import block_ports
from etb_hw.rtl.instance import block_text, memory_file, memory_text
from etb_hw.rtl.library import module_text, needed_modules
from etb_hw.rtl.verilator import SIM, Drive, SimModel, SimPort, SimulationError


@dataclass(frozen=True, eq=False)
class BlockRun:
    """A block's output frames, one array a port, and its measured initiation interval in cycles."""

    outputs: tuple[NDArray[np.int64], ...]
    ii: int | None


@dataclass(frozen=True, eq=False)
class BlockBench:
    """A built simulator of blocks, in the order in which they were given."""

    blocks: tuple[Block, ...]
    model: SimModel

    def run(
        self,
        frames: Sequence[Sequence[NDArray[np.int64]]],
        *,
        stalls: float = 0.0,
        seed: int = 1,
        reset_at: int | None = None,
    ) -> list[BlockRun]:
        """Stream ``frames[block][port]`` (N, ...) through all blocks at once.

        Raises:
            SimulationError: if a block gets stuck, sends too much or breaks the protocol.
        """
        drives: dict[str, Drive] = {}
        for k, (block, given) in enumerate(zip(self.blocks, frames, strict=True)):
            for i, (stream, values) in enumerate(zip(block.inputs, given, strict=True)):
                drives[f"b{k}i{i}"] = Drive(to_beats(values, stream), frame=stream.beats, stall=stalls)
            for i, stream in enumerate(block.outputs):
                count = len(given[0]) * stream.beats
                drives[f"b{k}o{i}"] = Drive(
                    count=count, frame=stream.beats, stall=stalls, more=block.RUNS_AHEAD
                )
        result = verilator.run(self.model, drives, seed=seed, reset_at=reset_at, idle_limit=20_000)
        if result.failure:
            raise SimulationError(
                "blocks", f"{result.failure}: {'; '.join(result.progress)}", "look at that block"
            )
        runs = []
        for k, block in enumerate(self.blocks):
            outputs = tuple(from_beats(result.beats[f"b{k}o{i}"], s) for i, s in enumerate(block.outputs))
            ends = result.times[f"b{k}o0"]
            runs.append(BlockRun(outputs, ends[-1] - ends[-2] if len(ends) > 2 else None))
        return runs


def build_bench(
    blocks: Sequence[Block],
    *,
    cache_dir: Path = cache.DEFAULT,
    defines: Sequence[str] = ("ETB_FAST_POPCOUNT",),
) -> BlockBench:
    """Compile blocks side by side; they keep their order and are renamed b0, b1, ..."""
    named = tuple(replace(block, name=f"b{k}") for k, block in enumerate(blocks))
    ports: list[SimPort] = []
    heads = ["input logic clk", "input logic rst"]
    body: list[str] = []
    sources: dict[str, str] = {}
    for block in named:
        instance = block.rtl()
        inputs = [f"{block.name}i{i}" for i in range(len(block.inputs))]
        outputs = [f"{block.name}o{i}" for i in range(len(block.outputs))]
        for name, stream in zip(inputs, block.inputs, strict=True):
            ports.append(SimPort(name, stream.width, "in"))
            heads += [f"input logic [{stream.width - 1}:0] {name}_data", f"input logic {name}_valid"]
            heads.append(f"output logic {name}_ready")
        for name, stream in zip(outputs, block.outputs, strict=True):
            ports.append(SimPort(name, stream.width, "out"))
            heads += [f"output logic [{stream.width - 1}:0] {name}_data", f"output logic {name}_valid"]
            heads.append(f"input logic {name}_ready")
        body.append(block_text(block.name, instance, block_ports(inputs, outputs)))
        sources |= {memory_file(block.name, m): memory_text(m) for m in instance.memories}
    for name in needed_modules([f"etb_{block.rtl().module}" for block in named]):
        sources[f"{name}.sv"] = module_text(name)
    head = ",\n  ".join(heads)
    sources[f"{SIM}.sv"] = f"module {SIM} (\n  {head}\n);\n{''.join(body)}endmodule\n"
    model = verilator.build(sources, ports, cache_dir=cache_dir, defines=defines)
    return BlockBench(named, model)


def random_frames(block: Block, count: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], ...]:
    """Frames of random values of each input port's type."""
    made: list[NDArray[np.int64]] = []
    for stream in block.inputs:
        dtype = stream.dtype
        made.append(dtype.min + dtype.step * rng.integers(0, dtype.levels, (count, *stream.shape)))
    return tuple(made)


def wrong(
    runs: Sequence[BlockRun], bench: BlockBench, frames: Sequence[Sequence[NDArray[np.int64]]]
) -> Mapping[int, str]:
    """What differs from ``Block.execute``, by block number."""
    found: dict[int, str] = {}
    for k, (block, run, given) in enumerate(zip(bench.blocks, runs, frames, strict=True)):
        for i, (got, expected) in enumerate(zip(run.outputs, block.execute(*given), strict=True)):
            if got.shape != expected.reshape(got.shape).shape or (got != expected.reshape(got.shape)).any():
                at = int(np.flatnonzero(got.reshape(-1) != expected.reshape(-1))[0])
                values = got.reshape(-1)[at], expected.reshape(-1)[at]
                found[k] = f"port {i}, value {at}: RTL {values[0]}, expected {values[1]}"
                break
    return found
