"""A trainee that a specification describes: a topology of ours, or one of the user's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from etb_hw.artifacts.sizes import PruningReport
from etb_hw.errors import BadInput
from etb_hw.evolution.plan import Keep
from etb_hw.evolution.topologies import prepared
from etb_hw.models import BinaryNet, FloatTwin, NetSpec
from etb_hw.models.layers import set_hard
from etb_hw.models.norm import ChannelNorm
from etb_hw.pruning.checkpoint import load_checkpoint, save_checkpoint
from etb_hw.pruning.deploy import deployable
from etb_hw.pruning.hard import HardNet, harden
from etb_hw.pruning.sizes import report, size_bytes
from etb_hw.quantizers import ActivationKind
from etb_hw.training.evaluate import logits
from etb_hw.verification import Proof, prove


@dataclass(frozen=True, eq=False)
class TrainedTopology:
    """Its slim integer network, what it was before, and which channels are left. See ``Trained``."""

    net: HardNet
    dense: NetSpec
    keep: Keep
    needs_code: ClassVar[bool] = False

    @property
    def groups(self) -> NetSpec:
        return self.net.spec

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.net.spec.input_shape

    @property
    def input_dtype(self) -> str:
        return self.net.spec.input_dtype

    def deployed(self) -> nn.Module:
        return deployable(self.net)

    def prove_slim(self, x: Tensor) -> Proof:
        return self._against("hardened at full width", x)

    def _against(self, before: str, x: Tensor) -> Proof:
        widened = self.net.widened(self.dense, self.keep)
        found, full = (logits(net, x).numpy() for net in (self.net, widened))
        return prove("slim", before, found, full, "logits")

    def bytes(self) -> int:
        return size_bytes(self.groups)

    def report(self, count: str, target: float, reached: float, budget: str | None) -> PruningReport:
        return report(self.dense, self.groups, count, target, reached, budget)

    def save(self, path: Path, notes: Mapping[str, Any]) -> None:
        keep = {group: channels.tolist() for group, channels in self.keep.items()}
        save_checkpoint(self.net, path, {**notes, "dense": self.dense.to_json(), "keep": keep})


@dataclass(frozen=True, eq=False)
class Topology:
    """What a specification describes, before pruning. See ``Trainee``."""

    groups: NetSpec

    def reads(self) -> dict[str, ActivationKind | None]:
        spec = self.groups
        return {
            layer.name: None if spec.is_pixels(read) else spec.by_name[read].kind
            for layer in spec.weighted
            for read in layer.inputs
        }

    def about(self) -> dict[str, Any]:
        return self.groups.to_json()

    def fresh(self, form: Mapping[str, Any] | None = None) -> BinaryNet:
        return prepared(BinaryNet(self.groups if form is None else NetSpec.from_json(dict(form))))

    def form(self, net: nn.Module) -> dict[str, Any]:
        return _ours(net).spec.to_json()

    def root(self, net: nn.Module) -> nn.Module:
        return _ours(net).layers

    def project(self, net: nn.Module) -> None:
        _ours(net).project()

    def float_net(self) -> FloatTwin:
        return FloatTwin(self.groups)

    def finished(self, net: nn.Module, keep: Keep, sample: Tensor) -> tuple[TrainedTopology, Proof]:
        trained = TrainedTopology(harden(_ours(net)), self.groups, keep)
        return trained, trained._against("hardened, at full width with zero filters", sample)

    @torch.no_grad()
    def stand_in(self, widths: Mapping[str, int], spread: float) -> TrainedTopology:
        spec = self.groups.with_widths(widths)
        net = BinaryNet(spec)
        for module in net.modules():
            if spread and isinstance(module, ChannelNorm) and module.running_mean is not None:
                module.running_mean.normal_(0.0, spread)
        set_hard(net)
        return TrainedTopology(harden(net), spec, {})


def load_topology(path: Path) -> tuple[TrainedTopology, dict[str, Any]]:
    """What ``TrainedTopology.save`` wrote, and the notes. Raises BadInput for damaged and foreign files."""
    net, notes = load_checkpoint(path)
    try:
        dense = NetSpec.from_json(notes["dense"])
        keep = {group: torch.tensor(channels) for group, channels in notes["keep"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"does not say what it was before pruning ({type(error).__name__})"
        raise BadInput(str(path), reason, "give the checkpoint.safetensors of a run") from None
    return TrainedTopology(net, dense, keep), notes


def _ours(net: nn.Module) -> BinaryNet:
    assert isinstance(net, BinaryNet)
    return net
