"""Every file of a run folder. A new one gets its row here, and is named by the step that writes it."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from etb_hw.artifacts.hardware import BoardResult, Comparison, FoldingReport, Performance, RtlResult
from etb_hw.artifacts.run_file import Folder, IfPossible, JsonFile, LinesFile, RunFile
from etb_hw.artifacts.sizes import PruningReport
from etb_hw.artifacts.summary import DenseBaseline, Simulation, Summary
from etb_hw.artifacts.training import Epoch
from etb_hw.verification import Proof

NUMBERS: TypeAdapter[dict[str, float]] = TypeAdapter(dict[str, float])
TABLE: TypeAdapter[dict[str, dict[str, float]]] = TypeAdapter(dict[str, dict[str, float]])
ANY: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])

# of the runner
FLOW = JsonFile("flow.json", "the flow file's values with all defaults", shape=ANY)
VERIFICATION = JsonFile(
    "verification.json",
    "a row a comparison: step, against, samples, mismatches, max_abs_diff, status",
    True,
    shape=TypeAdapter(tuple[Proof, ...]),
)
TIMES = JsonFile("times.json", "seconds that each step took when it last ran", shape=NUMBERS)

# train
CHECKPOINT = RunFile(
    "checkpoint.safetensors", "the slim, hardened network: one-bit weights, integer thresholds", True
)
METRICS = LinesFile(
    "metrics.jsonl",
    "a row an epoch: loss, accuracy, shares of binary, ternary and zero filters, thresholds",
    True,
    shape=TypeAdapter(Epoch),
)

# baseline
BASELINE = JsonFile("baseline.json", "accuracy of the dense network", shape=TypeAdapter(DenseBaseline))
BASELINE_MODEL = RunFile("baseline/model.qonnx.onnx", "the dense network as QONNX")
BASELINE_METRICS = LinesFile(
    "baseline/metrics.jsonl", "the dense network's training history", shape=TypeAdapter(Epoch)
)

# prune
PRUNING = JsonFile(
    "pruning.json",
    "filters, parameters, MACs and bytes before and after, in all and a layer",
    True,
    shape=TypeAdapter(PruningReport),
)

# export
MODEL = RunFile("model.qonnx.onnx", "the network in standard QONNX, exact in every executor", True)
FINN_MODEL = IfPossible(
    "model.finn.onnx", "the same for FINN, whose convolutions pad bipolar tensors with -1", True
)

# streamline
STREAMLINED = RunFile(
    "streamlined.onnx", "the integer graph in qonnx's ops: integer weights and multi-thresholds", True
)

# build: names are FINN's, but for report/folding.json
DATAFLOW = RunFile("dataflow.onnx", "hardware blocks in FINN's vocabulary, folded", True)
FOLDING_CONFIG = JsonFile(
    "auto_folding_config.json", "PE, SIMD and memory style a block, as FINN reads them", True, shape=ANY
)
HW_CONFIG = JsonFile("final_hw_config.json", "the folding and the FIFOs, as FINN reads them", shape=ANY)
FOLDING = JsonFile(
    "report/folding.json",
    "whether the folding is proved optimal, FIFO depths, simulated interval and latency",
    shape=TypeAdapter(FoldingReport),
)
LAYER_RESOURCES = JsonFile("report/estimate_layer_resources.json", "resources a block", shape=TABLE)
LAYER_CYCLES = JsonFile("report/estimate_layer_cycles.json", "cycles a frame, a block", shape=NUMBERS)
PERFORMANCE = JsonFile(
    "report/estimate_network_performance.json", "frame rate and latency", shape=TypeAdapter(Performance)
)
COUNTS = JsonFile("report/op_and_param_counts.json", "operations and parameters a block", shape=ANY)

# compare
COMPARISON = JsonFile(
    "report/comparison.json",
    "the dense and the pruned network in hardware, folded for the same target",
    shape=TypeAdapter(Comparison),
)

# simulate
SIMULATION = JsonFile(
    "simulation.json",
    "accuracy, confusion matrix, images a second over the whole test set",
    shape=TypeAdapter(Simulation),
)

# rtl
RTL_RESULT = JsonFile("rtl.json", "measured initiation interval and latency", shape=TypeAdapter(RtlResult))
RTL = Folder("rtl", "the SystemVerilog that was simulated")

# board
BOARD_RESULT = JsonFile(
    "board.json", "the board that the package is for, and its clock", shape=TypeAdapter(BoardResult)
)
PACKAGE = Folder("board", "all that the board needs to run the design: gateware, host program, test bench")

# report
SUMMARY = JsonFile("summary.json", "the figures that matter most", True, shape=TypeAdapter(Summary))
PAGE = RunFile("report.html", "the page with all of it")

OF_THE_RUNNER: tuple[RunFile, ...] = (FLOW, VERIFICATION, TIMES)
OF_THE_BUILD: tuple[RunFile, ...] = (
    DATAFLOW, FOLDING, FOLDING_CONFIG, HW_CONFIG, LAYER_RESOURCES, LAYER_CYCLES, PERFORMANCE, COUNTS,
)  # fmt: skip
RUN_FILES: tuple[RunFile, ...] = (
    *OF_THE_RUNNER,
    CHECKPOINT, METRICS, BASELINE, BASELINE_MODEL, BASELINE_METRICS, PRUNING, MODEL, FINN_MODEL, STREAMLINED,
    *OF_THE_BUILD,
    COMPARISON, SIMULATION, RTL_RESULT, RTL, BOARD_RESULT, PACKAGE, SUMMARY, PAGE,
)  # fmt: skip

# of the runner too, but no finished run has it
OUTDATED = JsonFile(
    "outdated.json",
    "only where a changed run has not come to its end: files of before, and the step that makes each anew",
    shape=TypeAdapter(dict[str, str]),
)

# what a step keeps for itself, so that it can go on where it was killed
TRAINING_STATE = "training.safetensors"
TEACHER_STATE = "teacher.safetensors"
TENSORBOARD = "tensorboard"  # a folder, where TensorBoard is installed or asked for
