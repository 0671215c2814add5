"""What pruning buys in hardware: the dense and the slim network, folded for the same target."""

from __future__ import annotations

from etb_hw import qonnx_io
from etb_hw.artifacts.run_files import BASELINE_MODEL, COMPARISON, STREAMLINED
from etb_hw.dataflow.design import compare_networks
from etb_hw.flow.step import Context, Step
from etb_hw.flow.steps.build import build_settings
from etb_hw.verification import Proof


def _run(context: Context) -> list[Proof]:
    models = {"dense": BASELINE_MODEL, "pruned": STREAMLINED}
    graphs = {name: qonnx_io.import_model(context.path(file)) for name, file in models.items()}
    context.write(COMPARISON, compare_networks(graphs, context.flow.build))
    return []


STEP = Step(
    "compare", "Fold the dense network for comparison", build_settings,
    (BASELINE_MODEL, STREAMLINED), (COMPARISON,), _run,
)  # fmt: skip
