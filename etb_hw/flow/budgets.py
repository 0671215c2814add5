"""Budgets of hardware that pruning goes on for: what the whole design of a network takes, at any widths."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from pydantic import ValidationError

from etb_hw.config import BuildConfig, Flow
from etb_hw.data import Dataset
from etb_hw.dataflow.design import effort_of, target_of
from etb_hw.dataflow.folding import Target, cycles_for, fold
from etb_hw.dataflow.lower import lower
from etb_hw.dataflow.resources import Resources
from etb_hw.dataflow.simulation import size_fifos
from etb_hw.errors import BadInput, InfeasibleTarget
from etb_hw.evolution.budget import Budget
from etb_hw.evolution.evolve import BudgetOf
from etb_hw.evolution.net import PreparedNet
from etb_hw.flow.hardware_cost import LutCost
from etb_hw.flow.rehearsal import rehearsed, stand_in
from etb_hw.integer import DataType, IntegerGraph
from etb_hw.pruning import Cost
from etb_hw.qonnx_io import ImportOptions
from etb_hw.training.trainees import trainee_of

Made: TypeAlias = Callable[[Mapping[str, int]], IntegerGraph]
RESERVE = 0.03  # of a budget: a design at its trained thresholds may take so much more than its stand-in


def training_budget(flow: Flow, dataset: Dataset) -> Budget | None:
    """What ``evolution.target_luts`` or ``target_share`` allow; None where a ratio is given.

    Raises BadInput where the flow names no device to have a share of.
    """
    evolution, build = flow.evolution, flow.build
    if not evolution.budgeted:
        return None
    trainee = trainee_of(flow.model, dataset)

    def made(widths: Mapping[str, int]) -> IntegerGraph:
        return stand_in(trainee, widths)

    if evolution.target_luts is not None:
        return _budget(made, build, evolution.target_luts)
    if build.device is None:
        remedy = "give build.device, or evolution.target_luts"
        raise BadInput("evolution.target_share", "is a share of a device, and none is given", remedy)
    return _budget(made, build.model_copy(update={"max_utilization": evolution.target_share}))


def budget(
    fps: float,
    luts: float | None = None,
    *,
    device: str | None = None,
    share: float = 0.7,
    clk_ns: float = 10.0,
    input_dtype: str = "uint8",
    options: ImportOptions | None = None,
) -> BudgetOf:
    """What ``Evolution(model, budget(fps=1000, luts=4000), steps=...)`` cuts for, in a network of any kind.

    Now and then a stand-in of the network's present widths goes all the way to a folded design with FIFOs.

    Args:
        fps: frames a second that the hardware must reach. clk_ns: its clock period.
        luts: LUTs that the whole design may take, a block RAM of 18 kbit counted as 190.
        device: a board or part instead; the design may take this ``share`` of each of its resources.
        input_dtype: what the network reads. options: how its input comes from integers, where it does not.

    Raises BadInput for neither or both of LUTs and device, or a device that is not known.
    """
    if (luts is None) == (device is None):
        raise BadInput("etb_hw.budget", "needs either LUTs or a device", "give luts=4000 or device='Pynq-Z1'")
    try:
        build = BuildConfig(target_fps=fps, device=device, max_utilization=share, clk_ns=clk_ns)
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput(
            f"etb_hw.budget: {first['loc'][0]}", first["msg"], "give a number in that range"
        ) from None
    dtype, asked = DataType.parse(input_dtype), target_of(build)

    def of(net: PreparedNet) -> tuple[Cost, Budget]:
        def made(widths: Mapping[str, int]) -> IntegerGraph:
            return rehearsed(net, widths, dtype, options)

        plan = net.note.original
        cost = LutCost(plan, plan.reads(), dtype, cycles_for(fps, clk_ns), asked.model)
        return cost, _budget(made, build, luts)

    return of


def _budget(made: Made, build: BuildConfig, luts: float | None = None) -> Budget:
    what = f"{luts:,.0f} LUTs" if luts is not None else f"{build.max_utilization:.0%} of {build.device}"
    return Budget(Takes(made, build, luts), f"{what} at {build.target_fps:,.0f} frames/s")


@dataclass(frozen=True)
class Takes:
    """The share of a budget that a network's whole design takes, folded and with its FIFOs sized.

    Attributes:
        made: a stand-in of the network at these widths.
        build: the frame rate, and the device with the share of it that may be used.
        luts: LUTs that may be used, block RAMs counted as the search weighs them; None: the device decides.
    """

    made: Made
    build: BuildConfig
    luts: float | None = None

    def __call__(self, widths: Mapping[str, int]) -> float:
        writable = self.build.weights == "writable"
        graph = lower(self.made(widths), clk_ns=self.build.clk_ns, writable=writable)
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
