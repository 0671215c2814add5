"""A run folder, read and checked. Whatever a run has not made yet is None."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from etb_hw.errors import BadInput
from etb_hw.report.metrics import Epoch, read_metrics
from etb_hw.report.network import LayerThresholds, Stage, read_stages, read_thresholds
from etb_hw.verification import Proof

T = TypeVar("T")
AGAIN = "the file is damaged: run `etb-hw run` with --force, or give another folder"


class Record(BaseModel):
    """A JSON object of which we read some keys."""

    model_config = ConfigDict(extra="allow", frozen=True)


class Summary(Record):
    """``summary.json``. Ratios are shares that were cut; accuracies are shares of the test set."""

    accuracy_torch: float | None = None
    accuracy_integer: float | None = None
    accuracy_dense_baseline: float | None = None
    accuracy_float_teacher: float | None = None
    pruned_filter_ratio: float | None = None
    pruned_parameter_ratio: float | None = None
    size_bytes: int | None = None
    estimated_fps: float | None = None
    lut: float | None = None
    bram_18k: float | None = None
    model: str | None = None
    data: str | None = None
    simulated_images: int | None = None
    simulated_images_per_second: float | None = None
    confusion: list[list[int]] | None = None
    classes: list[str] | None = None
    versions: dict[str, str] | None = None


class Count(Record):
    """A quantity before and after pruning."""

    before: int
    after: int

    @property
    def ratio(self) -> float:
        return 1 - self.after / self.before if self.before else 0.0


class LayerRow(Record):
    """A weighted layer before and after."""

    name: str
    op: str = ""
    filters: Count
    parameters: Count
    macs: Count
    bytes: Count


class Pruning(Record):
    """``pruning.json``."""

    model: str = ""
    count: str
    target: float
    reached: float
    filters: Count
    parameters: Count
    macs: Count
    bytes: Count
    layers: list[LayerRow]


class Performance(Record):
    """FINN's ``estimate_network_performance.json``."""

    critical_path_cycles: float
    max_cycles: float
    max_cycles_node_name: str
    estimated_throughput_fps: float
    estimated_latency_ns: float


class Used(Record):
    """Resources of a design."""

    lut: float
    bram_18k: float


class DesignFigures(Record):
    """One network in hardware."""

    fps: float
    latency_us: float
    resources: Used


class Hardware(Record):
    """``report/comparison.json``: dense and pruned, folded alike; None where a target cannot be met."""

    target_fps: float | None = None
    device: str | None = None
    at_equal_fps: dict[str, DesignFigures | None] = Field(default_factory=dict)
    on_equal_device: dict[str, DesignFigures | None] = Field(default_factory=dict)


class FoldingQuality(Record):
    """``report/folding.json``: how good the folding is known to be."""

    optimal: bool
    objective_lut_equivalents: float
    bound_lut_equivalents: float
    simulated_interval_cycles: int | None = None
    simulated_latency_cycles: int | None = None


class Rtl(Record):
    """``rtl.json``: what the cycle-accurate simulation measured. No frames: it was left out."""

    frames: int
    simulator: str = ""
    initiation_interval: int | None = None
    estimated_interval: int | None = None
    latency: int | None = None
    fps: float | None = None


@dataclass(frozen=True)
class StepTime:
    """How long a step took when it last ran."""

    name: str
    seconds: float


@dataclass(frozen=True, eq=False)
class Run:
    """What a run folder holds.

    Attributes:
        name: of the folder.
        epochs, baseline: of ETB and of the dense network that it is measured against.
        flow: the flow file's values with all defaults.
        stages: blocks of ``dataflow.onnx``; cycles and resources from FINN's JSON reports.
        plumbing: resources of the blocks that only the reports name: FINN's files leave width converters and
            FIFOs to FINN.
    """

    path: Path
    summary: Summary | None
    proofs: tuple[Proof, ...] | None
    pruning: Pruning | None
    epochs: tuple[Epoch, ...] | None
    baseline: tuple[Epoch, ...] | None
    thresholds: tuple[LayerThresholds, ...] | None
    stages: tuple[Stage, ...] | None
    plumbing: Mapping[str, Mapping[str, float]]
    performance: Performance | None
    hardware: Hardware | None
    folding: FoldingQuality | None
    rtl: Rtl | None
    flow: Mapping[str, Any] | None
    steps: tuple[StepTime, ...]

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
    flow = read_json(run_dir / "flow.json", TypeAdapter(dict[str, Any]))
    pruning = read_json(run_dir / "pruning.json", TypeAdapter(Pruning))
    cycles = read_json(run_dir / "report/estimate_layer_cycles.json", TypeAdapter(dict[str, float]))
    resources = read_json(
        run_dir / "report/estimate_layer_resources.json", TypeAdapter(dict[str, dict[str, float]])
    )
    stages = read_stages(run_dir / "dataflow.onnx", cycles or {}, resources or {})
    drawn = {"total", *(stage.name for stage in stages or ())}
    proofs = read_json(run_dir / "verification.json", TypeAdapter(list[Proof]))
    run = Run(
        path=run_dir,
        summary=read_json(run_dir / "summary.json", TypeAdapter(Summary)),
        proofs=None if proofs is None else tuple(proofs),
        pruning=pruning,
        epochs=read_metrics(run_dir / "metrics.jsonl"),
        baseline=read_metrics(run_dir / "baseline/metrics.jsonl"),
        thresholds=read_thresholds(run_dir / "streamlined.onnx"),
        stages=stages,
        plumbing={name: found for name, found in (resources or {}).items() if name not in drawn},
        performance=read_json(run_dir / "report/estimate_network_performance.json", TypeAdapter(Performance)),
        hardware=read_json(run_dir / "report/comparison.json", TypeAdapter(Hardware)),
        folding=read_json(run_dir / "report/folding.json", TypeAdapter(FoldingQuality)),
        rtl=read_json(run_dir / "rtl.json", TypeAdapter(Rtl)),
        flow=flow,
        steps=_steps(run_dir),
    )
    if not any((run.summary, run.proofs, run.pruning, run.epochs, run.stages, run.thresholds)):
        raise BadInput(
            str(run_dir),
            "holds none of a run's files",
            "make one: etb-hw run flows/digits.toml --out " + str(run_dir),
        )
    return run


def read_json(path: Path, shape: TypeAdapter[T]) -> T | None:
    """A JSON file of a known shape, None where there is no file."""
    try:
        return shape.validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadInput(str(path), f"cannot be read ({error.strerror})", "check its permissions") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BadInput(str(path), f"{place + ': ' if place else ''}{first['msg']}", AGAIN) from None


def _steps(run_dir: Path) -> tuple[StepTime, ...]:
    """The steps in the order they ran (a step's record is written when it ends)."""
    found = []
    for path in sorted((run_dir / ".steps").glob("*.json"), key=lambda file: file.stat().st_mtime):
        try:
            found.append(StepTime(path.stem, float(json.loads(path.read_text(encoding="utf-8"))["seconds"])))
        except (OSError, ValueError, KeyError, TypeError):  # only a running time: do without
            continue
    return tuple(found)
