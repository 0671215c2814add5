"""What random networks of users share: a list of steps, run one after another."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CALLS: Mapping[str, Callable[..., Tensor]] = {
    "sign": torch.sign,
    "relu": F.relu,
    "clamp": lambda x: x.clamp(-1, 1),
    "hardtanh": F.hardtanh,
    "max_pool": lambda x: F.max_pool2d(x, 2),
    "interpolate": lambda x: F.interpolate(x, scale_factor=2.0),
    "pad": lambda x: F.pad(x, (1, 1, 1, 1), value=-1.0),
    "half": lambda x: x * 0.5,
    "shift": lambda x: x + 0.25,
    "minus": lambda x: -x,
    "shuffle": lambda x: F.channel_shuffle(x, 2),
    "front": lambda x: x[:, : x.shape[1] // 2],
    "every second": lambda x: x[:, 1::2],
    "turned": lambda x: torch.cat(x.chunk(2, 1)[::-1], 1),
    "add": operator.add,
    "mul": operator.mul,
    "cat": lambda *parts: torch.cat(parts, 1),
}


class StepNet(nn.Module):
    """Steps (op, inputs, name), each making one more tensor (N, C, H, W), and a head.

    An op is ``part`` (the module of that name), ``shifted`` (plus the parameter of that name), ``dropout`` or
    one of ``CALLS``. Subclasses draw the steps, and whether the head reads all pixels (``flat``) or a mean.
    """

    flat: bool
    head: nn.Module

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleDict()
        self.shifts = nn.ParameterDict()
        self.steps: list[tuple[str, tuple[int, ...], str]] = []

    def forward(self, x: Tensor) -> Tensor:
        tensors = [x]
        for op, inputs, name in self.steps:
            given = [tensors[i] for i in inputs]
            match op:
                case "part":
                    y = self.parts[name](given[0])
                case "shifted":
                    y = given[0] + self.shifts[name]
                case "dropout":
                    y = F.dropout(given[0], 0.2, self.training)
                case _:
                    y = CALLS[op](*given)
            tensors.append(y)
        y = tensors[-1]
        return self.head(y.flatten(1) if self.flat else y.mean((2, 3)))
