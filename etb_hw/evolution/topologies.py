"""A topology of ours is prepared like any module; its groups have the names of its specification."""

from __future__ import annotations

import torch

from etb_hw.evolution.note import Note, write_note
from etb_hw.evolution.plan import Plan
from etb_hw.evolution.prepare import grouped
from etb_hw.models import BinaryNet, NetSpec


def prepared(net: BinaryNet) -> BinaryNet:
    """A copy of a topology's network that evolves; groups, their order and what stays whole are as specified.

    Its widths may be smaller than those that it was specified with.
    """
    spec = net.spec
    example = torch.zeros(1, *spec.input_shape)
    made, found = grouped(net, example)
    assert isinstance(made, BinaryNet)
    plan = _as_specified(found, spec)
    names = {path: path.split(".")[1] for path, _ in made.named_modules() if "." in path}
    write_note(made, Note(plan, plan, example, names))
    return made


def _as_specified(found: Plan, spec: NetSpec) -> Plan:
    """The plan of a trace in the specification's words. Both see the same channels go together."""
    layers = {f"layers.{layer.name}.core": layer for layer in spec.weighted}
    names = {layer.group: layers[layer.name].group for layer in found.layers}
    names |= {layer.inputs[0].group: spec.group_of(layers[layer.name].inputs[0]) for layer in found.layers}
    assert sorted(names.values()) == sorted(spec.widths)
    assert {names[group]: width for group, width in found.widths.items()} == dict(spec.widths)
    return found.renamed(names, spec.widths, spec.whole)
