"""Any QONNX file to a proven design: what ``etb-hw build`` does."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from etb_hw.config import BuildConfig
from etb_hw.dataflow import finn
from etb_hw.dataflow.design import Design, design, quality
from etb_hw.dataflow.models import resource_model
from etb_hw.files import write_json
from etb_hw.flow.proofs import prove_dataflow, random_inputs
from etb_hw.integer import reference
from etb_hw.qonnx_io import ImportOptions, execute, import_model, without_rounding, write_streamlined
from etb_hw.verification import prove


def build(model: Path, out: Path, config: BuildConfig, options: ImportOptions) -> Design:
    """Import, streamline, map and fold a model; write every file of a run's build stage to ``out``.

    Nothing is written before all of it succeeded and the integer graph equals qonnx's execution of the
    file, and the blocks equal the integer graph, on random inputs.

    Raises:
        BadInput, UnsupportedNode: the model cannot be imported or mapped.
        InfeasibleTarget: the frame rate or the device cannot be met.
        ProofFailed: two stages differ.
    """
    graph = import_model(model, options)
    made = design(graph, config)
    x = random_inputs(graph)
    found = graph.dequantize(reference.execute(graph, x))
    if graph.argmax:
        found = found.argmax(axis=1)
    expected = without_rounding(graph, execute(model, options.to_float(x)))
    proofs = [
        prove("integer graph", f"{model.name} in qonnx", found.reshape(expected.shape), expected),
        prove_dataflow(made.graph, graph, x),
    ]
    out.mkdir(parents=True, exist_ok=True)
    write_streamlined(graph, out / "streamlined.onnx")
    finn.write(made.graph, out, resource_model(config.resource_model))
    write_json(out / "report/folding.json", quality(made))
    write_json(out / "verification.json", [asdict(proof) for proof in proofs])
    return made
