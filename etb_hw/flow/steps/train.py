"""Train by evolution; leaves the slim, hardened network and the metrics of every epoch."""

from __future__ import annotations

from typing import Any

from etb_hw import training
from etb_hw.artifacts.run_files import CHECKPOINT, METRICS, TEACHER_STATE, TRAINING_STATE
from etb_hw.config import Flow
from etb_hw.data import Dataset
from etb_hw.dataflow.lower import lower
from etb_hw.flow.budgets import training_budget
from etb_hw.flow.hardware_cost import training_cost
from etb_hw.flow.origins import data_origin
from etb_hw.flow.rehearsal import stand_in
from etb_hw.flow.step import Context, Step
from etb_hw.flow.watch import watch
from etb_hw.named_code import source_digest
from etb_hw.training.state import remove_snapshot
from etb_hw.training.trainees import trainee_of
from etb_hw.verification import Proof


def settings(flow: Flow) -> Any:
    """Also what the dense baseline depends on (but for the evolution)."""
    own = "" if flow.model.function is None else source_digest(flow.model.function)
    return [data_origin(flow.data), flow.model.model_dump(), flow.training.model_dump(), own]


def _settings(flow: Flow) -> Any:
    by_hardware = flow.evolution.count == "luts" or flow.evolution.budgeted
    hardware = flow.build.model_dump() if by_hardware else None
    return [*settings(flow), flow.evolution.model_dump(), hardware]


def _rehearse(flow: Flow, dataset: Dataset) -> None:
    """Send a network of the user's, untrained, to hardware blocks: what cannot be built is said now."""
    if flow.model.function is not None:
        trainee = trainee_of(flow.model, dataset)
        lower(stand_in(trainee, trainee.groups.widths), clk_ns=flow.build.clk_ns)


def _trained(context: Context) -> training.TrainResult:
    flow = context.flow
    _rehearse(flow, context.dataset)
    with watch(context, "train") as show:
        result = training.train(
            flow.model,
            flow.training,
            flow.evolution,
            context.dataset,
            context.run_dir,
            show.progress,
            training_cost(flow, context.dataset),
            budget=training_budget(flow, context.dataset),
            on_epoch=show.epoch,
        )
    assert result is not None, "only stop_after ends a training early"
    return result


def _run(context: Context) -> list[Proof]:
    if context.fresh:
        for name in (TRAINING_STATE, TEACHER_STATE):
            remove_snapshot(context.run_dir / name)
    result = _trained(context)
    notes = {
        "count": result.report.count,
        "target": result.report.target,
        "reached": result.report.reached,
        "budget": result.report.budget,
        "accuracy": result.accuracy,
        "data": context.dataset.source,
        "seconds": result.seconds,
    }
    result.trained.save(context.path(CHECKPOINT), notes)
    return list(result.proofs)


STEP = Step(
    "train", "Train from ternary to binary or zero", _settings, (),
    (CHECKPOINT, METRICS), _run, help=_trained,
)  # fmt: skip
