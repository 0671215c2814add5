"""Any model over any data, in the engine of choice: what ``etb-hw simulate`` does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from etb_hw import qonnx_io
from etb_hw.config import BuildConfig
from etb_hw.dataflow.design import design
from etb_hw.errors import BadInput
from etb_hw.flow.proofs import prove_import, prove_rtl, random_inputs
from etb_hw.integer import BIPOLAR, DataType, IntegerGraph
from etb_hw.integer.packed import PackedExecutor
from etb_hw.rtl import RtlRun
from etb_hw.rtl.tools import Origin
from etb_hw.verification import Proof


@dataclass(frozen=True, eq=False)
class Fitted:
    """A model together with data that fit it."""

    graph: IntegerGraph
    images: NDArray[np.integer]
    labels: NDArray[np.int64] | None


def fit(graph: IntegerGraph, images: NDArray[np.integer], labels: NDArray[np.int64] | None) -> Fitted:
    """Images as the model takes them: (N, C, H, W) or flat, from those, (N, H, W, C), (N, T, C) or flat ones.

    Raises BadInput where the sizes differ, or values are none of the model's input type.
    """
    shape = graph.input.shape
    x = _in_order(images, shape, graph.source.channels_last)
    if x is None:
        frames = ", ".join(("N", *map(str, shape)))
        raise BadInput(
            "data", f"images are {images.shape[1:]}, the model takes {shape}",
            f"give --data for it: a .npy of integers ({frames}), a .npz, or a data set of such images",
        )  # fmt: skip
    _check_range(x, graph.input.dtype)
    return Fitted(graph, x, labels)


def _in_order(
    images: NDArray[np.integer], shape: tuple[int, ...], channels_last: bool
) -> NDArray[np.integer] | None:
    """As (N, *shape), channels first, however images are laid out; None where they are of another size.

    Equal numbers of values are not enough: (8, 6, 3) in the place of (3, 8, 6) would scramble the image.
    """
    given, flat = [size for size in images.shape[1:] if size != 1], int(np.prod(shape))
    channels, *pixels = shape
    wanted = [size for size in shape if size != 1]
    turned = [size for size in (*pixels, channels) if size != 1]
    if given == wanted or (len(shape) == 1 and int(np.prod(given)) == flat):
        return images.reshape(len(images), *shape)
    if given == turned:
        return np.moveaxis(images.reshape(len(images), *pixels, channels), -1, 1)
    if given == [flat]:
        rows = (*pixels, channels) if channels_last else shape
        return _in_order(images.reshape(len(images), *rows), shape, channels_last)
    return None


def _check_range(x: NDArray[np.integer], dtype: DataType) -> None:
    """Raise BadInput where data hold what the input type does not."""
    held = np.iinfo(x.dtype)
    if not x.size or (dtype.min <= held.min and held.max <= dtype.max and dtype != BIPOLAR):
        return
    low, high = int(x.min()), int(x.max())
    if dtype.min <= low and high <= dtype.max and (dtype != BIPOLAR or x.all()):
        return
    values = "-1 and 1" if dtype == BIPOLAR else f"{dtype.min} to {dtype.max}"
    remedy = f"give integers of {values} as .npy or .npz, or a model with another input type"
    raise BadInput("data", f"values go from {low} to {high}, the model takes {dtype.name}", remedy)


@dataclass
class QonnxReference:
    """Outputs of qonnx's execution of a file, for a batch of integers; counts the ties that it rounds."""

    model: Path
    packed: PackedExecutor
    ties: int = 0

    def __call__(self, x: NDArray[np.integer]) -> NDArray[np.generic]:
        graph = self.packed.graph
        outputs, ties = qonnx_io.settled(graph, self.model, x, graph.original(self.packed.run(x)))
        self.ties += ties
        return outputs


def prove_fitted(fitted: Fitted, model: Path, samples: int) -> Proof | None:
    """qonnx gives the same for the first images, random ones and the extremes; None for no samples."""
    if not samples:
        return None
    x = np.concatenate([fitted.images[:samples], random_inputs(fitted.graph, samples)])
    return prove_import(fitted.graph, model, x)


def simulate_rtl(
    fitted: Fitted, build: BuildConfig, stalls: float, tools: Origin = "pinned"
) -> tuple[Proof, RtlRun, int]:
    """Build the RTL, stream the images through it, compare with the integer graph.

    Returns the proof, the run, and the estimated initiation interval in cycles.
    """
    made = design(fitted.graph, build).graph
    proof, run = prove_rtl(made, fitted.graph, fitted.images, stalls, tools)
    return proof, run, made.bottleneck.cycles
