"""What qonnx computes of a file, its float32 roundings told from differences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from etb_hw.integer import IntegerGraph
from etb_hw.qonnx_io.endings import without_ending
from etb_hw.qonnx_io.execution import execute
from etb_hw.qonnx_io.float64 import execute_in_float64
from etb_hw.qonnx_io.model_file import read_model
from etb_hw.qonnx_io.rounding import without_rounding


def settled(
    graph: IntegerGraph, model: Path, x: NDArray[np.integer], found: NDArray[np.generic]
) -> tuple[NDArray[np.generic], int]:
    """qonnx's outputs for the integers ``x``, in the shape of ``found``, and how many ties were decided.

    ``found`` is what ``graph.original`` gives, in the network's own order of axes. A sample on which it
    differs is computed again in float64, with ties decided exactly. Where that gives ``found``, qonnx has
    rounded a tie, and ``found`` is what is returned for it. Anything else stays as qonnx has it.
    """
    proto, _ = without_ending(read_model(model))
    executed = _exact(graph, execute(proto, graph.to_float(x)))
    if executed.size != found.size:
        return executed, 0
    expected = executed.reshape(found.shape).copy()
    differing = np.flatnonzero((expected != found).reshape(len(x), -1).any(axis=1))
    if not differing.size:
        return expected, 0
    try:
        doubles = execute_in_float64(proto, graph.source.in_float64(x[differing]))
    except Exception:  # an operator that ONNX's implementation lacks or refuses: then nothing is excused
        return expected, 0
    exact = _exact(graph, doubles).reshape(found[differing].shape).astype(found.dtype)
    ties = differing[(exact == found[differing]).reshape(len(differing), -1).all(axis=1)]
    expected[ties] = found[ties]
    return expected, len(ties)


def _exact(graph: IntegerGraph, outputs: NDArray[np.generic]) -> NDArray[np.generic]:
    """Outputs in the original network's order of axes, without an executor's rounding."""
    if not graph.channels_last:
        return without_rounding(graph, outputs)
    return graph.laid_out(without_rounding(graph, np.moveaxis(outputs, -1, 1)))
