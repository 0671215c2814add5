"""What is asked of a design: how fast, on what, and by whose prices."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

from etb_hw.dataflow.devices import Device
from etb_hw.dataflow.folding.weights import Weights
from etb_hw.dataflow.resource_model import ResourceModel, finn_model
from etb_hw.dataflow.resources import Resources


@dataclass(frozen=True, kw_only=True)
class Target:
    """A frame rate, a device, or both.

    With a rate: least weighted resources that reach it, within the device if there is one. With a device
    alone: the highest rate that fits it, and the least resources at that rate.

    Attributes:
        fps: frames a second to reach. cycles: the same as clock cycles that a frame may take.
        device: the part to fit. share: of every resource of it that may be used.
        limit: a budget instead of a device's; what is left at 0 may not be used.
        model: what blocks cost; FINN's formulas by default.
        weights: what a unit of each resource counts.
    """

    fps: float | None = None
    cycles: int | None = None
    device: Device | None = None
    share: float = 0.7
    limit: Resources | None = None
    model: ResourceModel = finn_model
    weights: Weights = Weights()  # noqa: RUF009 (frozen)

    @property
    def budget(self) -> Resources | None:
        """What may be used at most; None: all one wants."""
        if self.limit is not None or self.device is None:
            return self.limit
        return self.device.budget(self.share)

    def cycles_at(self, clk_ns: float) -> int | None:
        """Cycles that a frame may take at a clock period; None where no rate is asked for."""
        if self.cycles is not None or self.fps is None:
            return self.cycles
        return cycles_for(self.fps, clk_ns)

    @property
    def place(self) -> str:
        """The budget in words."""
        if self.device is None or self.budget is None:
            return "the given limits"
        return f"{self.budget.lut / self.device.resources.lut:.0%} of {self.device.part}"


def cycles_for(fps: float, clk_ns: float) -> int:
    """Cycles a frame may take at a frame rate."""
    # the tolerance keeps a rate that was computed from whole cycles on those cycles
    return max(0, floor(1e9 / (clk_ns * fps) + 1e-6))
