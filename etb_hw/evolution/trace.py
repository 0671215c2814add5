"""The graph of a user's network: a symbolic trace (torch.fx), and the shape of every tensor in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, fx, nn

from etb_hw.errors import BadInput
from etb_hw.evolution.rules import Rules, activation_of
from etb_hw.models.blocks import Logits
from etb_hw.models.layers import ChannelPad, Evolving, EvolvingAct, value_of
from etb_hw.models.norm import ChannelNorm

SHAPE, PATH = "etb_shape", "etb_path"
_OURS = (Evolving, EvolvingAct, ChannelPad, ChannelNorm, Logits)
_LIBRARIES = ("torch.nn.", "brevitas.nn.")
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


class _Tracer(fx.Tracer):
    """Goes into the user's modules, not into those of torch and Brevitas; knows where it is."""

    def __init__(self, rules: Rules, opaque: frozenset[str]) -> None:
        # factories are given a proxy's device, which only a recorded call can take
        super().__init__(autowrap_modules=(math,), autowrap_functions=())
        self.rules, self.opaque = rules, opaque
        self.path = ""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        if isinstance(m, _CONTAINERS):
            return False
        return (
            module_qualified_name in self.opaque
            or isinstance(m, _OURS)
            or type(m).__module__.startswith(_LIBRARIES)
            or isinstance(m, nn.Conv1d | nn.Conv2d | nn.Linear | nn.modules.batchnorm._BatchNorm)
            or activation_of(self.rules, module_qualified_name, m) is not None
        )

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        before, self.path = self.path, self.path_of_module(m)
        result = super().call_module(m, forward, args, kwargs)
        self.path = before  # on an error it stays where the error was
        return result

    def create_node(self, *args: Any, **kwargs: Any) -> fx.Node:
        node: fx.Node = super().create_node(*args, **kwargs)
        node.meta[PATH] = self.path
        return node


def traced(model: nn.Module, rules: Rules) -> fx.Graph:
    """The graph of the model in its present mode; nodes name the model's own modules and tensors.

    A module without children that cannot be traced is one opaque node. Raises BadInput that names the module
    for others.
    """
    opaque: set[str] = set()
    while True:
        tracer = _Tracer(rules, frozenset(opaque))
        try:
            with _recorded_factories():
                return tracer.trace(model)
        except Exception as error:  # a user's forward may raise whatever it likes
            path = tracer.path
            simple = path and not any(True for _ in model.get_submodule(path).children())
            if simple and path not in opaque:
                opaque.add(path)
                continue
            reason = " ".join(str(error).split())[:200]
            raise BadInput(
                f"module {path or type(model).__name__!r}",
                f"cannot be traced ({reason})",
                "let no values of tensors decide what forward does (no if, for or float() on them), or move "
                "that part into a module of its own",
            ) from error


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
    """Note the shapes that an example input gives. Raises BadInput if the model does not take it."""
    mode = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        _Shapes(fx.GraphModule(model, graph, type(model).__name__)).run(example)
    except Exception as error:
        reason = " ".join(str(error).split("While executing")[0].split())[:200]  # fx adds its own story
        raise BadInput(
            "example_input", f"does not run through the network ({reason})", "give one batch as in training"
        ) from error
    finally:
        for module, training in mode:
            module.training = training
    return graph


def shape_of(node: fx.Node) -> tuple[int, ...] | None:
    """(N, C, ...) of a node's output; None where it is no tensor."""
    shape: tuple[int, ...] | None = node.meta.get(SHAPE)
    return shape


def owner_of(node: fx.Node) -> str:
    """The path of the module whose forward a node is of; empty for the network's own."""
    return str(node.meta.get(PATH, ""))


def tensors_in(node: fx.Node) -> Iterator[fx.Node]:
    """The nodes with a tensor that a node reads."""
    return (source for source in node.all_input_nodes if shape_of(source) is not None)


def module_at(model: nn.Module, node: fx.Node) -> nn.Module:
    """The module that a call_module node calls."""
    return model.get_submodule(str(node.target))


__all__ = ["module_at", "owner_of", "shape_of", "tensors_in", "traced", "value_of", "with_shapes"]
