"""Train the same network without pruning, by the same recipe: what ETB has to be measured against."""

from __future__ import annotations

from etb_hw import qonnx_io, training
from etb_hw.config import EvolutionConfig
from etb_hw.files import write_json
from etb_hw.flow.step import Context, Step
from etb_hw.flow.steps.train import settings
from etb_hw.flow.watch import watch
from etb_hw.pruning import deployable
from etb_hw.verification import Proof

FILE = "baseline.json"
MODEL = "baseline/model.qonnx.onnx"


def _run(context: Context) -> list[Proof]:
    folder = context.path("baseline")
    if context.fresh:
        (folder / training.STATE_FILE).unlink(missing_ok=True)
    folder.mkdir(exist_ok=True)
    flow = context.flow
    result = training.train(
        flow.model, flow.training, EvolutionConfig(ratio=0.0), context.dataset, folder, watch(context)
    )
    assert result is not None, "only stop_after ends a training early"
    module = deployable(result.hard)
    qonnx_io.export_model(module, context.path(MODEL), module.input_shape)
    write_json(context.path(FILE), {"accuracy": result.accuracy, "seconds": result.seconds})
    return []


STEP = Step("baseline", "Train the dense network to compare with", settings, (), (FILE, MODEL), _run)
