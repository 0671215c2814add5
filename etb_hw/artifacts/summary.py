"""The accuracy of a run, and its summary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from etb_hw.artifacts.hardware import Comparison, RtlResult


@dataclass(frozen=True)
class DenseBaseline:
    """The same network trained without pruning. Accuracies are shares of the test set; None: not trained."""

    accuracy: float | None
    accuracy_teacher: float | None
    seconds: float


@dataclass(frozen=True)
class Simulation:
    """The integer graph over the whole test set. ``confusion``: images by label, then by answer."""

    accuracy_torch: float
    accuracy_integer: float
    images: int
    images_per_second: float
    kernel: str
    threads: int
    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Summary:
    """A run in one object: page, terminal and model card take their figures from here.

    Ratios are shares that were cut; accuracies are shares of the test set. Only figures that a run of an
    older version may lack are optional.

    Attributes:
        accuracy_dense_baseline: None where the flow did not train one.
        lut, bram_18k: with FIFOs, by ``resource_model``; ``lut_finn`` by FINN's formulas.
        comparison: this network and its dense baseline in hardware.
        versions: of the packages that decide the bits.
    """

    model: str
    data: str
    accuracy_torch: float
    accuracy_integer: float
    accuracy_dense_baseline: float | None
    accuracy_float_teacher: float | None
    pruned_filter_ratio: float
    pruned_parameter_ratio: float
    pruned_mac_ratio: float
    size_bytes: int
    estimated_fps: float
    clk_ns: float
    lut: float
    bram_18k: float
    resource_model: str
    folding_proved_optimal: bool
    lut_finn: float
    simulated_images: int
    simulated_images_per_second: float
    comparison: Comparison
    rtl: RtlResult
    versions: Mapping[str, str]
    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...] = field(default=())
