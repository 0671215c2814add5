"""The graph of a user's network: a symbolic trace (torch.fx), and the shape of every tensor in it."""

from __future__ import annotations

import inspect
import math
import operator
import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, fx, nn

from etb_hw.errors import BadInput, one_line
from etb_hw.evolution.in_place import without_changes
from etb_hw.evolution.rules import LIBRARIES, Rules, activation_of
from etb_hw.evolution.structure import Structure, Unknown, structural
from etb_hw.evolution.user_code import line_of_call, line_of_error
from etb_hw.models.blocks import Logits
from etb_hw.models.layers import ChannelPad, Evolving, EvolvingAct, value_of
from etb_hw.models.modes import in_mode
from etb_hw.models.norm import ChannelNorm

SHAPE, PATH, LINE = "etb_shape", "etb_path", "etb_line"
_OURS = (Evolving, EvolvingAct, ChannelPad, ChannelNorm, Logits)
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
_OPAQUE = "move that part into a module of its own without layers, which then is left as it is"


class _Untraceable(Exception):
    """A forward does what a graph cannot hold: what it does, and what to write instead."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy


class _Value(fx.Proxy):
    """A tensor, or a number made of its shape, while a forward is traced."""

    tracer: _Tracer

    def __len__(self) -> int:
        what = "asks for the length of a batch"
        return int(self.tracer.value(self, what, "let it work on a batch of any size", len))

    def __index__(self) -> int:
        what = "needs a number that only the batch or the values of a tensor tell"
        return int(self.tracer.value(self, what, "take the number from an attribute of the module"))

    def __int__(self) -> int:
        return int(self.tracer.value(self, "makes a number of a tensor by int()", _TENSORS))

    def __float__(self) -> float:
        return float(self.tracer.value(self, "makes a number of a tensor by float()", _TENSORS))

    def __setitem__(self, *_: object) -> None:
        raise _Untraceable(
            "assigns to a part of a tensor", "make the result by torch.cat, torch.where or F.pad"
        )

    def __iadd__(self, other: Any) -> Any:
        return self._changed(operator.iadd, other)

    def __isub__(self, other: Any) -> Any:
        return self._changed(operator.isub, other)

    def __imul__(self, other: Any) -> Any:
        return self._changed(operator.imul, other)

    def __itruediv__(self, other: Any) -> Any:
        return self._changed(operator.itruediv, other)

    def _changed(self, function: Callable[..., Any], other: Any) -> Any:
        if structural(self.node):
            return NotImplemented  # a number is no tensor that others may read, too
        return self.tracer.create_proxy("call_function", function, (self, other), {})

    def __array__(self, *_: object, **__: object) -> None:
        raise _Untraceable("gives a tensor to numpy", f"use torch's functions, or {_OPAQUE}")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__array"):  # numpy asks for these before it calls __array__
            raise AttributeError(name)
        return _Attribute(self, name)


class _Attribute(_Value, fx.proxy.Attribute):
    """A tensor's shape, or one of its methods before the call."""


_TENSORS = f"keep it a tensor, or {_OPAQUE}"


class _Tracer(fx.Tracer):
    """Goes into the user's modules, not into those of torch and Brevitas; knows where it is."""

    def __init__(self, rules: Rules, opaque: frozenset[str], structure: Structure) -> None:
        # factories are given a proxy's device, which only a recorded call can take
        super().__init__(autowrap_modules=(math,), autowrap_functions=())
        self.rules, self.opaque, self.structure = rules, opaque, structure
        self.path, self.measuring = "", False

    def create_args_for_root(
        self, root_fn: Callable[..., Any], is_module: bool, concrete_args: Any = None
    ) -> tuple[Callable[..., Any], list[Any]]:
        """What the network's forward is called with: its one input, and the defaults of all else."""
        function, args = super().create_args_for_root(root_fn, is_module, concrete_args)
        given = {option.name: option.default for option in options_of(self.root)}
        for at, arg in enumerate(args):
            if isinstance(arg, fx.Proxy) and arg.node.target in given:
                args[at] = given[str(arg.node.target)]
                self.graph.erase_node(arg.node)
        return function, args

    def create_arg(self, a: Any) -> Any:
        """A tensor made in a forward has one name in all traces."""
        if isinstance(a, Tensor) and a not in self.tensor_attrs:
            for known, name in [*self.tensor_attrs.items()]:
                if str(name).startswith("_tensor_constant") and _equal(known, a):
                    self.tensor_attrs[a] = name
                    break
        return super().create_arg(a)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        if isinstance(m, _CONTAINERS):
            return False
        return (
            module_qualified_name in self.opaque
            or isinstance(m, _OURS)
            or type(m).__module__.startswith(LIBRARIES)
            or isinstance(m, nn.Conv1d | nn.Conv2d | nn.Linear | nn.modules.batchnorm._BatchNorm)
            or activation_of(self.rules, module_qualified_name, m) is not None
        )

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if self.measuring or self._made_here(m):
            return forward(*args, **kwargs)
        before, self.path = self.path, self.path_of_module(m)
        result = super().call_module(m, forward, args, kwargs)
        self.path = before  # on an error it stays where the error was
        return result

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        return attr_val if self.measuring else super().getattr(attr, attr_val, parameter_proxy_cache)

    def _made_here(self, m: nn.Module) -> bool:
        """Whether a forward makes it: a module that holds nothing, or a part of a container (``net[:3]``)."""
        if any(True for _ in (*m.parameters(), *m.buffers())) and not isinstance(m, _CONTAINERS):
            return False
        return m not in (self.submodule_paths or {})

    def path_of_module(self, mod: nn.Module) -> str:
        try:
            return super().path_of_module(mod)
        except NameError as error:
            raise _Untraceable(
                f"calls a {type(mod).__name__} that is no part of the network, whose weights nothing trains",
                "make it in __init__ and keep it as an attribute",
            ) from error

    def create_node(self, *args: Any, **kwargs: Any) -> fx.Node:
        node: fx.Node = super().create_node(*args, **kwargs)
        node.meta[PATH] = self.path
        node.meta[LINE] = line_of_call(sys._getframe(1), traced.__code__)
        return node

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return _Value(node, self)

    def to_bool(self, obj: fx.Proxy) -> bool:
        choose = "compute both and choose by torch.where"
        return bool(self.value(obj, "decides by the values of a tensor", f"{choose}, or {_OPAQUE}"))

    def iter(self, obj: fx.Proxy) -> Iterator[Any]:
        try:
            return super().iter(obj)  # a tuple that is unpacked
        except fx.proxy.TraceError:
            whole = "work on the whole tensor, or count by an attribute of the module"
            length = self.value(obj, "loops over a tensor", whole, len)
            return iter([operator.getitem(obj, at) for at in range(length)])

    def value(
        self, obj: fx.Proxy, reason: str, remedy: str, about: Callable[[Any], Any] = lambda value: value
    ) -> Any:
        """What is asked about a proxy, where shapes tell it; else the reason is an error."""
        self.measuring = True
        try:
            return self.structure.of(obj.node, about)
        except Unknown:
            raise _Untraceable(reason, remedy) from None
        finally:
            self.measuring = False


def _equal(one: Any, other: Tensor) -> bool:
    """Whether two tensors hold the same, NaN included."""
    if not isinstance(one, Tensor) or (one.shape, one.device) != (other.shape, other.device):
        return False
    return one.dtype == other.dtype and bool(((one == other) | ((one != one) & (other != other))).all())


def traced(model: nn.Module, rules: Rules, example: Tensor) -> fx.Graph:
    """The graph of the model in its present mode; nodes name the model's own modules and tensors.

    A module without children that cannot be traced is one opaque node. Raises BadInput that names the module
    for others.
    """
    opaque: set[str] = set()
    while True:
        tracer = _Tracer(rules, frozenset(opaque), Structure(model, example))
        try:
            with _recorded_factories():
                return without_changes(tracer.trace(model), model)
        except Exception as error:  # a user's forward may raise whatever it likes
            path = tracer.path
            simple = path and not any(True for _ in model.get_submodule(path).children())
            if simple and path not in opaque:
                opaque.add(path)
                continue
            raise _untraceable(model, path, error) from error


def _untraceable(model: nn.Module, path: str, error: Exception) -> BadInput:
    if isinstance(error, _Untraceable):
        reason, remedy = error.reason, error.remedy
    else:
        reason = f"does what a graph cannot hold: {one_line(error)}"
        remedy = f"write it with torch's functions on whole tensors, or {_OPAQUE}"
    return BadInput(
        f"module {path or type(model).__name__!r}",
        f"cannot be traced: it {reason}{_at(line_of_error(error, model))}",
        remedy,
    )


def options_of(model: nn.Module) -> list[inspect.Parameter]:
    """The arguments of a network's forward that have defaults, but for the first one, which is its input."""
    others = [*inspect.signature(model.forward).parameters.values()][1:]
    return [option for option in others if option.default is not option.empty]


def check_runs(model: nn.Module, example: Tensor) -> None:
    """Raise BadInput unless a network takes one batch; a fault of its own is told with the user's line."""
    takes = [
        p.name
        for p in inspect.signature(model.forward).parameters.values()
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]
    if len(takes) > 1:
        raise BadInput(
            f"module {type(model).__name__!r}", f"takes {len(takes)} inputs ({', '.join(takes)})",
            "let its forward take one tensor; make the others attributes, or give them defaults (which hold)",
        )  # fmt: skip
    try:
        with torch.no_grad(), in_mode(model, training=False):
            model(example.clone())
    except Exception as error:
        place = line_of_error(error, model)
        raise BadInput(
            "example_input",
            f"does not run through the network ({type(error).__name__}: {one_line(error)}){_at(place)}",
            "give one batch as in training; if it is one, mend that line: the network fails by itself",
        ) from error


def _at(place: str) -> str:
    return f" ({place})" if place else ""


class _recorded_factories:
    """torch.tensor(..., device=x.device) in a forward is recorded where x is a proxy."""

    names = ("tensor", "zeros", "ones", "full", "arange", "as_tensor")

    def __enter__(self) -> None:
        self.kept = {name: getattr(torch, name) for name in self.names}
        for name, function in self.kept.items():
            setattr(torch, name, _recording(function))

    def __exit__(self, *_: object) -> None:
        for name, function in self.kept.items():
            setattr(torch, name, function)


def _recording(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        proxy = next((a for a in (*args, *kwargs.values()) if isinstance(a, fx.Proxy)), None)
        if proxy is None:
            return function(*args, **kwargs)
        return proxy.tracer.create_proxy("call_function", function, args, kwargs)

    return call


class _Shapes(fx.Interpreter):
    """Runs the graph and notes the shape of every tensor."""

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        found = result if isinstance(result, Tensor) else getattr(result, "value", None)
        n.meta[SHAPE] = tuple(found.shape) if isinstance(found, Tensor) else None
        return result


@torch.no_grad()
def with_shapes(model: nn.Module, graph: fx.Graph, example: Tensor) -> fx.Graph:
    """Note the shapes that an example input gives. Raises BadInput if the graph does not take it."""
    try:
        with in_mode(model, training=False):
            _Shapes(model, graph=graph).run(example.clone())
    except Exception as error:
        reason = one_line(str(error).split("While executing")[0])  # fx adds its own story
        raise BadInput(
            f"module {type(model).__name__!r}",
            f"does not run as a graph ({reason}), though it runs by itself",
            "keep what the batch's values or size decide out of forward",
        ) from error
    return graph


def shape_of(node: fx.Node) -> tuple[int, ...] | None:
    """(N, C, ...) of a node's output; None where it is no tensor."""
    shape: tuple[int, ...] | None = node.meta.get(SHAPE)
    return shape


def owner_of(node: fx.Node) -> str:
    """The path of the module whose forward a node is of; empty for the network's own."""
    return str(node.meta.get(PATH, ""))


def place_of(node: fx.Node) -> str:
    """An op in the user's words: what it is, in which module, in which line of which file."""
    where = ", ".join(filter(None, (owner_of(node) and f"in {owner_of(node)}", node.meta.get(LINE, ""))))
    return f"{word_of(node)} ({where})" if where else word_of(node)


def word_of(node: fx.Node) -> str:
    """What an op is called."""
    return str(_WORDS.get(node.target) or getattr(node.target, "__name__", str(node.target)))


_WORDS: dict[Any, str] = {operator.getitem: "indexing"}


def tensors_in(node: fx.Node) -> Iterator[fx.Node]:
    """The nodes with a tensor that a node reads; a part of a tuple (chunk, split) reads what was parted."""
    for source in node.all_input_nodes:
        if shape_of(source) is not None:
            yield source
        elif node.target is operator.getitem:
            yield from tensors_in(source)


def argument(node: fx.Node, position: int, name: str, default: Any = None) -> Any:
    """What a call is given for an argument, by its place or its name."""
    return node.args[position] if len(node.args) > position else node.kwargs.get(name, default)


def module_at(model: nn.Module, node: fx.Node) -> nn.Module:
    """The module that a call_module node calls."""
    return model.get_submodule(str(node.target))


__all__ = [
    "argument", "check_runs", "module_at", "options_of", "owner_of", "place_of", "shape_of", "tensors_in",
    "traced", "value_of", "with_shapes", "word_of",
]  # fmt: skip
