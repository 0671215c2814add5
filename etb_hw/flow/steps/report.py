"""The summary of a run, and its HTML page."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from etb_hw.errors import BadInput
from etb_hw.files import write_json, write_text
from etb_hw.flow.step import Context, Step
from etb_hw.flow.steps import baseline, build, compare, rtl, simulate
from etb_hw.report import render
from etb_hw.verification import Proof

FILE = "summary.json"
RESOURCES = "report/estimate_layer_resources.json"
PACKAGES = ("etb-hw", "torch", "brevitas", "qonnx", "onnx", "onnxruntime", "numpy", "numba", "ortools")
PERFORMANCE = "report/estimate_network_performance.json"


def read_summary(run_dir: Path) -> dict[str, Any]:
    """The content of ``summary.json``. Raises BadInput where there is none."""
    values: dict[str, Any] = read_result(run_dir, FILE)
    return values


def read_result(run_dir: Path, name: str) -> Any:
    """The content of a JSON file that a finished run has. Raises BadInput where there is none."""
    path = run_dir / name
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise BadInput(str(path), "cannot be read", "run the flow to its end: etb-hw run FLOW.toml") from None


def _run(context: Context) -> list[Proof]:
    read = {name: json.loads(context.path(name).read_text(encoding="utf-8")) for name in STEP.reads}
    pruning, simulated = read["pruning.json"], read[simulate.FILE]
    folding = read[build.FILE]
    resources, performance = read[RESOURCES]["total"], read[PERFORMANCE]
    write_json(
        context.path(FILE),
        {
            "model": pruning["model"],
            "data": context.dataset.source,
            "accuracy_torch": simulated["accuracy_torch"],
            "accuracy_integer": simulated["accuracy_integer"],
            "accuracy_dense_baseline": read[baseline.FILE]["accuracy"],
            "accuracy_float_teacher": read[baseline.FILE]["accuracy_teacher"],
            "pruned_filter_ratio": pruning["filters"]["ratio"],
            "pruned_parameter_ratio": pruning["parameters"]["ratio"],
            "pruned_mac_ratio": pruning["macs"]["ratio"],
            "size_bytes": pruning["bytes"]["after"],
            "estimated_fps": performance["estimated_throughput_fps"],
            "clk_ns": context.flow.build.clk_ns,
            "lut": resources["LUT"],
            "bram_18k": resources["BRAM_18K"],
            "resource_model": folding["resource_model"],
            "folding_proved_optimal": folding["optimal"],
            "lut_calibrated": folding["resources"]["calibrated"]["lut"],
            "simulated_images": simulated["images"],
            "simulated_images_per_second": simulated["images_per_second"],
            "comparison": read[compare.FILE],
            "rtl": read[rtl.FILE],
            "versions": {name: version(name) for name in PACKAGES},
            "classes": simulated["classes"],
            "confusion": simulated["confusion"],
        },
    )
    write_text(context.path("report.html"), render(context.run_dir))
    return []


STEP = Step(
    "report", "Summarise", lambda flow: flow.model_dump(mode="json"),
    (
        "pruning.json", baseline.FILE, build.FILE, compare.FILE, simulate.FILE, rtl.FILE,
        RESOURCES, PERFORMANCE,
    ),
    (FILE, "report.html"), _run,
)  # fmt: skip
