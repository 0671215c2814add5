"""From an integer graph to a proved design and its files: for the step ``build`` and for ``etb-hw build``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from etb_hw.artifacts.run_files import FOLDING, STREAMLINED, VERIFICATION
from etb_hw.config import BuildConfig
from etb_hw.dataflow import finn
from etb_hw.dataflow.design import Design, design, quality
from etb_hw.files import write_json
from etb_hw.flow.proofs import prove_dataflow, prove_import, random_inputs
from etb_hw.integer import IntegerGraph
from etb_hw.qonnx_io import ImportOptions, import_model, write_streamlined
from etb_hw.verification import Proof


@dataclass(frozen=True, eq=False)
class ProvedDesign:
    """A design whose blocks compute what the integer graph computes."""

    design: Design
    proof: Proof

    def write(self, folder: Path) -> None:
        """Write FINN's files and reports, and how good the folding is."""
        finn.write(self.design.graph, folder, self.design.target.model, self.design.builder)
        write_json(FOLDING.path(folder), quality(self.design))


def build_graph(graph: IntegerGraph, config: BuildConfig, x: NDArray[np.integer]) -> ProvedDesign:
    """Map and fold an integer graph, and compare the blocks with it on a batch.

    Raises:
        UnsupportedNode: a node has no hardware form.
        InfeasibleTarget: the frame rate or the device cannot be met.
        ProofFailed: the blocks compute something else.
    """
    made = design(graph, config)
    return ProvedDesign(made, prove_dataflow(made.graph, graph, x))


def build_model(
    model: Path, out: Path, config: BuildConfig, options: ImportOptions
) -> tuple[Design, tuple[str, ...]]:
    """Import, streamline, map and fold a QONNX file; write every file of a run's build stage to ``out``.

    Nothing is written before all of it succeeded and the integer graph equals qonnx's execution of the
    file, and the blocks equal the integer graph, on random inputs.

    Returns the design, and what a user should know of the import.

    Raises: as ``build_graph``, and BadInput where the model cannot be imported.
    """
    graph = import_model(model, options)
    x = random_inputs(graph)
    imported = prove_import(graph, model, x)
    made = build_graph(graph, config, x)
    out.mkdir(parents=True, exist_ok=True)
    write_streamlined(graph, STREAMLINED.path(out))
    made.write(out)
    VERIFICATION.write(out, (imported, made.proof))
    return made.design, graph.notes
