"""Train the same network without pruning, by the same recipe: what ETB has to be measured against."""

from __future__ import annotations

from etb_hw import qonnx_io, training
from etb_hw.artifacts.run_files import BASELINE, BASELINE_METRICS, BASELINE_MODEL, TRAINING_STATE
from etb_hw.artifacts.summary import DenseBaseline
from etb_hw.config import EvolutionConfig
from etb_hw.flow.step import Context, Step
from etb_hw.flow.steps.train import settings
from etb_hw.flow.watch import watch
from etb_hw.pruning import deployable
from etb_hw.training.state import remove_snapshot
from etb_hw.verification import Proof


def _run(context: Context) -> list[Proof]:
    folder = context.path(BASELINE_MODEL).parent
    if context.fresh:
        remove_snapshot(folder / TRAINING_STATE)
    folder.mkdir(exist_ok=True)
    flow = context.flow
    show = watch(context)
    # the teacher of the step before, if there is one
    teacher = training.teach(flow.model, flow.training, context.dataset, context.run_dir, show)
    dense = EvolutionConfig(ratio=0.0)
    result = training.train(flow.model, flow.training, dense, context.dataset, folder, show, teacher=teacher)
    assert result is not None, "only stop_after ends a training early"
    module = deployable(result.hard)
    qonnx_io.export_model(module, context.path(BASELINE_MODEL), module.input_shape)
    context.write(BASELINE, DenseBaseline(result.accuracy, result.teacher_accuracy, result.seconds))
    return []


STEP = Step(
    "baseline", "Train the dense network to compare with", settings,
    (), (BASELINE, BASELINE_MODEL, BASELINE_METRICS), _run,
)  # fmt: skip
