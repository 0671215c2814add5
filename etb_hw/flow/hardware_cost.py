"""What hardware a network costs, for training: LUTs as a function of widths, and an estimate of a result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch

from etb_hw import qonnx_io
from etb_hw.config import BuildConfig, Flow
from etb_hw.data import Dataset
from etb_hw.dataflow import ResourceModel
from etb_hw.dataflow.blocks.mvau import Mvau
from etb_hw.dataflow.calibrated import load_calibration
from etb_hw.dataflow.design import design, effort_of, target_of
from etb_hw.dataflow.divisors import divisors
from etb_hw.dataflow.folding import Target, Weights, cycles_for, fold
from etb_hw.dataflow.lower import lower
from etb_hw.dataflow.resources import Resources
from etb_hw.dataflow.simulation import size_fifos
from etb_hw.errors import BadInput, InfeasibleTarget
from etb_hw.evolution.plan import Plan
from etb_hw.integer import BIPOLAR, DataType, IntegerGraph
from etb_hw.models import BinaryNet, NetSpec, specify
from etb_hw.models.norm import ChannelNorm
from etb_hw.pruning import Cost, HardNet, deployable, harden
from etb_hw.qonnx_io.export import exported_model
from etb_hw.quantizers import KINDS, ActivationKind
from etb_hw.training.budget import Budget

SPREAD = 5.0  # standard deviation of a stand-in's thresholds
RESERVE = 0.03  # of a budget: a design at its trained thresholds may take so much more than its stand-in


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
    spec = specify(flow.model, dataset.shape, len(dataset.classes), dataset.dtype)
    return LutCost(spec, cycles_for(flow.build.target_fps, flow.build.clk_ns), target_of(flow.build).model)


def training_budget(flow: Flow, dataset: Dataset) -> Budget | None:
    """What ``evolution.target_luts`` or ``target_share`` allow; None where a ratio is given.

    Raises BadInput where the flow names no device to have a share of.
    """
    evolution, build = flow.evolution, flow.build
    if not evolution.budgeted:
        return None
    spec = specify(flow.model, dataset.shape, len(dataset.classes), dataset.dtype)
    rate = f"{build.target_fps:,.0f} frames/s"
    if evolution.target_luts is not None:
        return Budget(
            Takes(spec, build, evolution.target_luts), f"{evolution.target_luts:,.0f} LUTs at {rate}"
        )
    if build.device is None:
        remedy = "give build.device, or evolution.target_luts"
        raise BadInput("evolution.target_share", "is a share of a device, and none is given", remedy)
    assert evolution.target_share is not None
    words = f"{evolution.target_share:.0%} of {build.device} at {rate}"
    return Budget(Takes(spec, build.model_copy(update={"max_utilization": evolution.target_share})), words)


@dataclass(frozen=True)
class Takes:
    """The share of a budget that a network's whole design takes, folded and with its FIFOs sized.

    A stand-in of the same widths is built, with random weights and thresholds.

    Attributes:
        build: the frame rate, and the device with the share of it that may be used.
        luts: LUTs that may be used, block RAMs counted as the search weighs them; None: the device decides.
    """

    spec: NetSpec
    build: BuildConfig
    luts: float | None = None

    def __call__(self, widths: Mapping[str, int]) -> float:
        graph = lower(stand_in(self.spec.with_widths(widths)), clk_ns=self.build.clk_ns)
        asked = target_of(self.build)
        effort = effort_of(self.build)
        minimal = self.build.fifo_sizing == "minimal"

        def cost(target: Target) -> Resources:
            return size_fifos(fold(graph, target, effort).graph, minimal=minimal).graph.cost(asked.model)

        least = cost(replace(asked, device=None))
        if self.luts is not None:
            return asked.weights.of(least) / (self.luts * (1 - RESERVE))
        assert asked.device is not None
        allowed = asked.device.budget(asked.share * (1 - RESERVE))
        used = _fullest(least, allowed)
        if used <= 1:
            return used
        try:  # the cheapest design is too large in one resource: one that spares it may fit
            return _fullest(cost(replace(asked, limit=allowed)), allowed)
        except InfeasibleTarget:
            return used


def _fullest(used: Resources, allowed: Resources) -> float:
    pairs = zip(used.amounts, allowed.amounts, strict=True)
    return max((amount / limit if limit else float(amount > 0) * 2) for amount, limit in pairs)


def stand_in(spec: NetSpec) -> IntegerGraph:
    """A network of a topology that costs what a trained one does: its weights and thresholds are random."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = BinaryNet(spec)
        for module in net.modules():
            if isinstance(module, ChannelNorm) and module.running_mean is not None:
                module.running_mean.normal_(0.0, SPREAD)  # equal thresholds would cost less
        net.set_hard()
        module = deployable(harden(net))
        return qonnx_io.import_model(exported_model(module, module.input_shape))


@dataclass(frozen=True)
class LutCost:
    """LUT equivalents of all matrix products, each at its cheapest legal folding of ``cycles`` a frame.

    Counts with few divisors cost more, so that a controller that minimises this prefers counts that fold.
    """

    spec: NetSpec
    cycles: int
    model: ResourceModel

    def __call__(self, widths: Mapping[str, int]) -> float:
        total = 0.0
        for layer in self.spec.weighted:
            geometry = self.spec.geometry(layer, {**self.spec.widths, **widths})
            values = _values(self.spec, layer.inputs[0])
            size = (geometry.fan_in, geometry.outputs, geometry.sums)
            total += _matrix(*size, values, self.cycles, layer.name, self.model)
        return total


def _values(spec: NetSpec, tensor: str) -> DataType:
    if spec.is_pixels(tensor):
        return DataType.parse(spec.input_dtype)
    return _of_kind(spec.by_name[tensor].kind)


def _of_kind(kind: ActivationKind) -> DataType:
    return BIPOLAR if kind.signed else DataType.unsigned(kind.bits)


def luts(fps: float, clk_ns: float = 10.0) -> Callable[[Plan], Cost]:
    """What ``Evolution(model, count=luts(fps=1000))`` counts: LUT equivalents of a network of any kind.

    Args:
        fps: frames a second that the hardware must reach. clk_ns: its clock period.
    """
    model = load_calibration()
    return lambda plan: PlanLuts(plan, cycles_for(fps, clk_ns), model)


@dataclass(frozen=True)
class PlanLuts:
    """``LutCost`` of a network that was prepared by etb_hw.evolution."""

    plan: Plan
    cycles: int
    model: ResourceModel

    def __call__(self, widths: Mapping[str, int]) -> float:
        total = 0.0
        for layer in self.plan.layers:
            size = self.plan.geometry(layer, {**self.plan.widths, **widths})
            kind = None if layer.values is None else KINDS[layer.values]
            values = DataType.unsigned(8) if kind is None else _of_kind(kind)
            shape = (size.fan_in, size.outputs, size.sums)
            total += _matrix(*shape, values, self.cycles, layer.name, self.model)
        return total


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
            name, f"cannot run in {cycles} cycles a frame however it is folded", "lower build.target_fps"
        )
    return min(costs)


def _pace(block: Mvau, pe: int, simd: int) -> int:
    return block.folded({"PE": pe, "SIMD": simd}).cycles


@dataclass(frozen=True)
class HardwareEstimate:
    """LUT, BRAM and frames/s of a finished network, folded as the flow asks (rows of the baseline table)."""

    build: BuildConfig

    def __call__(self, hard: HardNet) -> Mapping[str, float]:
        module = deployable(hard)
        graph = qonnx_io.import_model(exported_model(module, module.input_shape))
        made = design(graph, self.build)
        total = made.graph.cost(made.target.model)
        return {"lut": total.lut, "bram_18k": total.bram_18k, "fps": made.graph.fps}


def hardware_estimate(build: BuildConfig) -> HardwareEstimate | None:
    """The estimate that a flow asks for; None where it names neither frame rate nor device."""
    return None if build.target_fps is None and build.device is None else HardwareEstimate(build)
