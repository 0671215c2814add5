"""From the graph of a prepared network to its groups of channels.

Every tensor's channel axis (axis 1) is a layout of groups. Layers make new groups, ops that join channels
unite them, and what is not known to keep channels apart, or zeros zero, makes its groups stay whole. A
channel may leave only if all that is left of it downstream is zero: ops on the way must take zeros to zeros.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from brevitas.nn.quant_layer import QuantNonLinearActLayer, QuantWeightBiasInputOutputLayer
from torch import Tensor, fx, nn

from etb_hw.evolution.constants import channel_axis, constant_of
from etb_hw.evolution.endings import ends
from etb_hw.evolution.flattening import RESHAPES, counts_channels
from etb_hw.evolution.passing import CONCATENATIONS, passes_values
from etb_hw.evolution.plan import Layer, Layout, Place, Plan, Segment, evolving_groups
from etb_hw.evolution.rules import Rules, rule_of
from etb_hw.evolution.trace import argument, module_at, owner_of, place_of, shape_of, tensors_in, word_of
from etb_hw.models.blocks import Logits
from etb_hw.models.layers import ChannelPad, Evolving, EvolvingAct
from etb_hw.models.norm import ChannelNorm

_Span = tuple[int, int]  # a group's number before uniting, and repeats

_ZERO_KEEPING = (
    nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout, nn.ReLU, nn.ReLU6, nn.LeakyReLU,
    nn.Hardtanh, nn.Tanh, nn.SiLU, nn.GELU, nn.ELU, nn.Hardswish, nn.Softsign, nn.MaxPool1d, nn.MaxPool2d,
    nn.AvgPool1d, nn.AvgPool2d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool1d,
    nn.AdaptiveMaxPool2d, nn.ZeroPad1d, nn.ZeroPad2d, nn.Upsample, nn.UpsamplingNearest2d,
)  # fmt: skip
_ZERO_KEEPING_FUNCTIONS: frozenset[Any] = frozenset(
    {
        F.relu, torch.relu, F.relu6, F.leaky_relu, F.hardtanh, torch.tanh, F.tanh, F.dropout, F.dropout2d,
        F.max_pool1d, F.max_pool2d, F.avg_pool1d, F.avg_pool2d, F.adaptive_avg_pool1d, F.adaptive_avg_pool2d,
        F.adaptive_max_pool1d, F.adaptive_max_pool2d, F.interpolate, F.silu, F.gelu, operator.neg, torch.neg,
        torch.abs,
    }
)  # fmt: skip
_ZERO_KEEPING_METHODS = frozenset(
    {"contiguous", "float", "half", "double", "to", "type_as", "detach", "clone", "relu", "neg", "abs", "cpu"}
)
ADDS: frozenset[Any] = frozenset(
    {operator.add, operator.iadd, torch.add, operator.sub, operator.isub, torch.sub, "add", "add_", "sub"}
)
_MUL = frozenset({operator.mul, operator.imul, torch.mul})
_DIV = frozenset({operator.truediv, operator.itruediv, torch.div})
_MEAN = frozenset({torch.mean, torch.sum})


def plan_of(name: str, model: nn.Module, graph: fx.Graph, rules: Rules) -> Plan:
    """The groups of a prepared network, from its graph with shapes."""
    return _Grouping(name, model, graph, rules).run()


class _Grouping:
    """One walk over the graph; groups are numbers that are united, and named at the end."""

    def __init__(self, name: str, model: nn.Module, graph: fx.Graph, rules: Rules) -> None:
        self.name, self.model, self.graph, self.rules = name, model, graph, rules
        self.parent: list[int] = []
        self.width: list[int] = []
        self.title: list[str] = []
        self.reason: dict[int, str] = {}
        self.layouts: dict[fx.Node, tuple[_Span, ...]] = {}
        self.axes: dict[str, dict[int, tuple[_Span, ...]]] = {}
        self.fading: set[str] = set()
        self.layers: dict[str, tuple[tuple[_Span, ...], tuple[_Span, ...], int, bool, int, str | None]] = {}
        self.acts: dict[str, tuple[_Span, ...]] = {}
        self.pads: dict[str, tuple[_Span, ...]] = {}
        self.counts: list[tuple[str, str, tuple[_Span, ...]]] = []

    # --- groups

    def new(self, width: int, title: str, reason: str | None = None) -> tuple[_Span, ...]:
        """A group of its own."""
        number = len(self.parent)
        self.parent.append(number)
        self.width.append(width)
        self.title.append(title)
        if reason is not None:
            self.reason[number] = reason
        return ((number, 1),)

    def root(self, number: int) -> int:
        while self.parent[number] != number:
            number = self.parent[number]
        return number

    def fix(self, layout: tuple[_Span, ...], reason: str) -> None:
        """All channels of these groups stay."""
        for number, _ in layout:
            self.reason.setdefault(self.root(number), reason)

    def unite(self, a: tuple[_Span, ...], b: tuple[_Span, ...], where: str) -> None:
        """Channels at the same place live or die together."""
        if [(self.width[self.root(n)], r) for n, r in a] != [(self.width[self.root(n)], r) for n, r in b]:
            for layout in (a, b):
                self.fix(layout, f"{where} joins channels that are grouped differently")
            return
        for (one, _), (other, _) in zip(a, b, strict=True):
            first, second = sorted((self.root(one), self.root(other)))
            if first != second:
                self.parent[second] = first
                if second in self.reason:
                    self.reason.setdefault(first, self.reason[second])

    def size(self, layout: tuple[_Span, ...]) -> int:
        return sum(self.width[self.root(number)] * repeat for number, repeat in layout)

    # --- the walk

    def run(self) -> Plan:
        for node in self.graph.nodes:
            shape = shape_of(node)
            match node.op:
                case _ if ends(self.model, node, self.rules):
                    self.ending(node)
                case "placeholder":
                    if shape is not None:
                        width = shape[1] if len(shape) > 1 else 1
                        self.layouts[node] = self.new(width, "input", "it is the network's input")
                case "output":
                    for source in tensors_in(node):
                        self.fix(self.layouts.get(source, ()), "it is the network's output")
                case "call_module":
                    self.module(node)
                case "call_function" | "call_method":
                    self.function(node)
        return self.plan()

    def source(self, node: fx.Node) -> tuple[_Span, ...] | None:
        """The layout of the first tensor that a node reads."""
        return next((self.layouts[n] for n in tensors_in(node) if n in self.layouts), None)

    def opaque(self, node: fx.Node, why: str) -> None:
        """The op may do anything: all its inputs stay whole, and so does its output."""
        for source in _read(node):
            self.fix(self.layouts.get(source, ()), why)
        shape = shape_of(node)
        if shape is not None and len(shape) > 1:
            self.layouts[node] = self.new(shape[1], _title(node), why)

    def module(self, node: fx.Node) -> None:
        module, path = module_at(self.model, node), str(node.target)
        layout = self.source(node)
        shape = shape_of(node)
        if layout is None or shape is None or len(shape) < 2:
            self.opaque(node, f"{path} is not understood")
            return
        match module:
            case Evolving():
                self.evolving(node, path, module, layout, shape)
            case EvolvingAct():
                if any(repeat != 1 for _, repeat in layout):
                    self.fix(layout, f"{path} has thresholds for each pixel")
                self.acts[path] = layout
                for name in ("threshold", "alive", "gain"):
                    self.at(f"{path}.quant.{name}", 0, layout)
                self.layouts[node] = layout
            case ChannelNorm():
                fades = self.read_as_values(node)
                for name in ("weight", "bias", "running_mean", "running_var"):
                    self.at(f"{path}.{name}", 0, layout, fades and name in ("weight", "bias"))
                self.counts.append((path, "num_features", layout))
                self.layouts[node] = layout
            case ChannelPad():
                self.padding(path, layout)
                self.layouts[node] = layout
            case Logits():
                self.at(f"{path}.bias", 0, layout, fades=True)
                self.layouts[node] = layout
            case nn.PReLU():
                if module.num_parameters > 1:
                    self.at(f"{path}.weight", 0, layout)
                    self.counts.append((path, "num_parameters", layout))
                self.layouts[node] = layout
            case nn.Flatten():
                self.flattened(node, layout)
            case nn.PixelShuffle():
                self.opaque(node, f"{path} makes pixels of its channels")
            case nn.ChannelShuffle():
                self.opaque(node, f"{path} gives channels other places")
            case QuantNonLinearActLayer() if _one_scale(module):
                self.layouts[node] = layout
            case nn.ConstantPad1d() | nn.ConstantPad2d() if module.value == 0:
                self.layouts[node] = layout
            case _ if isinstance(module, _ZERO_KEEPING):
                self.layouts[node] = layout
            case nn.Conv1d() | nn.Conv2d() | nn.Linear() | QuantWeightBiasInputOutputLayer():
                self.kept(node, path, module, layout, shape)
            case _:
                self.opaque(node, f"{path} ({type(module).__name__}) is not known to keep channels apart")

    def ending(self, node: fx.Node) -> None:
        """What becomes of logits, which stay whole as the network's output."""
        layout = self.source(node)
        if layout is not None:
            self.layouts[node] = layout

    def at(self, tensor: str, axis: int, layout: tuple[_Span, ...], fades: bool = False) -> None:
        """Channels stand along an axis of a tensor; a second use must agree with the first."""
        known = self.axes.setdefault(tensor, {})
        if axis in known:
            self.unite(known[axis], layout, f"the shared {tensor}")
        else:
            known[axis] = layout
        if fades:
            self.fading.add(tensor)

    def padding(self, path: str, layout: tuple[_Span, ...]) -> None:
        if any(repeat != 1 for _, repeat in layout):
            self.fix(layout, f"{path} pads each pixel")
        self.at(f"{path}.alive", 0, layout)
        self.pads[path] = layout

    def evolving(
        self, node: fx.Node, path: str, module: Evolving, layout: tuple[_Span, ...], shape: tuple[int, ...]
    ) -> None:
        outputs = len(module.latent)
        groups = getattr(module, "groups", 1)
        inputs = getattr(module, "in_channels", None) or getattr(module, "in_features", 0)
        out = self.layers[path][0] if path in self.layers else None
        each = False
        if isinstance(module, nn.Linear) and len(shape) != 2:
            self.fix(layout, f"{path} works on the last axis of more than two")
            self.layouts[node] = self.new(shape[1], path, f"{path} works on the last axis of more than two")
            out = out or self.new(outputs, path, f"{path} works on the last axis of more than two")
        elif groups == 1:
            self.at(f"{path}.weight", 1, layout)
            out = out or self.new(outputs, path)
        elif groups == inputs:
            each = True
            if outputs == inputs and all(repeat == 1 for _, repeat in layout):
                out = layout
                self.counts.append((path, "groups", layout))
            else:
                why = f"{path} makes several channels of each"
                self.fix(layout, why)
                out = out or self.new(outputs, path, why)
        else:
            why = f"{path} is a convolution in {groups} groups"
            self.fix(layout, why)
            out = out or self.new(outputs, path, why)
        self.layouts.setdefault(node, out)
        self.at(f"{path}.weight", 0, out)
        for name in ("threshold", "alive", "offset"):
            self.at(f"{path}.quant.{name}", 0, out)
        if module.shift is not None:
            self.at(f"{path}.shift", 0, out, fades=True)
        if module.pad is not None:
            self.padding(f"{path}.pad", layout)
        ends = (
            ("in_features", "out_features")
            if isinstance(module, nn.Linear)
            else ("in_channels", "out_channels")
        )
        if path not in self.layers:
            self.counts += [(path, ends[0], layout), (path, ends[1], out)]
        if not rule_of(self.rules, path).prune:
            self.fix(out, f"a rule keeps {path}")
        sums = _product(shape[2:]) if not isinstance(module, nn.Linear) else _product(shape[1:-1])
        taps = _product(module.latent.shape[2:])
        if groups > 1 and not each:
            taps = _product(module.latent.shape[1:])
        if path in self.layers:
            sums += self.layers[path][4]
        values = self.values(next(tensors_in(node)))
        self.layers[path] = (out, layout, taps, groups > 1, sums, values)

    def kept(
        self, node: fx.Node, path: str, module: nn.Module, layout: tuple[_Span, ...], shape: tuple[int, ...]
    ) -> None:
        """Weights that are not binary: sums in another order round differently, so nothing there is cut."""
        why = f"{path} keeps its own weights, whose sums round differently in another order"
        self.fix(layout, why)
        out = self.layouts.setdefault(node, self.new(shape[1], path, why))
        weight = module.weight
        assert isinstance(weight, Tensor)
        groups = getattr(module, "groups", 1)
        sums = _product(shape[2:])
        taps = _product(weight.shape[2:]) if groups == 1 else _product(weight.shape[1:])
        if path not in self.layers:
            self.layers[path] = (out, layout, taps, groups > 1, sums, None)

    def function(self, node: fx.Node) -> None:
        shape = shape_of(node)
        if shape is None:
            return
        target = node.target
        if constant_of(node) is not None:
            return  # looked through where it is used
        layout = self.source(node)
        tensors = [n for n in tensors_in(node) if n in self.layouts]
        name = place_of(node)
        if layout is None:
            if len(shape) > 1 and any(True for _ in _read(node)):
                self.opaque(node, f"{name} is not understood")
            return
        if target in ADDS or target in _MUL or target in _DIV or target in ("mul", "div"):
            self.arithmetic(node, name, tensors, shape, adds=target in ADDS)
        elif (
            target in CONCATENATIONS
            and argument(node, 1, "dim", 0) in (1, 1 - len(shape))
            and all(part in self.layouts for part in argument(node, 0, "tensors", ()))
        ):
            parts = argument(node, 0, "tensors", ())
            self.layouts[node] = tuple(span for part in parts for span in self.layouts[part])
        elif target is F.pad and (argument(node, 3, "value") or 0) == 0 and argument(
            node, 2, "mode", "constant"
        ) == "constant" and shape[1] == self.size(layout):  # fmt: skip
            self.layouts[node] = layout
        elif target in _MEAN or target in ("mean", "sum"):
            self.reduced(node, name, layout, shape)
        elif target in RESHAPES:
            self.flattened(node, layout)
        elif (
            target in _ZERO_KEEPING_FUNCTIONS
            or (node.op == "call_method" and target in _ZERO_KEEPING_METHODS)
            or (target is operator.getitem and _cuts_pixels(node))
        ):
            self.layouts[node] = layout
        elif target is getattr and len(tensors) == 1 and shape == shape_of(tensors[0]):
            self.layouts[node] = layout  # the values of a QuantTensor
        elif target is operator.getitem:
            self.opaque(node, f"{name} picks channels by their numbers")
        elif target is torch.channel_shuffle:
            self.opaque(node, f"{name} gives channels other places")
        else:
            self.opaque(node, f"{name} is not known to keep channels apart")

    def arithmetic(
        self, node: fx.Node, name: str, tensors: Sequence[fx.Node], shape: tuple[int, ...], adds: bool
    ) -> None:
        if len(tensors) == 2:
            first, second = tensors
            shapes = [shape_of(n) for n in tensors]
            same = all(s is not None and len(s) == len(shape) and s[1] == shape[1] for s in shapes)
            if not same:
                self.opaque(node, f"{name} joins tensors of different shapes")
                return
            self.unite(self.layouts[first], self.layouts[second], name)
            self.layouts[node] = self.layouts[first]
            return
        layout = self.layouts[node] = self.layouts[tensors[0]]
        others = [n for n in tensors_in(node) if n not in self.layouts]
        if not others:
            number = next((a for a in node.args if isinstance(a, int | float)), 0)
            if adds and number:
                self.fix(layout, f"{name} adds a constant to every channel")
            return
        other = constant_of(others[0])
        found = shape_of(others[0]) or ()
        if other is None or not _is_parameter(self.model, str(other.target)):
            if adds:
                self.fix(layout, f"{name} adds something that is no parameter")
            elif _product(found) != 1:
                self.opaque(node, f"{name} takes a tensor that is no parameter")
            return
        if _product(shape_of(other) or ()) == 1:
            if adds:
                self.fix(layout, f"{name} adds {other.target} to every channel")
        elif (axis := channel_axis(others[0], shape)) is not None:
            self.at(str(other.target), axis, layout, fades=adds)
        else:
            named = ", or the forward says how many they are (-1 leaves it open)"
            self.opaque(node, f"{other.target} is no value a channel{named}")

    def reduced(self, node: fx.Node, name: str, layout: tuple[_Span, ...], shape: tuple[int, ...]) -> None:
        source = shape_of(next(tensors_in(node)))
        assert source is not None
        dims = argument(node, 1, "dim")
        dims = (dims,) if isinstance(dims, int) else dims
        if dims is not None and all(isinstance(d, int) and d % len(source) > 1 for d in dims):
            self.layouts[node] = layout
        else:
            self.opaque(node, f"{name} runs over channels")

    def flattened(self, node: fx.Node, layout: tuple[_Span, ...]) -> None:
        """(N, C, ...) to (N, C * pixels); anything else mixes channels."""
        before, after = shape_of(next(tensors_in(node))), shape_of(node)
        assert before is not None
        assert after is not None
        if counts_channels(node):
            self.opaque(node, f"{place_of(node)} says how many channels there are (-1 leaves it open)")
        elif before[:2] == after[:2] and _product(before) == _product(after):
            self.layouts[node] = layout
        elif len(after) == 2 and after[0] == before[0] and after[1] == _product(before[1:]):
            pixels = _product(before[2:])
            self.layouts[node] = tuple((number, repeat * pixels) for number, repeat in layout)
        else:
            self.opaque(node, f"{place_of(node)} moves channels to another axis")

    def read_as_values(self, node: fx.Node) -> bool:
        """Whether anything but evolving activations, which silence dead channels themselves, reads it."""
        return not all(
            user.op == "call_module" and isinstance(module_at(self.model, user), EvolvingAct)
            for user in node.users
        )

    def values(self, node: fx.Node) -> str | None:
        """The kind of activation that a tensor holds, None if it is no activation's."""
        if node.op == "call_module":
            module = module_at(self.model, node)
            if isinstance(module, EvolvingAct):
                return module.kind.name
        if not passes_values(self.model, node):
            return None
        return self.values(next(tensors_in(node)))

    # --- the result

    def plan(self) -> Plan:
        names: dict[int, str] = {}
        for number in range(len(self.parent)):
            root = self.root(number)
            if root not in names:
                title, taken = self.title[root], set(names.values())
                names[root] = title if title not in taken else f"{title}#{root}"

        def named(layout: tuple[_Span, ...]) -> Layout:
            return tuple(Segment(names[self.root(number)], repeat) for number, repeat in layout)

        whole: dict[str, str] = {}
        for number, reason in self.reason.items():
            whole.setdefault(names[self.root(number)], reason)
        for root, name in names.items():
            if self.width[root] < 2:
                whole.setdefault(name, "it has one channel")
        places = [
            Place(
                tensor, tuple((axis, named(layout)) for axis, layout in axes.items()), tensor in self.fading
            )
            for tensor, axes in self.axes.items()
        ]
        layers = [
            Layer(
                path, named(out), named(inputs), taps, grouped, sums, values,
                isinstance(self.model.get_submodule(path), Evolving),
            )
            for path, (out, inputs, taps, grouped, sums, values) in self.layers.items()
        ]  # fmt: skip
        with_weights = evolving_groups(layers)
        for name in names.values():
            if name not in with_weights:
                whole.setdefault(name, "no binary layer yields it")
        widths = {name: self.width[root] for root, name in names.items()}
        return Plan(
            self.name,
            widths,
            whole,
            tuple(places),
            tuple(layers),
            {path: named(layout) for path, layout in self.acts.items()},
            {path: named(layout) for path, layout in self.pads.items()},
            tuple((path, attribute, named(layout)) for path, attribute, layout in self.counts),
        )


def _title(node: fx.Node) -> str:
    if node.op == "call_module":
        return str(node.target)
    return f"{word_of(node)} in {owner_of(node)}" if owner_of(node) else word_of(node)


def _cuts_pixels(node: fx.Node) -> bool:
    """Whether an index takes all channels, and of the other axes slices."""
    source, index = node.args
    shape = shape_of(source) if isinstance(source, fx.Node) else None
    index = index if isinstance(index, tuple) else (index,)
    if shape is None or any(not isinstance(part, slice) and part is not Ellipsis for part in index):
        return False
    if Ellipsis in index:
        at = index.index(Ellipsis)
        index = index[:at] + (slice(None),) * (len(shape) - len(index) + 1) + index[at + 1 :]
    return len(index) < 2 or index[1] == slice(None)


def _read(node: fx.Node) -> list[fx.Node]:
    """The tensors that an op reads; those in a tuple (of chunk or split) where the tuple was made."""
    if node.target is not operator.getitem and node.target not in CONCATENATIONS:
        return list(tensors_in(node))
    found, todo, seen = [], list(node.all_input_nodes), set()
    while todo:
        source = todo.pop()
        if shape_of(source) is not None:
            found.append(source)
        elif source not in seen:
            seen.add(source)
            todo += source.all_input_nodes
    return found


def _product(sizes: Sequence[int] | torch.Size) -> int:
    result = 1
    for size in sizes:
        result *= int(size)
    return result


def _is_parameter(model: nn.Module, path: str) -> bool:
    return path in dict(model.named_parameters())


def _one_scale(module: nn.Module) -> bool:
    """Whether a Brevitas activation has one scale and takes zero to zero."""
    proxy: Any = module.act_quant
    if proxy is None or not proxy.is_quant_enabled:
        return True
    try:
        scale, zero, bits = proxy.scale(), proxy.zero_point(), proxy.bit_width()
    except Exception:  # statistics that were never collected, quantizers of another kind
        return False
    return scale is not None and scale.numel() == 1 and not bool(zero.any()) and float(bits) > 1
