"""Run folders to report on: every file written by its own writer, around networks with random weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from etb_hw import qonnx_io
from etb_hw.artifacts.hardware import RtlResult
from etb_hw.artifacts.run_files import COMPARISON, METRICS, PRUNING, SUMMARY, VERIFICATION
from etb_hw.artifacts.summary import Summary
from etb_hw.artifacts.training import Epoch, Shares
from etb_hw.config import BuildConfig, Flow
from etb_hw.dataflow import Target, find_device, finn, finn_model, lower
from etb_hw.dataflow.comparison import compare
from etb_hw.dataflow.design import design, quality
from etb_hw.integer import IntegerGraph
from etb_hw.models import CLASSES, INPUT, LayerSpec, NetSpec
from etb_hw.pruning.sizes import report
from etb_hw.training.metrics import append
from etb_hw.verification import Proof
from hw_tests.networks import POOL, conv_net, resnet18

DENSE = {INPUT: 3, "conv0": 16, "conv1": 24, CLASSES: 10}
SLIM = {"conv0": 13, "conv1": 17}
PROOFS = (
    Proof("slim", "hardened", 256, 0, 0.0),
    Proof("model.qonnx.onnx in qonnx", "slim", 64, 0, 0.0),
    Proof("integer graph", "model.qonnx.onnx in qonnx", 64, 0, 0.0),
)


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def write_hardware(folder: Path, graph: IntegerGraph) -> dict[str, float]:
    """The ONNX files and FINN's reports; what a summary says of them."""
    folder.mkdir(parents=True, exist_ok=True)
    qonnx_io.write_streamlined(graph, folder / "streamlined.onnx")
    chosen = design(graph, BuildConfig(target_fps=2000.0))
    made = chosen.graph
    finn.write(made, folder)
    write_json(folder / "report/folding.json", quality(chosen))
    found = made.cost(finn_model)
    return {"estimated_fps": made.fps, "lut": found.lut, "bram_18k": found.bram_18k}


def write_training(folder: Path) -> None:
    """A plausible metrics.jsonl: twelve epochs, hardened after the sixth."""
    for epoch in range(1, 13):
        hard = epoch > 6
        zero = min(0.25, 0.05 * max(0, epoch - 2))
        binary = 1 - zero if hard else 0.1 * epoch
        append(
            METRICS.path(folder),
            Epoch(
                epoch=epoch,
                step=10 * epoch,
                phase="binary" if hard else "evolving",
                loss=2.0 / epoch,
                train_accuracy=1 - 0.7 / epoch,
                accuracy=1 - 0.8 / epoch,
                lr=0.01,
                shares=Shares(binary, 1 - binary - zero, zero),
                pruned=zero,
                widths=SLIM,
                activation_thresholds={} if hard else {"conv0": 0.05 * epoch, "conv1": 0.04 * epoch},
                weight_thresholds={} if hard else {"conv0": 0.03 * epoch},
                images_per_second=1000.0,
            ),
        )


def write_run(folder: Path, accuracy: float = 0.9) -> Path:
    """A finished run of a small padded conv net on ten classes."""
    graph = conv_net([SLIM["conv0"], POOL, SLIM["conv1"], POOL], [], (3, 8, 8))
    hardware = write_hardware(folder, graph)
    wide = conv_net([DENSE["conv0"], POOL, DENSE["conv1"], POOL], [], (3, 8, 8))
    both = compare(
        {"dense": lower(wide), "pruned": lower(graph)}, Target(fps=2000.0, device=find_device("Pynq-Z1"))
    )
    COMPARISON.write(folder, both)
    write_training(folder)
    write_training(folder / "baseline")
    layers = (
        LayerSpec("conv0", "conv", (INPUT,), "conv0", 3, 1, 1, 2),
        LayerSpec("conv1", "conv", ("conv0",), "conv1", 3, 1, 1, 2),
        LayerSpec("classifier", "classifier", ("conv1",), CLASSES),
    )
    dense = NetSpec("small", (3, 8, 8), 10, layers, DENSE)
    sizes = report(dense, dense.with_widths(SLIM), "parameters", 0.4, 0.41)
    PRUNING.write(folder, sizes)
    VERIFICATION.write(folder, PROOFS)
    write_json(folder / "flow.json", Flow(build=BuildConfig(device="Pynq-Z1")).model_dump(mode="json"))
    confusion = [[9 if i == j else 0 for j in range(10)] for i in range(10)]
    confusion[3][8] = 1
    summary = Summary(
        model="small",
        data="noise <b>&",
        accuracy_torch=accuracy,
        accuracy_integer=accuracy,
        accuracy_dense_baseline=0.95,
        accuracy_float_teacher=None,
        pruned_filter_ratio=sizes.filters.ratio,
        pruned_parameter_ratio=sizes.parameters.ratio,
        pruned_mac_ratio=sizes.macs.ratio,
        size_bytes=sizes.bytes.after,
        clk_ns=10.0,
        resource_model="finn",
        folding_proved_optimal=True,
        lut_finn=1000.0,
        simulated_images=100,
        simulated_images_per_second=1000.0,
        comparison=both,
        rtl=RtlResult(0),
        versions={"etb-hw": "0", "torch": "2"},
        classes=tuple(f"class {i}" for i in range(10)),
        confusion=tuple(map(tuple, confusion)),
        **hardware,
    )
    SUMMARY.write(folder, summary)
    return folder


@pytest.fixture(scope="session")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "small")


@pytest.fixture(scope="session")
def other_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "other", accuracy=0.92)


@pytest.fixture(scope="session")
def residual_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Only the hardware of a residual network: the training files are missing."""
    folder = tmp_path_factory.mktemp("runs") / "residual"
    write_hardware(folder, resnet18((8, 12), size=8, blocks=1))
    return folder


@pytest.fixture
def make_run() -> Callable[[Path], Path]:
    return write_run
