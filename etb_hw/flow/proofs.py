"""The proofs that several steps and commands share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from etb_hw import qonnx_io, rtl
from etb_hw.dataflow import DataflowGraph
from etb_hw.integer import IntegerGraph, reference
from etb_hw.integer.packed import PackedExecutor
from etb_hw.rtl import RtlRun
from etb_hw.rtl.tools import Origin
from etb_hw.verification import Proof, first_differing_layer, prove


def random_inputs(graph: IntegerGraph, count: int = 32) -> NDArray[np.int64]:
    """Random integers of the input's type, and its two extremes: (count + 2, *shape)."""
    low, high, step = graph.input.dtype.min, graph.input.dtype.max, graph.input.dtype.step
    levels = np.random.default_rng(0).integers(0, (high - low) // step + 1, (count, *graph.input.shape))
    extremes = np.stack([np.full(graph.input.shape, value, dtype=np.int64) for value in (low, high)])
    return np.concatenate([low + step * levels, extremes])


def frames(design: DataflowGraph, x: NDArray[np.integer]) -> NDArray[np.int64]:
    """A batch (N, C, H, W) or (N, C) as the design's input streams it: channels last, flat where it is."""
    return np.moveaxis(x.astype(np.int64), 1, -1).reshape(len(x), *design.input_stream.shape)


def channels_first(outputs: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """What a design sent, channels last, in the integer graph's ``shape`` (N, C, ...)."""
    batch, channels, *pixels = shape
    return np.moveaxis(outputs.reshape(batch, *pixels, channels), -1, 1)


def prove_import(
    graph: IntegerGraph, model: Path, x: NDArray[np.integer], step: str = "integer graph"
) -> Proof:
    """The integer graph computes what qonnx computes of the file it was read from.

    Where qonnx's float32 rounds a tie, float64 decides; such samples are counted.
    """
    found = graph.original(reference.execute(graph, x))
    expected, ties = qonnx_io.settled(graph, model, x, found)
    return replace(prove(step, f"{model.name} in qonnx", found, expected), ties=ties)


def prove_floats(
    graph: IntegerGraph, model: Path, x: NDArray[np.integer], step: str, against: str,
    found: NDArray[np.generic], expected: NDArray[np.generic],
) -> Proof:  # fmt: skip
    """Two executors of a file, of which at least one works in float32, give the same outputs.

    Where float32 cannot hold what an integer stands for, it is the integers that are compared; where one of
    them rounds a tie, float64 decides, and such samples are counted.

    Args:
        graph: the integer graph of ``model``. found, expected: outputs (N, C, ...) for the integers ``x``.
    """
    found = qonnx_io.without_rounding(graph, found)
    expected, ties = qonnx_io.settled(graph, model, x, found, expected)
    found, more = qonnx_io.settled(graph, model, x, expected, found)
    return replace(prove(step, against, found, expected, "logits"), ties=ties + more)


def prove_hls4ml(graph: IntegerGraph, model: Path, x: NDArray[np.integer]) -> Proof:
    """What was written for hls4ml computes, in qonnx, what the integer graph computes."""
    expected = reference.execute(graph, x)
    return prove(f"{model.name} in qonnx", "integer graph", qonnx_io.execute(model, x), expected)


def prove_dataflow(design: DataflowGraph, graph: IntegerGraph, x: NDArray[np.integer]) -> Proof:
    """The blocks of a design compute what the integer graph computes."""
    expected = reference.execute(graph, x)
    found = channels_first(design.execute(frames(design, x)), expected.shape)
    return prove("dataflow blocks", "integer graph", found, expected)


def prove_packed(packed: PackedExecutor, x: NDArray[np.integer]) -> Proof:
    """The packed executor computes what the reference computes; a difference is traced to its layer."""
    graph = packed.graph

    def locate(sample: int) -> str | None:
        one = x[sample : sample + 1]
        actual: list[tuple[str, NDArray[np.int64]]] = []
        expected: list[tuple[str, NDArray[np.int64]]] = []
        packed.run(one, trace=lambda name, tensor: actual.append((name, tensor)))
        reference.execute(graph, one, trace=lambda name, tensor: expected.append((name, tensor)))
        return first_differing_layer(iter(actual), iter(expected))

    return prove("packed", "integer graph", packed.run(x), reference.execute(graph, x), locate=locate)


def prove_rtl(
    design: DataflowGraph,
    graph: IntegerGraph,
    x: NDArray[np.integer],
    stalls: float = 0.0,
    tools: Origin = "pinned",
) -> tuple[Proof, RtlRun]:
    """The RTL computes what the integer graph computes; a difference is traced to its block and beat.

    Args:
        stalls: probability that the source, and independently the sink, holds back in a cycle.
        tools: which Verilator.
    """
    given = frames(design, x)
    run = rtl.simulate(design, given, stalls=stalls, tools=tools)
    expected = reference.execute(graph, x)

    def locate(_: int) -> str | None:
        traced = rtl.simulate(design, given, stalls=stalls, trace=True, tools=tools)
        found = rtl.first_difference(design, given, traced.traces)
        return None if found is None else str(found)

    step = f"RTL, {stalls:.0%} stalls" if stalls else "RTL"
    outputs = channels_first(run.outputs, expected.shape)
    return prove(step, "integer graph", outputs, expected, locate=locate), run
