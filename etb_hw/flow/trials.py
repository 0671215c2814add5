"""A sweep's trials as runs: each keeps its slim checkpoint, its QONNX, its build and its page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from etb_hw.artifacts.run_files import (
    CHECKPOINT,
    LAYER_RESOURCES,
    PAGE,
    PERFORMANCE,
    PRUNING,
    TEACHER_STATE,
)
from etb_hw.artifacts.study import Point
from etb_hw.config import Flow
from etb_hw.data import Dataset
from etb_hw.files import locked, write_bytes, write_text
from etb_hw.flow.hardware_cost import training_cost
from etb_hw.flow.runner import run_steps
from etb_hw.flow.steps import build, export, prune, streamline, train
from etb_hw.report import render
from etb_hw.training import Callback, load_trained, teach
from etb_hw.training.sweep import Task

TO_THE_GRAPH = (train.STEP, prune.STEP, export.STEP, streamline.STEP)


def task_of(flow: Flow, dataset: Dataset) -> Task:
    """The sweep of a flow over ratios; with a changed [build] points are built anew, not trained."""
    at = flow.model_copy(update={"evolution": flow.evolution.at_ratio(flow.evolution.ratio)})
    return Task(
        at.model, at.training, at.evolution, dataset, training_cost(at, dataset),
        trial=Trials(at), settings=[at.build.model_dump(), at.verification.model_dump()],
    )  # fmt: skip


@dataclass(frozen=True)
class Trials:
    """Makes the points of a flow's sweep: each in a run folder, which ``etb-hw run`` can go on from."""

    flow: Flow

    def __call__(self, ratio: float, seed: int, folder: Path, progress: Callback | None) -> Point:
        """Run a trial, as far as the flow names hardware; what an earlier call has done is kept."""
        flow = self.of(ratio, seed)
        self._share_teacher(flow, folder, progress)
        built = flow.build.target_fps is not None or flow.build.device is not None
        run_steps(flow, folder, (*TO_THE_GRAPH, build.STEP) if built else TO_THE_GRAPH)
        write_text(PAGE.path(folder), render(folder))
        sizes = PRUNING.need(folder)
        estimate = {}
        if built:
            total, speed = LAYER_RESOURCES.need(folder)["total"], PERFORMANCE.need(folder)
            estimate = {
                "lut": total["LUT"], "bram_18k": total["BRAM_18K"], "fps": speed.estimated_throughput_fps
            }  # fmt: skip
        _, notes = load_trained(CHECKPOINT.path(folder), flow.model)
        accuracy = float(notes["accuracy"])
        return Point(ratio, seed, accuracy, sizes.parameters.after, sizes.bytes.after, estimate, folder.name)

    def of(self, ratio: float, seed: int) -> Flow:
        """The flow of a trial."""
        training = self.flow.training.model_copy(update={"seed": seed})
        return self.flow.model_copy(
            update={"training": training, "evolution": self.flow.evolution.at_ratio(ratio)}
        )

    def _share_teacher(self, flow: Flow, folder: Path, progress: Callback | None) -> None:
        """All ratios learn from one teacher a seed: its state is put where the run looks for its own."""
        if not flow.training.teacher.epochs or (folder / TEACHER_STATE).exists():
            return
        from etb_hw import data

        taught = folder.parent / f"seed-{flow.training.seed}"
        with locked(taught, wait=True):
            teach(flow.model, flow.training, data.load(flow.data), taught, progress)
            content = (taught / TEACHER_STATE).read_bytes()
        write_bytes(folder / TEACHER_STATE, content)
