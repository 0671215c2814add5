"""A trainee that is a torch module of the user's, which a flow file names as "module:function"."""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors.torch import save
from torch import Tensor, nn

from etb_hw.artifacts.sizes import PruningReport
from etb_hw.errors import BadInput, one_line
from etb_hw.evolution.cut import cut
from etb_hw.evolution.endings import without_ending
from etb_hw.evolution.net import PreparedNet
from etb_hw.evolution.network import Network, network_of
from etb_hw.evolution.note import Note, note_of, write_note
from etb_hw.evolution.plan import Keep, Plan
from etb_hw.evolution.prepare import grouped, prepare
from etb_hw.evolution.rules import Rules
from etb_hw.evolution.sizes import plan_bytes, plan_report
from etb_hw.evolution.slim import drawn, slim_and_proof
from etb_hw.files import write_bytes
from etb_hw.models.layers import Evolving, set_hard
from etb_hw.models.own import own_network
from etb_hw.models.spec import INPUT_DTYPES
from etb_hw.named_code import source_digest
from etb_hw.quantizers import ActivationKind
from etb_hw.training.inputs import Inputs, check_logits
from etb_hw.training.own_checkpoint import FORMAT
from etb_hw.verification import Proof

log = logging.getLogger("etb_hw")


@dataclass(frozen=True, eq=False)
class TrainedModule:
    """The slim module in stock Brevitas layers, and the evolved one that it came from. See ``Trained``."""

    trainee: OwnModule
    net: nn.Module
    evolved: nn.Module
    groups: Plan
    keep: Keep
    needs_code: ClassVar[bool] = True

    @property
    def dense(self) -> Plan:
        return self.trainee.groups

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.trainee.inputs.shape

    @property
    def input_dtype(self) -> str:
        return self.trainee.inputs.dtype

    def deployed(self) -> nn.Module:
        return self.net

    def prove_slim(self, x: Tensor) -> Proof:
        return slim_and_proof(self.evolved, x.float())[1]

    def bytes(self) -> int:
        return plan_bytes(self.groups, self.trainee.kinds, INPUT_DTYPES[self.input_dtype])

    def report(self, count: str, target: float, reached: float, budget: str | None) -> PruningReport:
        kinds, largest = self.trainee.kinds, INPUT_DTYPES[self.input_dtype]
        return plan_report(self.dense, self.groups, kinds, largest, count, target, reached, budget)

    def save(self, path: Path, notes: Mapping[str, Any]) -> None:
        inputs = self.trainee.inputs
        about = {
            "inputs": [inputs.shape, inputs.classes, inputs.dtype],
            "widths": dict(self.groups.widths),
            "keep": {group: channels.tolist() for group, channels in self.keep.items()},
        }
        header = {"format": FORMAT, "about": json.dumps(about), "notes": json.dumps(dict(notes))}
        tensors = {name: value.contiguous().clone() for name, value in self.evolved.state_dict().items()}
        write_bytes(path, save(tensors, metadata=header))


@dataclass(frozen=True, eq=False)
class OwnModule:
    """A module of the user's before pruning. See ``Trainee``.

    Attributes:
        named: its function, "module:function". inputs: what that is called with.
        groups: the groups of channels, at the widths that are trained. identity: what else decides a result.
        kinds: of the activations behind the layers, a group.
        narrowed: whether ``groups`` are narrower than the function's own module.
    """

    named: str
    inputs: Inputs
    groups: Plan
    identity: str
    kinds: Mapping[str, ActivationKind]
    narrowed: bool = False

    def reads(self) -> dict[str, ActivationKind | None]:
        return self.groups.reads()

    def about(self) -> dict[str, Any]:
        return {
            "source": source_digest(self.named), "network": self.identity, "widths": dict(self.groups.widths)
        }  # fmt: skip

    def fresh(self, form: Mapping[str, Any] | None = None) -> nn.Module:
        network = self._network()
        example, rules, additions = self.inputs.example(), network.rules, network.additions
        if form is None:
            made = prepare(network.module, example, rules, additions)  # says what stays whole, and why
        else:
            made, plan = grouped(network.module, example, rules, additions)
            write_note(made, Note(plan, plan, example))
        _check_same(self, made)
        _unit_deviation(made)
        if self.narrowed:
            made = _narrow(made, self.groups.widths)
        if form is not None and form["widths"] != self.groups.widths:
            made = _narrow(made, form["widths"])
        return made

    def _network(self) -> Network:
        where, inputs = f"model.function {self.named}", self.inputs
        return of_logits(where, own_network(self.named, inputs.shape, inputs.classes), inputs)

    def form(self, net: nn.Module) -> dict[str, Any]:
        return {"widths": dict(_plan(net).widths)}

    def root(self, net: nn.Module) -> nn.Module:
        return net

    def project(self, net: nn.Module) -> None:
        """Nothing: slopes of any sign are folded, and the evolution looks after thresholds."""

    def float_net(self) -> nn.Module:
        network = self._network()
        net = copy.deepcopy(network.module if network.teacher is None else network.teacher)
        where = f"model.function {self.named}"
        check_logits(where if network.teacher is None else f"{where}, its teacher", net, self.inputs)
        return net

    def finished(self, net: nn.Module, keep: Keep, sample: Tensor) -> tuple[TrainedModule, Proof]:
        evolved = copy.deepcopy(net).cpu().eval()
        slimmed, proof = slim_and_proof(evolved, sample.cpu().float())
        return self._trained(slimmed, evolved, _plan(evolved).widths, keep), proof

    def _trained(
        self, net: nn.Module, evolved: nn.Module, widths: Mapping[str, int], keep: Keep
    ) -> TrainedModule:
        return TrainedModule(self, net, evolved, self.groups.with_widths(widths), keep)

    def stand_in(self, widths: Mapping[str, int], spread: float) -> TrainedModule:
        net = PreparedNet(self.fresh({"widths": dict(self.groups.widths)}))
        return self._trained(drawn(net, widths, spread), net.module, widths, {})

    def load(self, path: Path, about: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> TrainedModule:
        """What ``TrainedModule.save`` wrote. Raises BadInput where that is of another network."""
        remedy = "train again: the module's code has changed since, or the file is another's"
        try:
            widths = {str(group): int(count) for group, count in about["widths"].items()}
            evolved = self.fresh({"widths": widths})
            evolved.load_state_dict(dict(tensors))
            keep = {str(group): torch.tensor(channels) for group, channels in about["keep"].items()}
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise BadInput(str(path), f"does not fit {self.named} ({one_line(error)})", remedy) from None
        if not all(bool(torch.isfinite(value).all()) for value in tensors.values()):
            raise BadInput(str(path), "has values that are not finite", "the file is damaged; train again")
        set_hard(evolved.eval())
        return self._trained(slim_and_proof(evolved)[0], evolved, widths, keep)


def of_logits(where: str, made: Any, inputs: Inputs) -> Network:
    """What a function gave, without a Softmax or the like behind the logits, which a flow's loss takes.

    Raises BadInput, about ``where``, for what is no network, and one that cannot be traced.
    """
    network = network_of(where, made)
    try:
        module = _up_to_logits(network.module, network.rules or {}, inputs)
    except BadInput as error:
        raise BadInput(f"{where}: {error.where}", error.reason, error.remedy) from error
    if module is not network.module:
        log.info("%s: what stands behind its logits is left out", where)
    teacher = network.teacher
    if teacher is not None:
        with suppress(BadInput):  # a teacher need not be one that can be traced
            teacher = _up_to_logits(teacher, {}, inputs)
    return replace(network, module=module, teacher=teacher)


def _up_to_logits(net: nn.Module, rules: Rules, inputs: Inputs) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        return without_ending(net, rules, inputs.example())


def _check_same(trainee: OwnModule, made: nn.Module) -> None:
    """Raise BadInput where the function gives another network than it gave before."""
    found, wanted = _plan(made).widths, trainee.groups.widths
    if list(found) != list(wanted) or not (trainee.narrowed or found == wanted):
        reason = "gives another network each time it is called"
        raise BadInput(f"model.function {trainee.named}", reason, "only weights may be random")


def _plan(net: nn.Module) -> Plan:
    note = note_of(net)
    assert note is not None, "every network of a trainee is prepared"
    return note.plan


@torch.no_grad()
def _narrow(net: nn.Module, widths: Mapping[str, int]) -> nn.Module:
    """A fresh network with only the first channels of each group, its thresholds as they start."""
    wide = PreparedNet(net)
    if set(widths) != set(wide.plan.widths) or any(
        not 1 <= n <= wide.plan.widths[g] for g, n in widths.items()
    ):
        raise ValueError("other groups of channels")
    keep = {group: torch.arange(widths[group]) for group in wide.plan.prunable}
    for group, channels in keep.items():
        wide.set_alive(group, (torch.arange(wide.plan.widths[group]) < len(channels)).float())
    made = cut(wide, keep)
    for module in made.module.modules():
        if isinstance(module, Evolving):
            module.quant.offset.zero_()
            module.quant.threshold.fill_(module.quant.initial)
    return made.module


@torch.no_grad()
def _unit_deviation(net: nn.Module) -> None:
    """Latent weights of unit deviation a filter, which change no sign: rates are made for them."""
    for module in net.modules():
        if isinstance(module, Evolving):
            module.latent.copy_(module.quant.standardise(module.latent))
