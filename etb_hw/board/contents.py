"""What a package is made for and made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.graph import DataflowGraph
from etb_hw.files import write_bytes
from etb_hw.rtl.nextpnr import Placement
from etb_hw.verification import Proof


@dataclass(frozen=True, eq=False)
class Trial:
    """Frames that go through the simulated board, and what must come out.

    Attributes:
        images: (N, *shape of the design's input). expected: (N, *shape of its output).
        against: who says so.
        kind: what the images are, for the README.
    """

    images: NDArray[np.int64]
    expected: NDArray[np.int64]
    against: str = "dataflow blocks"
    kind: str = "random frames"


def random_trial(design: DataflowGraph, count: int) -> Trial:
    """Random frames of the input's type, and what the blocks compute of them."""
    stream = design.input_stream
    levels = np.random.default_rng(0).integers(0, stream.dtype.levels, (count, *stream.shape))
    images = stream.dtype.min + stream.dtype.step * levels
    return Trial(images, design.execute(images).reshape(count, *design.output_stream.shape))


@dataclass(frozen=True, eq=False)
class Package:
    """Files by their path in the package, how the design was routed (None: it was not), and the proof."""

    files: Mapping[str, bytes]
    placement: Placement | None
    proof: Proof | None

    def write(self, folder: Path) -> None:
        """Write all files below ``folder``."""
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, content)
