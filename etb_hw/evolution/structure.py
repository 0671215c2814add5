"""What a forward asks of shapes while it is traced: the answers that hold for a batch of any size.

``assert x.shape[1] == 8``, ``if x.dim() == 3`` or ``range(x.shape[2])`` need numbers, where a trace has only
names. What is made of shapes alone is computed twice, for batches of two sizes; where both agree it is known.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.node import map_arg

from etb_hw.models.modes import in_mode

_OF_A_TENSOR = frozenset(
    {"shape", "ndim", "dtype", "device", "is_cuda", "layout", "requires_grad"}  # attributes
    | {"size", "dim", "ndimension", "numel", "nelement", "is_floating_point", "is_complex"}  # methods
)
_SAFE = (bool, int, float, str, tuple, type(None), torch.dtype, torch.device, torch.layout)


class Unknown(Exception):
    """A value that depends on the numbers in a tensor, or on the batch's size."""


class Structure:
    """The values behind the nodes of a graph that is being traced, as far as they are asked for.

    Args:
        model: what is traced. example: a batch (N, C, ...) for it.
    """

    def __init__(self, model: nn.Module, example: Tensor) -> None:
        self.model = model
        rows = torch.cat([example[:1]] * 3)
        self.batches = (rows[:2], rows)
        self.known: dict[fx.Node, tuple[Any, Any]] = {}

    def of(self, node: fx.Node, about: Callable[[Any], Any] = lambda value: value) -> Any:
        """What a function tells of a node's value; the value itself by default.

        Raises Unknown where the value is not made of shapes alone, or the answer differs between batches.
        """
        if not structural(node):
            raise Unknown(node)
        try:
            with torch.no_grad(), in_mode(self.model, training=False):
                for each in node.graph.nodes:
                    if each not in self.known:
                        self.known[each] = (self.run(each, 0), self.run(each, 1))
                    if each is node:
                        break
        except Exception as error:  # of a forward that takes no batch of another size
            raise Unknown(node) from error
        first, second = map(about, self.known[node])
        if not isinstance(first, _SAFE) or first != second:
            raise Unknown(node)
        return first

    def run(self, node: fx.Node, batch: int) -> Any:
        if node.op == "placeholder":
            given = next(n for n in node.graph.nodes if n.op == "placeholder")
            default = node.args[0] if node.args else None
            return self.batches[batch] if node is given else default
        args, kwargs = map_arg((node.args, node.kwargs), lambda source: self.known[source][batch])
        if node.op == "get_attr":
            return operator.attrgetter(str(node.target))(self.model)
        if node.op == "call_module":
            return self.model.get_submodule(str(node.target))(*args, **kwargs)
        if node.op == "call_method":
            return getattr(args[0], str(node.target))(*args[1:], **kwargs)
        assert callable(node.target)
        return node.target(*args, **kwargs)


def structural(node: fx.Node) -> bool:
    """Whether a value is made of shapes, types and constants alone."""
    todo, seen = [node], {node}
    while todo:
        each = todo.pop()
        name = each.args[1] if each.target is getattr else each.target
        if each.op in ("call_method", "call_function") and name in _OF_A_TENSOR:
            continue
        if each.op != "call_function" or not each.all_input_nodes:
            return False
        new = [source for source in each.all_input_nodes if source not in seen]
        seen.update(new)
        todo += new
    return True
