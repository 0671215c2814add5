"""What a run trains, and what it leaves: a topology's network and a user's module answer alike."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, nn

from etb_hw.artifacts.sizes import PruningReport
from etb_hw.evolution.plan import Keep
from etb_hw.models.groups import Sized
from etb_hw.quantizers import ActivationKind
from etb_hw.verification import Proof


class Trained(Protocol):
    """The slim network that a run leaves: binary, without its dead channels, on the CPU."""

    @property
    def net(self) -> nn.Module:
        """Evaluates it. Input: integers (N, C, H, W); output: logits (N, classes)."""

    @property
    def dense(self) -> Sized:
        """The network before pruning."""

    @property
    def groups(self) -> Sized:
        """The network with the channels that stayed."""

    @property
    def keep(self) -> Keep:
        """Which stayed, a group that may lose some."""

    @property
    def input_shape(self) -> tuple[int, ...]: ...
    @property
    def input_dtype(self) -> str:
        """Of the integers that it reads, such as UINT8."""

    @property
    def needs_code(self) -> bool:
        """Whether its checkpoint can only be read with code of the user's."""

    def deployed(self) -> nn.Module:
        """The same in stock Brevitas layers, for export."""

    def prove_slim(self, x: Tensor) -> Proof:
        """That cutting changed no logit, on these inputs. Raises ProofFailed."""

    def bytes(self) -> int:
        """Packed weights, and thresholds as wide as the sums that they are compared with."""

    def report(self, count: str, target: float, reached: float, budget: str | None) -> PruningReport:
        """What pruning saved, for a target that stands in the first arguments."""

    def save(self, path: Path, notes: Mapping[str, Any]) -> None:
        """Write checkpoint.safetensors, whole or not at all, with these notes (JSON values) in its header."""


class Trainee(Protocol):
    """A network as it is before pruning, of which any number of fresh ones can be made.

    What is random in a fresh network comes from torch's generator.
    """

    @property
    def groups(self) -> Sized:
        """Channels that live or die together, and sizes."""

    def reads(self) -> Mapping[str, ActivationKind | None]:
        """The kind of activations that each layer with weights reads; None where it reads the input."""

    def about(self) -> dict[str, Any]:
        """All of the network that decides what training makes of it (JSON values)."""

    def fresh(self, form: Mapping[str, Any] | None = None) -> nn.Module:
        """A prepared network, as wide as ``groups`` say, or as a state's ``form`` does."""

    def form(self, net: nn.Module) -> dict[str, Any]:
        """How wide a network of ``fresh`` is by now (JSON values)."""

    def root(self, net: nn.Module) -> nn.Module:
        """The part of it by which states name its parameters."""

    def project(self, net: nn.Module) -> None:
        """Return to its range what an optimizer's step may have moved out of it."""

    def float_net(self) -> nn.Module:
        """A fresh float network that may teach it. Raises BadInput where there is none."""

    def finished(self, net: nn.Module, keep: Keep, sample: Tensor) -> tuple[Trained, Proof]:
        """What a network that is binary for good leaves, proved on a sample to compute the same."""

    def stand_in(self, widths: Mapping[str, int], spread: float) -> Trained:
        """A network of these widths that nobody trained, its thresholds drawn with this deviation."""
