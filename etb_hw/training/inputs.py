"""What the network of a flow reads and gives."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from etb_hw.errors import BadInput, one_line


@dataclass(frozen=True)
class Inputs:
    """What a network reads and tells apart: the shape (C, H, W) and type of an image, and the classes."""

    shape: tuple[int, int, int]
    classes: int
    dtype: str

    def example(self) -> Tensor:
        """A batch of two, of any of these integers."""
        kind = torch.iinfo(getattr(torch, self.dtype.lower()))
        generator = torch.Generator().manual_seed(0)
        return torch.randint(kind.min, kind.max + 1, (2, *self.shape), generator=generator).float()


def check_logits(where: str, net: nn.Module, inputs: Inputs) -> None:
    """Raise BadInput unless a network gives one number a class."""
    example = inputs.example()
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            made = copy.deepcopy(net).eval()(example)
    except Exception as error:
        reason = f"fails on a batch {tuple(example.shape)} ({one_line(error)})"
        raise BadInput(where, reason, "let it take the data that [data] names, as floats") from error
    shape = tuple(made.shape) if isinstance(made, Tensor) else type(made).__name__
    if shape != (len(example), inputs.classes):
        reason = f"gives {shape} for a batch of {len(example)}; a flow trains classifiers"
        remedy = f"return logits (N, {inputs.classes}), or train it in a loop of your own (docs: own-loop)"
        raise BadInput(where, reason, remedy)
