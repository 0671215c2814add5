"""The proof that a package's weights can be replaced: the host's program loads another such network."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from etb_hw.board.contents import Trial
from etb_hw.board.host.weights import weights_file
from etb_hw.dataflow.graph import DataflowGraph
from etb_hw.dataflow.load_image import load_image
from etb_hw.verification import prove


class Loading(Protocol):
    """The host's program of either family."""

    def load(self, weights: Path | str, /) -> None: ...


def other_network(design: DataflowGraph) -> DataflowGraph:
    """The same hardware with other constants in its writable memories."""
    rng = np.random.default_rng(1)
    return replace(design, blocks=tuple(block.redrawn(rng) for block in design.blocks))


def prove_loading(
    accelerator: Loading,
    infer: Callable[[], NDArray[np.int64]],
    design: DataflowGraph,
    build: str,
    trial: Trial,
) -> None:
    """Load another network and compare what ``infer`` gives of the trial; then load the design's own again.

    Raises ProofFailed, and BoardError where a checksum is another one.
    """
    other = other_network(design)
    with tempfile.TemporaryDirectory(prefix="etb_weights_") as folder:
        path = Path(folder) / "weights.bin"
        path.write_bytes(weights_file(build, load_image(other)))
        accelerator.load(path)
        found = infer()
        expected = other.execute(trial.images).reshape(found.shape)
        prove("board, simulated, other weights", "dataflow blocks", found, expected)
        path.write_bytes(weights_file(build, load_image(design)))
        accelerator.load(path)
