"""What the ways to make windows have in common: the part of a sliding window that its folding decides."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from etb_hw.dataflow.block import Amounts, LargeMemory, RtlInstance
from etb_hw.dataflow.blocks.sliding_window.geometry import WindowGeometry
from etb_hw.dataflow.fabric.family import Fabric
from etb_hw.dataflow.machine import Machine
from etb_hw.dataflow.resources import Resources


class Form(ABC):
    """One way to make the windows of a ``SlidingWindow``: its cycles, memory, module and cost.

    Attributes:
        KIND: which fit of the calibrated model it belongs to.
    """

    KIND: ClassVar[str]

    def __init__(self, window: WindowGeometry) -> None:
        self.window = window

    @property
    def fold(self) -> int:
        """Input beats a pixel."""
        return self.window.channels // self.window.simd

    @property
    def out_lanes(self) -> int:
        """Values of a window in an output beat."""
        return self.window.simd

    @property
    @abstractmethod
    def cycles(self) -> int:
        """Cycles a frame of our RTL."""

    @property
    @abstractmethod
    def finn_cycles(self) -> int:
        """Cycles a frame by FINN's formula."""

    @abstractmethod
    def finn_resources(self) -> Resources:
        """Cost by FINN's formulas."""

    @property
    def memory(self) -> LargeMemory | None:
        """The buffer that may be made of block RAM."""
        return None

    @property
    def ram_styles(self) -> tuple[str, ...]:
        """What that buffer may be made of."""
        return () if self.memory is None else ("distributed", "block", "ultra")

    @property
    def registers(self) -> int:
        """Flip-flops behind that buffer, where it has them for a faster clock."""
        return 0

    @abstractmethod
    def machines(self) -> tuple[Machine, ...]:
        """How beats move."""

    @abstractmethod
    def rtl(self) -> RtlInstance:
        """The module and its parameters."""

    @abstractmethod
    def lut_amounts(self, fabric: Fabric) -> Amounts:
        """Parts of its LUTs."""

    @abstractmethod
    def ff_amounts(self, fabric: Fabric) -> Amounts:
        """Parts of its flip-flops."""
