"""What hardware a network costs, for training: LUTs as a function of widths, and an estimate of a result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from etb_hw import qonnx_io
from etb_hw.config import BuildConfig, Flow
from etb_hw.data import Dataset
from etb_hw.dataflow import ResourceModel
from etb_hw.dataflow.blocks.mvau import Mvau
from etb_hw.dataflow.calibrated import load_calibration
from etb_hw.dataflow.design import design, target_of
from etb_hw.dataflow.divisors import divisors
from etb_hw.dataflow.folding import Weights, cycles_for
from etb_hw.errors import BadInput, InfeasibleTarget
from etb_hw.evolution.plan import Plan
from etb_hw.integer import BIPOLAR, DataType, IntegerGraph
from etb_hw.models.groups import Sized
from etb_hw.pruning import Cost
from etb_hw.qonnx_io.export import exported_model
from etb_hw.quantizers import ActivationKind
from etb_hw.training.trainee import Trained
from etb_hw.training.trainees import trainee_of


def training_cost(flow: Flow, dataset: Dataset) -> Cost | None:
    """The cost that ``evolution.count = "luts"`` counts, or by which a budget's progress is counted.

    None for the counts that training knows itself. Raises BadInput where the flow names no frame rate: LUTs
    depend on it.
    """
    if flow.evolution.count != "luts" and not flow.evolution.budgeted:
        return None
    if flow.build.target_fps is None:
        key = "evolution.count" if not flow.evolution.budgeted else "evolution.target_luts"
        remedy = "give build.target_fps, or count parameters"
        raise BadInput(key, "luts depend on the frame rate", remedy)
    trainee = trainee_of(flow.model, dataset)
    cycles = cycles_for(flow.build.target_fps, flow.build.clk_ns)
    pixels = DataType.parse(dataset.dtype)
    return LutCost(trainee.groups, trainee.reads(), pixels, cycles, target_of(flow.build).model)


def luts(fps: float, clk_ns: float = 10.0) -> Callable[[Plan], Cost]:
    """What ``Evolution(model, count=luts(fps=1000))`` counts: LUT equivalents of a network of any kind.

    Args:
        fps: frames a second that the hardware must reach. clk_ns: its clock period.
    """
    model = load_calibration()
    return lambda plan: LutCost(plan, plan.reads(), DataType.unsigned(8), cycles_for(fps, clk_ns), model)


@dataclass(frozen=True)
class LutCost:
    """LUT equivalents of all matrix products, each at its cheapest legal folding of ``cycles`` a frame.

    Counts with few divisors cost more, so that a controller that minimises this prefers counts that fold.

    Attributes:
        reads: the kind of activations that a layer with weights reads; None where it reads ``pixels``.
    """

    groups: Sized
    reads: Mapping[str, ActivationKind | None]
    pixels: DataType
    cycles: int
    model: ResourceModel

    def __call__(self, widths: Mapping[str, int]) -> float:
        total = 0.0
        for layer in self.groups.weighted:
            size = self.groups.geometry(layer, {**self.groups.widths, **widths})
            kind = self.reads[layer.name]
            values = self.pixels if kind is None else _of_kind(kind)
            total += _matrix(
                size.fan_in, size.outputs, size.sums, values, self.cycles, layer.name, self.model
            )
        return total


def _of_kind(kind: ActivationKind) -> DataType:
    return BIPOLAR if kind.signed else DataType.unsigned(kind.bits)


@lru_cache(maxsize=65536)
def _matrix(
    inputs: int, outputs: int, sums: int, values: DataType, cycles: int, name: str, model: ResourceModel
) -> float:
    rng = np.random.default_rng(0)
    block = Mvau(
        name=name,
        layer=name,
        weights=np.ones((outputs, inputs), dtype=np.int64),
        weight_dtype=BIPOLAR,
        input_dtype=values,
        output_dtype=BIPOLAR,
        thresholds=rng.integers(-inputs // 4, inputs // 4 + 1, (outputs, 1)),  # equal ones would cost less
        pixels=(sums, 1),
    )
    # for every PE the least SIMD that is fast enough
    simds = (
        (pe, next((s for s in divisors(inputs) if _pace(block, pe, s) <= cycles), 0))
        for pe in divisors(outputs)
    )
    costs = [Weights().of(model(block.folded({"PE": pe, "SIMD": simd}))) for pe, simd in simds if simd]
    if not costs:
        raise InfeasibleTarget(
            name,
            f"cannot run in {cycles} cycles a frame however it is folded",
            "ask for fewer frames a second (build.target_fps of a flow file, fps in your own loop)",
        )
    return min(costs)


def _pace(block: Mvau, pe: int, simd: int) -> int:
    return block.folded({"PE": pe, "SIMD": simd}).cycles


def graph_of(trained: Trained) -> IntegerGraph:
    """The integer graph of a slim network. Raises as its export and import do."""
    dtype = DataType.parse(trained.input_dtype)
    return qonnx_io.import_model(exported_model(trained.deployed(), trained.input_shape, dtype))


@dataclass(frozen=True)
class HardwareEstimate:
    """LUT, BRAM and frames/s of a finished network, folded as the flow asks (rows of the baseline table)."""

    build: BuildConfig

    def __call__(self, trained: Trained) -> Mapping[str, float]:
        made = design(graph_of(trained), self.build)
        total = made.graph.cost(made.target.model)
        return {"lut": total.lut, "bram_18k": total.bram_18k, "fps": made.graph.fps}


def hardware_estimate(build: BuildConfig) -> HardwareEstimate | None:
    """The estimate that a flow asks for; None where it names neither frame rate nor device."""
    return None if build.target_fps is None and build.device is None else HardwareEstimate(build)
