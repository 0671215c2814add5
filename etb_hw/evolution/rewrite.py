"""Modules, in a network's graph, for activations and borders that a forward calls as functions; roundings."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Literal, TypeAlias

import torch.nn.functional as F
from torch import Tensor, fx, nn

from etb_hw.errors import BadInput
from etb_hw.evolution.endings import ends
from etb_hw.evolution.flattening import flattened, flattens
from etb_hw.evolution.graph import Need, as_graph, graph_of, put_between, put_instead
from etb_hw.evolution.in_place import AGAIN
from etb_hw.evolution.rounding import floats_read
from etb_hw.evolution.rules import ACTIVATION_FUNCTIONS, Rule, Rules, kind_of, rule_of
from etb_hw.evolution.spelled import is_short, spell
from etb_hw.evolution.straight_through import clamps, erase, keeps_signs, straight_through
from etb_hw.evolution.trace import argument, module_at, options_of, owner_of, shape_of
from etb_hw.quantizers import BIPOLAR

Additions: TypeAlias = Literal["keep", "stream"]

_CALLED = Need(
    "calls activations as functions or one activation module in several places",
    "make every activation a module of its own",
)
_LENT = Need(
    "has signs with activations or other gradients around them, which are taken out", "leave signs alone"
)
_ROUNDED = Need(
    "additions='stream' rounds what it adds, or what its layers read",
    "put an nn.Identity at each such place, with Rule(activation='stream')",
)
_BORDERED = Need("calls F.pad with other values than zero", "use nn.ConstantPad2d or nn.ConstantPad1d")
_FLATTENED = Need("flattens by a number of channels", "flatten by torch.flatten(x, 1)")
_HELD = Need("its forward has optional arguments, which hold their defaults", "take them out")
_AGAIN = Need(
    "reads again what a module changes in place", "set inplace=False there, and go on with its result"
)
_SHORT = Need(
    "calls torch.hstack, or a pool of a size that it computes, for which files have no word",
    "use torch.cat, or F.adaptive_avg_pool2d",
)


def rewritten(
    model: nn.Module, rules: Rules, example: Tensor, additions: Additions
) -> tuple[nn.Module, Rules]:
    """The model itself where every activation is a module of its own, else its graph with such modules.

    Returns:
        The module, and the rules with those of the new modules.
    """
    graph = graph_of(model, rules, example)
    _refuse_own_products(model, graph)
    calls = _activation_calls(model, graph, rules)
    lending = _straight_through(model, graph, rules)
    passed = bool(lending or _before_signs(model, graph, rules))
    uses = Counter(str(node.target) for node in calls if node.op == "call_module")
    single = all(node.op == "call_module" and uses[str(node.target)] == 1 for node in calls)
    rounding = additions == "stream" and any(floats_read(model, node, rules) for node in graph.nodes)
    needs = [
        need
        for need, found in (
            (_CALLED, not single),
            (_LENT, passed),
            (_ROUNDED, rounding),
            (_BORDERED, any(map(_border, graph.nodes))),
            (_FLATTENED, any(map(flattens, graph.nodes))),
            (_HELD, _holds(model)),
            (_AGAIN, any(node.op == "call_module" and node.meta.get(AGAIN) for node in graph.nodes)),
            (_SHORT, any(map(is_short, graph.nodes))),
        )
        if found
    ]
    if not needs:
        return model, rules
    made = as_graph(model, graph, rules, example, needs)
    for node, source in lending:
        node.replace_all_uses_with(source)
        erase(graph, node)
    for node, source in _before_signs(made, graph, rules):  # by now also those that a sum had read
        node.replace_all_uses_with(source)
        graph.erase_node(node)
    more: dict[str, Rule] = {}
    if rounding:
        for node in list(made.graph.nodes):
            for reader, source in floats_read(made, node, rules):
                path = put_between(made, reader, source, "round", nn.Identity())
                more[path] = Rule(activation="stream")
    seen: Counter[str] = Counter()
    for node in _activation_calls(made, made.graph, rules):
        if node.op == "call_module":
            path = str(node.target)
            seen[path] += 1
            if seen[path] > 1:
                new = f"{path}_{seen[path]}"
                made.add_submodule(new, copy.deepcopy(made.get_submodule(path)))
                more[new] = rule_of(rules, path)
                node.target = new
        else:
            title = str(node.target) if node.op == "call_method" else getattr(node.target, "__name__", "act")
            put_instead(made, node, title.strip("_"), nn.Hardtanh())
    for node in list(made.graph.nodes):
        if (border := _border(node)) is not None:
            put_instead(made, node, "pad", border)
        elif flattens(node):
            flattened(graph, node)
        elif is_short(node):
            spell(made, node, example)
    made.graph.lint()
    made.recompile()
    return made, {**more, **rules}


def _holds(model: nn.Module) -> bool:
    """Whether forward has arguments beside the input that exporters would make inputs of a file, too."""
    return any(o.kind is o.KEYWORD_ONLY or o.default is not None for o in options_of(model))


def _border(node: fx.Node) -> nn.Module | None:
    """A call of F.pad as a module, which tells channels apart; None for other nodes and borders of zeros."""
    if node.target is not F.pad:
        return None
    pad, value, shape = argument(node, 1, "pad"), argument(node, 3, "value"), shape_of(node)
    mode = argument(node, 2, "mode", "constant")
    if not isinstance(value, int | float) or value == 0 or mode != "constant":
        return None
    pixels = 2 * (len(shape) - 2) if shape is not None else 0
    if not isinstance(pad, tuple | list) or any(type(number) is not int for number in pad):
        return None
    if not len(pad) <= pixels <= 4:
        return None
    sides = (*pad, *(0,) * (pixels - len(pad)))
    return nn.ConstantPad1d(sides, value) if pixels == 2 else nn.ConstantPad2d(sides, value)


def _activation_calls(model: nn.Module, graph: fx.Graph, rules: Rules) -> list[fx.Node]:
    return [node for node in graph.nodes if _activates(model, node, rules) and not ends(model, node, rules)]


def _activates(model: nn.Module, node: fx.Node, rules: Rules) -> bool:
    if node.op == "call_module":
        return kind_of(rules, str(node.target), module_at(model, node)) is not None
    called = node.op in ("call_function", "call_method")
    acts = called and (node.target in ACTIVATION_FUNCTIONS or clamps(node))
    return acts and node.all_input_nodes[0].op != "get_attr"


def _straight_through(model: nn.Module, graph: fx.Graph, rules: Rules) -> list[tuple[fx.Node, fx.Node]]:
    """The sums that only lend an activation a gradient, each with the activation."""
    calls = _activation_calls(model, graph, rules)
    return [(node, source) for node, source in straight_through(graph) if source in calls]


def _before_signs(model: nn.Module, graph: fx.Graph, rules: Rules) -> list[tuple[fx.Node, fx.Node]]:
    """The activations in front of signs that leave the signs as they are, each with what it reads."""
    calls = _activation_calls(model, graph, rules)
    found = []
    for node in calls:
        module = module_at(model, node) if node.op == "call_module" else None
        if module is not None and rule_of(rules, str(node.target)).activation is not None:
            continue  # the user wants one here
        before = node.users and all(_a_sign(model, user, calls, rules) for user in node.users)
        if before and keeps_signs(node, module):
            found.append((node, node.all_input_nodes[0]))
    return found


def _a_sign(model: nn.Module, node: fx.Node, calls: list[fx.Node], rules: Rules) -> bool:
    if node not in calls:
        return False
    return node.op != "call_module" or kind_of(rules, str(node.target), module_at(model, node)) is BIPOLAR


def _refuse_own_products(model: nn.Module, graph: fx.Graph) -> None:
    """Raise BadInput where a forward convolves with tensors of its own: there is no layer to make binary."""
    for node in graph.nodes:
        if node.op == "call_function" and getattr(node.target, "__name__", "") in (
            "conv1d", "conv2d", "conv3d", "linear", "bilinear", "conv_transpose1d", "conv_transpose2d",
        ):  # fmt: skip
            owner = owner_of(node) or type(model).__name__
            raise BadInput(
                f"module {owner!r}", f"calls {node.target.__name__} on tensors of its own",
                "write it as nn.Conv1d, nn.Conv2d or nn.Linear; prepare makes its weights binary, or leaves "
                "fixed ones (a blur) as they are by Rule(weights='keep')",
            )  # fmt: skip
