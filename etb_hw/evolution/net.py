"""A prepared network as the controller sees it: quantizers a group, whatever their modules are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from etb_hw.errors import BadInput
from etb_hw.evolution.note import Note, note_of, unwrapped, write_note
from etb_hw.evolution.plan import Plan
from etb_hw.models.layers import ChannelPad, Evolving, EvolvingAct, quantizers, set_hard
from etb_hw.quantizers import ChannelQuant, EvolvingWeightQuant
from etb_hw.quantizers.functions import per_channel


class Part:
    """Some channels of a quantizer, with its interface: tensors are views, so changes in place arrive."""

    def __init__(self, whole: ChannelQuant | EvolvingWeightQuant, start: int, stop: int) -> None:
        self.whole, self.span = whole, slice(start, stop)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # copy and pickle look for hooks before there is a whole
            raise AttributeError(name)
        value = getattr(self.whole, name)
        channels = isinstance(value, Tensor) and value.ndim == 1 and len(value) == len(self.whole.threshold)
        return value[self.span] if channels else value

    def set_alive(self, alive: Tensor) -> None:
        self.whole.alive[self.span] = alive
        self.whole.read_mirrors()


@dataclass(frozen=True)
class View:
    """The quantizers of a layer that belong to one group."""

    weights: EvolvingWeightQuant | None = None
    act: ChannelQuant | None = None
    weight: Tensor | None = None

    def weight_quant(self) -> EvolvingWeightQuant | None:
        return self.weights

    def act_quant(self) -> ChannelQuant | None:
        return self.act

    def latent(self) -> Tensor | None:
        return self.weight


def check_floats(model: nn.Module) -> None:
    """Raise BadInput where a network computes in other floats than float32."""
    wide = next((p for p in model.parameters() if p.is_floating_point() and p.dtype != torch.float32), None)
    if wide is not None:
        raise BadInput(
            f"module {type(model).__name__!r}",
            f"has parameters of {wide.dtype}, in which sums of signs are not the same everywhere",
            "call .float() on it and on its inputs; torch.autocast may train in fewer bits",
        )


class PreparedNet:
    """The groups of a prepared network at work; a new one is needed after a cut."""

    def __init__(self, model: nn.Module) -> None:
        self.module = unwrapped(model)
        note = note_of(model)
        if note is None:
            raise BadInput(
                f"module {type(self.module).__name__!r}", "is not prepared",
                "call model = etb_hw.prepare(model, example_input) first",
            )  # fmt: skip
        self.note: Note = note
        self.faded: dict[str, Tensor] = {}
        self.quantizers = tuple(quantizers(self.module))  # undivided
        self._by_group: dict[str, list[View]] = defaultdict(list)
        plan = self.plan
        self._fading = {
            segment.group
            for place in plan.places
            if place.fades
            for _, layout in place.axes
            for segment in layout
        }
        for layer in plan.layers:
            module = self.module.get_submodule(layer.name)
            if isinstance(module, Evolving):
                for segment, start, stop in plan.spans(layer.outputs):
                    quant = cast(EvolvingWeightQuant, _part(module.quant, start, stop))
                    self._by_group[segment.group].append(
                        View(quant, None, module.latent.detach()[start:stop])
                    )
        for path, layout in plan.acts.items():
            act = self.module.get_submodule(path)
            assert isinstance(act, EvolvingAct)
            if any(segment.repeat != 1 for segment in layout):
                self._by_group[layout[0].group].append(View(None, act.quant))  # a group that stays whole
                continue
            for segment, start, stop in plan.spans(layout):
                part = cast(ChannelQuant, _part(act.quant, start, stop))
                self._by_group[segment.group].append(View(None, part))

    @property
    def plan(self) -> Plan:
        return self.note.plan

    def remember(self, note: Note) -> None:
        """Note new widths on the module."""
        self.note = note
        write_note(self.module, note)

    def producers(self, group: str) -> list[View]:
        """The quantizers of a group's channels."""
        return self._by_group[group]

    def whole(self) -> list[View]:
        """The quantizers of channels that all stay."""
        return [view for group in self.plan.whole for view in self._by_group[group]]

    def filters(self) -> Iterator[tuple[str, Tensor]]:
        """Of every layer with evolving weights, a group and the quantized weights (C, ...) of its filters."""
        for layer in self.plan.layers:
            module = self.module.get_submodule(layer.name)
            if isinstance(module, Evolving):
                q = module.quantized()
                for segment, start, stop in self.plan.spans(layer.outputs):
                    yield segment.group, q[start:stop]

    def ternary(self) -> Iterator[tuple[str, str, Tensor]]:
        """Thresholds (C,) that are still trained: name, ``weights`` or ``activations``, and they."""
        for path, module in self.module.named_modules():
            if isinstance(module, Evolving | EvolvingAct) and not module.quant.is_hard:
                kind = "weights" if isinstance(module, Evolving) else "activations"
                yield self.note.names.get(path, path), kind, module.quant.threshold

    def tensor(self, name: str) -> Tensor:
        """A parameter or buffer by its name."""
        path, _, leaf = name.rpartition(".")
        value: Tensor = getattr(self.module.get_submodule(path), leaf)
        return value

    @torch.no_grad()
    def sensitivity(self, group: str) -> Tensor | None:
        """What removing a channel costs to first order (C,): by activations, else values, else weights."""
        found: Tensor | None = None
        for view in self._by_group[group]:
            grad = _grad(view.act)
            if grad is not None:
                found = grad if found is None else found + grad
        if found is None and not any(view.act is not None for view in self._by_group[group]):
            found = self._first_order(group, fades=True)
            found = self._first_order(group, fades=False) if found is None else found
        # float16 training may scale a loss too far for a step
        return None if found is None else torch.nan_to_num(found, 0.0, 0.0, 0.0)

    def _first_order(self, group: str, fades: bool) -> Tensor | None:
        """-sum p dL/dp (C,) over the values (``fades``), or the weights, that make a group's channels."""
        total: Tensor | None = None
        for place in self.plan.places:
            value = self.tensor(place.tensor)
            axis, layout = place.axes[0] if place.axes[0][0] == 0 else place.axes[-1]
            if (
                value.grad is None
                or place.fades != fades
                or (not fades and not place.tensor.endswith(".weight"))
            ):
                continue
            each = -(value * value.grad).transpose(0, axis).flatten(1 if value.ndim > 1 else 0)
            each = each.sum(1) if each.ndim > 1 else each
            for segment, start, stop in self.plan.spans(layout):
                if segment.group == group:
                    part = each[start:stop].view(-1, segment.repeat).sum(1)
                    total = part if total is None else total + part
        return total

    @torch.no_grad()
    def fade_borders(self, group: str, alive: Tensor) -> None:
        """Scale what breaks zeros (borders, shifts, normalisations read as values) by ``alive`` (C,)."""
        self._borders(group, alive)
        if group in self._fading:
            before = self.faded.get(group, torch.ones_like(alive))
            factor = torch.where(before > 0, alive / before.clamp(min=1e-12), torch.zeros_like(alive))
            self.faded[group] = torch.minimum(alive, before)
            self._scale(group, factor.clamp(max=1))

    def _borders(self, group: str, alive: Tensor) -> None:
        for path, layout in self.plan.pads.items():
            pad = self.module.get_submodule(path)
            assert isinstance(pad, ChannelPad)
            for segment, start, stop in self.plan.spans(layout):
                if segment.group == group:
                    pad.alive[start:stop] = alive
                    pad.read_mirrors()

    def _scale(self, group: str, factor: Tensor) -> None:
        ones = torch.ones((), device=factor.device, dtype=factor.dtype)
        for place in self.plan.places:
            if place.fades:
                value = self.tensor(place.tensor)
                for axis, layout in place.axes:
                    if any(segment.group == group for segment in layout):
                        spread = self.plan.spread(layout, {group: factor}, ones)
                        value.mul_(per_channel(spread.to(value), value, axis))

    @torch.no_grad()
    def set_alive(self, group: str, alive: Tensor) -> None:
        """Kill the channels of a group where ``alive`` (C,) is 0: weights, activations, borders, shifts."""
        for view in self._by_group[group]:
            if view.weights is not None:
                view.weights.alive.copy_(alive)
            if view.act is not None:
                view.act.set_alive(alive)
        self._borders(group, alive)
        if group in self._fading:
            self._scale(group, alive)
            self.faded[group] = alive.clone()

    def set_hard(self) -> None:
        """Make all weights and activations binary for good."""
        set_hard(self.module)

    @torch.no_grad()
    def project(self) -> None:
        """Return thresholds to their range, and dead channels to zero; call it after every optimizer step."""
        for quantizer in self.quantizers:
            if not quantizer.is_hard:
                quantizer.threshold.clamp_(0, 1)
        for group, alive in self.faded.items():
            if not bool(alive.all()):
                self._scale(group, (alive > 0).to(alive.dtype))

    def keep(self) -> dict[str, Tensor]:
        """The channels that are alive, a group that may lose some."""
        found = {}
        for group in self.plan.prunable:
            alive = next(view.weights.alive for view in self._by_group[group] if view.weights is not None)
            found[group] = torch.nonzero(alive).flatten().cpu()
        return found

    @property
    def hard(self) -> bool:
        """Whether everything is binary for good."""
        return all(quantizer.is_hard for quantizer in self.quantizers)


def _part(whole: ChannelQuant | EvolvingWeightQuant, start: int, stop: int) -> Any:
    return whole if stop - start == len(whole.threshold) else Part(whole, start, stop)


def _grad(quantizer: Any) -> Tensor | None:
    """dL/dt (C,) of an activation quantizer, or of a part of one."""
    if quantizer is None:
        return None
    if isinstance(quantizer, Part):
        grad = quantizer.whole.threshold.grad
        return None if grad is None else grad[quantizer.span]
    found: Tensor | None = quantizer.threshold.grad
    return found
