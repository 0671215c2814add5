"""Map the integer graph to dataflow blocks and fold them; FINN's files and estimates come out."""

from __future__ import annotations

from etb_hw import qonnx_io
from etb_hw.dataflow import finn
from etb_hw.dataflow.design import design, quality
from etb_hw.dataflow.models import resource_model
from etb_hw.files import write_json
from etb_hw.flow.proofs import prove_dataflow
from etb_hw.flow.samples import samples
from etb_hw.flow.step import Context, Step
from etb_hw.verification import Proof

FILE = "report/folding.json"


def _run(context: Context) -> list[Proof]:
    graph = qonnx_io.import_model(context.path("streamlined.onnx"))
    made = design(graph, context.flow.build)
    proof = prove_dataflow(made.graph, graph, samples(context.dataset, context.flow.verification))
    finn.write(made.graph, context.run_dir, resource_model(context.flow.build.resource_model))
    write_json(context.path(FILE), quality(made))
    return [proof]


STEP = Step(
    "build", "Map to dataflow blocks",
    lambda flow: [flow.build.model_dump(), flow.verification.model_dump()],
    ("streamlined.onnx",),
    (
        "dataflow.onnx",
        FILE,
        "auto_folding_config.json",
        "report/estimate_layer_resources.json",
        "report/estimate_layer_cycles.json",
        "report/estimate_network_performance.json",
        "report/op_and_param_counts.json",
    ),
    _run,
)  # fmt: skip
