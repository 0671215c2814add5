"""The proofs that several steps and commands share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from etb_hw import qonnx_io, rtl
from etb_hw.dataflow import DataflowGraph
from etb_hw.integer import IntegerGraph, reference
from etb_hw.integer.packed import PackedExecutor
from etb_hw.rtl import RtlRun
from etb_hw.rtl.tools import Origin
from etb_hw.verification import Proof, first_differing_layer, prove

Outputs: TypeAlias = NDArray[np.generic]


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


def prove_export(graph: IntegerGraph, model: Path, x: NDArray[np.integer], expected: Outputs) -> Proof:
    """An exported file computes, in qonnx, what torch computes.

    Where qonnx's float32 rounds a tie, float64 decides; such samples are counted. Nothing excuses torch: what
    the file says in float64 is no judge of the network that it was made from.

    Args:
        graph: the integer graph of ``model``. expected: torch's outputs (N, C, ...) for the integers ``x``.
    """
    expected = qonnx_io.without_rounding(graph, expected)
    found, ties = qonnx_io.settled(graph, model, x, expected)
    return replace(prove(f"{model.name} in qonnx", "slim", found, expected, "logits"), ties=ties)


def prove_outputs(graph: IntegerGraph, step: str, against: str, found: Outputs, expected: Outputs) -> Proof:
    """Two executors give the same outputs; where float32 cannot hold them, the same integers."""
    found, expected = (qonnx_io.without_rounding(graph, outputs) for outputs in (found, expected))
    return prove(step, against, found, expected, "logits")


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
