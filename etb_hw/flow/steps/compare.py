"""What pruning buys in hardware: the dense and the slim network, folded for the same target."""

from __future__ import annotations

from dataclasses import asdict

from etb_hw import qonnx_io
from etb_hw.dataflow.design import compare_networks
from etb_hw.files import write_json
from etb_hw.flow.step import Context, Step
from etb_hw.flow.steps import baseline
from etb_hw.verification import Proof

FILE = "report/comparison.json"


def _run(context: Context) -> list[Proof]:
    models = {"dense": baseline.MODEL, "pruned": "streamlined.onnx"}
    graphs = {name: qonnx_io.import_model(context.path(file)) for name, file in models.items()}
    found = compare_networks(graphs, context.flow.build)
    write_json(context.path(FILE), asdict(found))
    return []


STEP = Step(
    "compare", "Fold the dense network for comparison", lambda flow: flow.build.model_dump(),
    (baseline.MODEL, "streamlined.onnx"), (FILE,), _run,
)  # fmt: skip
