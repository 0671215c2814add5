"""A run folder, read and checked. Whatever a run has not made yet, or has still to make anew, is None."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from etb_hw.artifacts import RunFile
from etb_hw.artifacts.hardware import Comparison, FoldingReport, Performance, RtlResult
from etb_hw.artifacts.run_files import (
    BASELINE_METRICS,
    COMPARISON,
    DATAFLOW,
    FLOW,
    FOLDING,
    LAYER_CYCLES,
    LAYER_RESOURCES,
    METRICS,
    OUTDATED,
    PERFORMANCE,
    PRUNING,
    RTL_RESULT,
    RUN_FILES,
    STREAMLINED,
    SUMMARY,
    TIMES,
    VERIFICATION,
)
from etb_hw.artifacts.sizes import PruningReport
from etb_hw.artifacts.summary import Summary
from etb_hw.artifacts.training import Epoch
from etb_hw.errors import BadInput
from etb_hw.report.network import LayerThresholds, Stage, read_stages, read_thresholds
from etb_hw.verification import Proof

T = TypeVar("T")
Held = TypeVar("Held", covariant=True)


class _File(Protocol[Held]):
    """A file of a run that knows how it is read."""

    @property
    def name(self) -> str: ...

    def read(self, run_dir: Path) -> Held | None: ...


READ: tuple[RunFile, ...] = (
    FLOW, SUMMARY, VERIFICATION, TIMES, PRUNING, METRICS, BASELINE_METRICS, STREAMLINED, DATAFLOW,
    LAYER_CYCLES, LAYER_RESOURCES, PERFORMANCE, COMPARISON, FOLDING, RTL_RESULT,
    *(file for file in RUN_FILES if file.listed),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Run:
    """What a run folder holds.

    Attributes:
        name: of the folder.
        times: seconds that each step took, in their order.
        epochs, baseline: of ETB and of the dense network that it is measured against.
        flow: the flow file's values with all defaults.
        stages: blocks of ``dataflow.onnx``; cycles and resources from FINN's JSON reports.
        outdated: files of before a change, which a run has not made anew yet, and the step that will. They
            are read as if they were not there: their figures are not those of the files beside them.
        plumbing: resources of the blocks that only the reports name: FINN's files leave width converters and
            FIFOs to FINN.
    """

    path: Path
    summary: Summary | None
    proofs: tuple[Proof, ...] | None
    pruning: PruningReport | None
    epochs: tuple[Epoch, ...] | None
    baseline: tuple[Epoch, ...] | None
    thresholds: tuple[LayerThresholds, ...] | None
    stages: tuple[Stage, ...] | None
    plumbing: Mapping[str, Mapping[str, float]]
    performance: Performance | None
    hardware: Comparison | None
    folding: FoldingReport | None
    rtl: RtlResult | None
    flow: Mapping[str, Any] | None
    times: Mapping[str, float]
    outdated: Mapping[str, str]

    @property
    def name(self) -> str:
        return self.path.resolve().name


def read_run(run_dir: Path) -> Run:
    """Read all files of a run folder that are there.

    Raises:
        BadInput: no folder, nothing of a run in it, or a damaged file (named).
    """
    if not run_dir.is_dir():
        raise BadInput(str(run_dir), "is no folder", "give the folder of a run, such as runs/digits")
    outdated = OUTDATED.read(run_dir) or {}

    def read(file: _File[T]) -> T | None:
        return None if file.name in outdated else file.read(run_dir)

    cycles, resources = read(LAYER_CYCLES), read(LAYER_RESOURCES)
    stages, thresholds = None, None
    if DATAFLOW.name not in outdated:
        stages = read_stages(DATAFLOW.path(run_dir), cycles or {}, resources or {})
    if STREAMLINED.name not in outdated:
        thresholds = read_thresholds(STREAMLINED.path(run_dir))
    drawn = {"total", *(stage.name for stage in stages or ())}
    run = Run(
        path=run_dir,
        summary=read(SUMMARY),
        proofs=VERIFICATION.read(run_dir),
        pruning=read(PRUNING),
        epochs=read(METRICS),
        baseline=read(BASELINE_METRICS),
        thresholds=thresholds,
        outdated=outdated,
        stages=stages,
        plumbing={name: found for name, found in (resources or {}).items() if name not in drawn},
        performance=read(PERFORMANCE),
        hardware=read(COMPARISON),
        folding=read(FOLDING),
        rtl=read(RTL_RESULT),
        flow=FLOW.read(run_dir),
        times=TIMES.read(run_dir) or {},
    )
    if not any((run.summary, run.proofs, run.pruning, run.epochs, run.stages, run.thresholds)):
        raise BadInput(
            str(run_dir),
            "holds none of a run's files",
            f"make one: etb-hw run digits --out {shlex.quote(str(run_dir))}",
        )
    return run
