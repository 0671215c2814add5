"""Any model over any data, in the engine of choice: what ``etb-hw simulate`` does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from etb_hw import qonnx_io
from etb_hw.config import BuildConfig
from etb_hw.dataflow.design import design
from etb_hw.errors import BadInput
from etb_hw.flow.proofs import prove_rtl
from etb_hw.integer import IntegerGraph
from etb_hw.qonnx_io import ImportOptions
from etb_hw.rtl import RtlRun
from etb_hw.rtl.tools import Origin
from etb_hw.verification import Proof


@dataclass(frozen=True, eq=False)
class Fitted:
    """A model together with data that fit it."""

    graph: IntegerGraph
    images: NDArray[np.integer]
    labels: NDArray[np.int64]


def fit(graph: IntegerGraph, images: NDArray[np.integer], labels: NDArray[np.int64]) -> Fitted:
    """Images as the model takes them: (N, C, H, W), flat, and bipolar where its input is one bit.

    Raises BadInput where the sizes differ.
    """
    shape, dtype = graph.input.shape, graph.input.dtype
    if int(np.prod(shape)) != int(np.prod(images.shape[1:])):
        raise BadInput("data", f"images are {images.shape[1:]}, the model takes {shape}", "use other data")
    x = images.reshape(len(images), *shape)
    if dtype.max < 255:
        remedy = "give data of that range as .npz, or a model with UINT8 input"
        if int(x.max(initial=0)) > dtype.max or dtype.step != 1:
            raise BadInput("data", f"pixels go to {int(x.max())}, the model takes {dtype.name}", remedy)
    return Fitted(graph, x, labels)


def qonnx_reference(
    model: Path, options: ImportOptions, graph: IntegerGraph
) -> Callable[[NDArray[np.integer]], NDArray[np.float32]]:
    """Outputs of qonnx's execution of a file, as a function of a batch of integers."""

    def run(x: NDArray[np.integer]) -> NDArray[np.float32]:
        executed = qonnx_io.execute(model, options.to_float(x))
        return np.asarray(qonnx_io.without_rounding(graph, executed), dtype=np.float32)

    return run


def simulate_rtl(
    fitted: Fitted, build: BuildConfig, stalls: float, tools: Origin = "pinned"
) -> tuple[Proof, RtlRun, int]:
    """Build the RTL, stream the images through it, compare with the integer graph.

    Returns the proof, the run, and the estimated initiation interval in cycles.
    """
    made = design(fitted.graph, build).graph
    proof, run = prove_rtl(made, fitted.graph, fitted.images, stalls, tools)
    return proof, run, made.bottleneck.cycles
