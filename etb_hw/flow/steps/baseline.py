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
    show = watch(context)
    # the teacher of the step before, if there is one
    teacher = training.teach(flow.model, flow.training, context.dataset, context.run_dir, show)
    dense = EvolutionConfig(ratio=0.0)
    result = training.train(flow.model, flow.training, dense, context.dataset, folder, show, teacher=teacher)
    assert result is not None, "only stop_after ends a training early"
    module = deployable(result.hard)
    qonnx_io.export_model(module, context.path(MODEL), module.input_shape)
    found = {
        "accuracy": result.accuracy,
        "accuracy_teacher": result.teacher_accuracy,
        "seconds": result.seconds,
    }
    write_json(context.path(FILE), found)
    return []


STEP = Step("baseline", "Train the dense network to compare with", settings, (), (FILE, MODEL), _run)
