"""Train the same network without pruning, by the same recipe: what ETB has to be measured against."""

from __future__ import annotations

import torch
from torch import nn

from etb_hw import qonnx_io, training
from etb_hw.artifacts.run_files import BASELINE, BASELINE_METRICS, BASELINE_MODEL, TRAINING_STATE
from etb_hw.artifacts.summary import DenseBaseline
from etb_hw.config import EvolutionConfig
from etb_hw.files import write_text
from etb_hw.flow.step import Context, Step
from etb_hw.flow.steps.train import settings
from etb_hw.flow.watch import watch
from etb_hw.integer import DataType
from etb_hw.training.distributed import joined
from etb_hw.training.state import remove_snapshot
from etb_hw.training.trainee import Trained
from etb_hw.training.trainees import trainee_of
from etb_hw.verification import Proof


def _trained(context: Context) -> tuple[nn.Module | None, training.TrainResult | None]:
    """The teacher of the step before and the dense network, where the flow has them."""
    flow, folder = context.flow, context.path(BASELINE_MODEL).parent
    with watch(context, "baseline") as show:
        with joined(flow.training.device) as team:
            teacher = training.teach(
                flow.model, flow.training, context.dataset, context.run_dir, show.progress, team
            )
        if not flow.baseline.train:
            return teacher, None
        dense = EvolutionConfig(ratio=0.0)
        result = training.train(
            flow.model, flow.training, dense, context.dataset, folder, show.progress, teacher=teacher,
            on_epoch=show.epoch,
        )  # fmt: skip
    assert result is not None, "only stop_after ends a training early"
    return teacher, result


def _run(context: Context) -> list[Proof]:
    folder = context.path(BASELINE_MODEL).parent
    if context.fresh:
        remove_snapshot(folder / TRAINING_STATE)
    folder.mkdir(exist_ok=True)
    teacher, result = _trained(context)
    if result is None:
        return _untrained(context, teacher)
    _export(result.trained, context)
    context.write(BASELINE, DenseBaseline(result.accuracy, result.teacher_accuracy, result.seconds))
    return []


def _export(trained: Trained, context: Context) -> None:
    dtype = DataType.parse(trained.input_dtype)
    qonnx_io.export_model(trained.deployed(), context.path(BASELINE_MODEL), trained.input_shape, dtype)


def _untrained(context: Context, teacher: nn.Module | None) -> list[Proof]:
    """The dense network as it begins: its hardware is that of a trained one but for the constants' values."""
    flow, dataset = context.flow, context.dataset
    trainee = trainee_of(flow.model, dataset)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(flow.training.seed)
        _export(trainee.stand_in(trainee.groups.widths, 0.0), context)
    write_text(context.path(BASELINE_METRICS), "")
    taught = None
    if teacher is not None:
        x, y = training.tensor_of(dataset.test_x), torch.from_numpy(dataset.test_y)
        taught = training.accuracy(teacher, x, y)
    context.write(BASELINE, DenseBaseline(None, taught, 0.0))
    return []


STEP = Step(
    "baseline", "Train the dense network to compare with",
    lambda flow: [*settings(flow), *([] if flow.baseline.train else ["untrained"])],
    (), (BASELINE, BASELINE_MODEL, BASELINE_METRICS), _run, help=_trained,
)  # fmt: skip
