"""Map the integer graph to dataflow blocks and fold them; FINN's files and estimates come out."""

from __future__ import annotations

from typing import Any

from etb_hw import qonnx_io
from etb_hw.artifacts.run_files import OF_THE_BUILD, STREAMLINED
from etb_hw.config import Flow
from etb_hw.flow.building import build_graph
from etb_hw.flow.origins import file_origin
from etb_hw.flow.samples import samples
from etb_hw.flow.step import Context, Step
from etb_hw.verification import Proof


def build_settings(flow: Flow) -> list[Any]:
    """With the foldings of a file that the flow names."""
    return [flow.build.model_dump(), file_origin(flow.build.folding_config)]


def _run(context: Context) -> list[Proof]:
    graph = qonnx_io.import_model(context.path(STREAMLINED))
    made = build_graph(graph, context.flow.build, samples(context.dataset, context.flow.verification))
    made.write(context.run_dir)
    return [made.proof]


STEP = Step(
    "build", "Map to dataflow blocks",
    lambda flow: [*build_settings(flow), flow.verification.model_dump()],
    (STREAMLINED,), OF_THE_BUILD, _run,
)  # fmt: skip
