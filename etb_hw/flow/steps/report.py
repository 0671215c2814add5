"""The summary of a run, and its HTML page."""

from __future__ import annotations

from importlib.metadata import version

from etb_hw.artifacts.run_files import (
    BASELINE,
    COMPARISON,
    FOLDING,
    LAYER_RESOURCES,
    METRICS,
    PAGE,
    PERFORMANCE,
    PRUNING,
    RTL_RESULT,
    SIMULATION,
    SUMMARY,
)
from etb_hw.artifacts.summary import Summary
from etb_hw.files import write_text
from etb_hw.flow.loggers import Loggers
from etb_hw.flow.step import Context, Step
from etb_hw.report import render
from etb_hw.report.run import READ
from etb_hw.verification import Proof

PACKAGES = ("etb-hw", "torch", "brevitas", "qonnx", "onnx", "onnxruntime", "numpy", "numba", "ortools")


def _run(context: Context) -> list[Proof]:
    pruning, simulated = context.read(PRUNING), context.read(SIMULATION)
    folding, baseline = context.read(FOLDING), context.read(BASELINE)
    resources, performance = context.read(LAYER_RESOURCES)["total"], context.read(PERFORMANCE)
    summary = Summary(
        model=pruning.model,
        data=context.dataset.source,
        accuracy_torch=simulated.accuracy_torch,
        accuracy_integer=simulated.accuracy_integer,
        accuracy_dense_baseline=baseline.accuracy,
        accuracy_float_teacher=baseline.accuracy_teacher,
        pruned_filter_ratio=pruning.filters.ratio,
        pruned_parameter_ratio=pruning.parameters.ratio,
        pruned_mac_ratio=pruning.macs.ratio,
        size_bytes=pruning.bytes.after,
        estimated_fps=performance.estimated_throughput_fps,
        clk_ns=context.flow.build.clk_ns,
        lut=resources["LUT"],
        bram_18k=resources["BRAM_18K"],
        resource_model=folding.resource_model,
        folding_proved_optimal=folding.optimal,
        lut_finn=folding.resources["finn"]["lut"],
        simulated_images=simulated.images,
        simulated_images_per_second=simulated.images_per_second,
        comparison=context.read(COMPARISON),
        rtl=context.read(RTL_RESULT),
        versions={name: version(name) for name in PACKAGES},
        classes=simulated.classes,
        confusion=simulated.confusion,
    )
    context.write(SUMMARY, summary)
    write_text(context.path(PAGE), render(context.run_dir))
    history = METRICS.read(context.run_dir) or ()
    with Loggers(context.flow, context.run_dir, "train") as loggers:
        for file in (SUMMARY, PAGE):
            loggers.file(history[-1].step if history else 0, context.path(file))
    return []


STEP = Step(
    "report", "Summarise", lambda flow: flow.model_dump(mode="json"),
    (*(file for file in READ if file is not SUMMARY), BASELINE, SIMULATION), (SUMMARY, PAGE), _run,
)  # fmt: skip
