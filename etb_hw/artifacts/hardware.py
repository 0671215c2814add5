"""What the design is and does: shapes of the reports of ``build``, ``compare`` and ``rtl``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Performance:
    """FINN's ``estimate_network_performance.json``."""

    critical_path_cycles: float
    max_cycles: float
    max_cycles_node_name: str
    estimated_throughput_fps: float
    estimated_latency_ns: float


@dataclass(frozen=True)
class FoldingReport:
    """How good the folding is known to be, and its streams as simulated.

    Attributes:
        resources: of the design by each resource model, by resource.
        objective_lut_equivalents, bound_lut_equivalents: what the folding costs, and what none is below.
        rate_bound: where the highest rate on a device was asked for: block, layer, cycles, reason, remedy.
    """

    resource_model: str
    resources: Mapping[str, Mapping[str, float]]
    objective_lut_equivalents: float
    bound_lut_equivalents: float
    optimal: bool
    fps_bound: float | None = None
    rate_bound: Mapping[str, str | int] | None = None
    simulated_interval_cycles: int | None = None
    simulated_latency_cycles: int | None = None


@dataclass(frozen=True)
class Figures:
    """One network in hardware. Latency is FINN's sum of cycles; bytes are those of the weights."""

    fps: float
    resources: Mapping[str, float]
    latency_us: float
    weight_bytes: int


@dataclass(frozen=True)
class Comparison:
    """Figures of each network by its name; None where a target cannot be met.

    Attributes:
        target_fps: the equal frame rate (None: not compared).
        device: the equal device's part (None: not compared).
    """

    target_fps: float | None
    device: str | None
    at_equal_fps: Mapping[str, Figures | None]
    on_equal_device: Mapping[str, Figures | None]


@dataclass(frozen=True)
class BoardResult:
    """What became of the package for a board.

    Attributes:
        board: in words; None where none was asked for.
        skipped: the tool that was missing, where one was.
        frames: that went through the simulated board.
        clock_mhz: of the design. fmax_mhz: what routing reached; None where it was not routed.
    """

    board: str | None = None
    skipped: str | None = None
    frames: int = 0
    clock_mhz: float | None = None
    fmax_mhz: float | None = None


@dataclass(frozen=True)
class RtlResult:
    """What the cycle-accurate simulation measured.

    Attributes:
        frames: streamed through; 0 where it was left out.
        skipped: the tool that was missing, where one was.
        initiation_interval, estimated_interval, latency: in cycles; the first is None for a single frame.
    """

    frames: int
    skipped: str | None = None
    simulator: str = ""
    initiation_interval: int | None = None
    estimated_interval: int | None = None
    latency: int | None = None
    fps: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Without figures where nothing was simulated."""
        if not self.frames:
            return {"frames": 0} if self.skipped is None else {"frames": 0, "skipped": self.skipped}
        return {name: value for name, value in vars(self).items() if name != "skipped"}
