"""Where ``additions="stream"`` rounds: floats that hardware cannot read, in front of layers and additions."""

from __future__ import annotations

from collections.abc import Iterator

from torch import fx, nn

from etb_hw.evolution.constants import constant_of
from etb_hw.evolution.grouping import ADDS
from etb_hw.evolution.passing import CONCATENATIONS, averages, passes_values
from etb_hw.evolution.rules import ACTIVATION_FUNCTIONS, Rules, kind_of
from etb_hw.evolution.straight_through import clamps
from etb_hw.evolution.trace import module_at, shape_of, tensors_in
from etb_hw.models.layers import KINDS_OF_LAYERS


def floats_read(model: nn.Module, node: fx.Node, rules: Rules) -> list[tuple[fx.Node, fx.Node]]:
    """The floats that a layer or an addition reads, in pairs: what reads them on the way to it, and they.

    Floats are normalised sums, and what is no integer in a sum.
    """
    if _is_layer(model, node):
        return [found for source in tensors_in(node) for found in _normalised(model, node, source, rules)]
    return [_alone(model, node, source, rules) for source in _added(model, node, rules)]


def _normalised(
    model: nn.Module, reader: fx.Node, source: fx.Node, rules: Rules
) -> Iterator[tuple[fx.Node, fx.Node]]:
    """As far back as nobody else reads what is made of them: there each channel has one scale."""
    goes_on = _hands_on(model, source, rules) or source.target in CONCATENATIONS
    if goes_on and (behind := _read_for_it(source)):
        for one in behind:
            yield from _normalised(model, source, one, rules)
    elif _normalises(model, _origin(model, source, rules), rules):
        yield reader, source


def _alone(model: nn.Module, reader: fx.Node, source: fx.Node, rules: Rules) -> tuple[fx.Node, fx.Node]:
    while _passes(model, source, rules) and (behind := _read_for_it(source)):
        reader, source = source, behind[0]
    return reader, source


def _read_for_it(node: fx.Node) -> list[fx.Node]:
    """What a node reads, where but one node reads what it makes of it; none where it is a part of a tuple."""
    return [n for n in tensors_in(node) if n in node.all_input_nodes] if len(node.users) == 1 else []


def _origin(model: nn.Module, node: fx.Node, rules: Rules) -> fx.Node:
    """Where the values of a node, or those that it averages, come from."""
    while _hands_on(model, node, rules):
        node = next(tensors_in(node))
    return node


def _hands_on(model: nn.Module, node: fx.Node, rules: Rules) -> bool:
    return _passes(model, node, rules) or averages(model, node)


def _passes(model: nn.Module, node: fx.Node, rules: Rules) -> bool:
    """Whether a node hands values on; an nn.Identity that a rule makes an activation does not."""
    return passes_values(model, node) and not _acts(model, node, rules)


def _acts(model: nn.Module, node: fx.Node, rules: Rules) -> bool:
    return node.op == "call_module" and kind_of(rules, str(node.target), module_at(model, node)) is not None


def _normalises(model: nn.Module, node: fx.Node, rules: Rules) -> bool:
    """Whether a node is a normalisation of anything but the network's input, which would lose too much."""
    if node.op != "call_module" or not isinstance(module_at(model, node), nn.modules.batchnorm._BatchNorm):
        return False
    return _origin(model, next(tensors_in(node)), rules).op != "placeholder"


def _is_layer(model: nn.Module, node: fx.Node) -> bool:
    return node.op == "call_module" and isinstance(module_at(model, node), tuple(KINDS_OF_LAYERS))


def _added(model: nn.Module, node: fx.Node, rules: Rules) -> list[fx.Node]:
    """The tensors that a node adds up although they are neither activations nor sums of such."""
    if node.op not in ("call_function", "call_method") or node.target not in ADDS:
        return []
    tensors = list(tensors_in(node))
    if len(tensors) != 2 or shape_of(tensors[0]) != shape_of(tensors[1]):
        return []
    if any(constant_of(source) is not None for source in tensors):
        return []  # a shift, which a threshold or a normalisation takes in
    return [source for source in tensors if not _integers(model, source, rules)]


def _integers(model: nn.Module, node: fx.Node, rules: Rules) -> bool:
    """Whether a tensor is an activation, or a sum of two (which are rounded where they are not)."""
    while _passes(model, node, rules):
        node = next(tensors_in(node))
    if node.op in ("call_function", "call_method"):
        return node.target in ACTIVATION_FUNCTIONS or node.target in ADDS or clamps(node)
    return _acts(model, node, rules)
