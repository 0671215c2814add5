"""Map the integer graph to dataflow blocks and fold them; FINN's files and estimates come out."""

from __future__ import annotations

from etb_hw import qonnx_io
from etb_hw.artifacts.run_files import OF_THE_BUILD, STREAMLINED
from etb_hw.flow.building import build_graph
from etb_hw.flow.samples import samples
from etb_hw.flow.step import Context, Step
from etb_hw.verification import Proof


def _run(context: Context) -> list[Proof]:
    graph = qonnx_io.import_model(context.path(STREAMLINED))
    made = build_graph(graph, context.flow.build, samples(context.dataset, context.flow.verification))
    made.write(context.run_dir)
    return [made.proof]


STEP = Step(
    "build", "Map to dataflow blocks",
    lambda flow: [flow.build.model_dump(), flow.verification.model_dump()],
    (STREAMLINED,), OF_THE_BUILD, _run,
)  # fmt: skip
