"""What torch's exporter has no form for, computed in a form that it has.

An adaptive pool whose input size it does not know, which is any behind a layer of Brevitas: those that divide
their input evenly are plain pools. While a network runs, all sizes are known. A shuffle of channels: as
ShuffleNet's authors write it, by an axis of groups. And a squeeze of several axes: one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

_PLAIN: Mapping[Any, Callable[..., torch.Tensor]] = {
    F.adaptive_avg_pool1d: F.avg_pool1d,
    F.adaptive_avg_pool2d: F.avg_pool2d,
    F.adaptive_max_pool1d: F.max_pool1d,
    F.adaptive_max_pool2d: F.max_pool2d,
}


OPS = ("adaptive", "channel_shuffle")  # parts of the names that torch gives those


class PlainForms(TorchFunctionMode):
    """Within it, they compute, and export, in their plain form, where an unquantized tensor is given.

    Args:
        uneven: filled with what each adaptive pool does that is no plain one, in words, in the order of the
            forward.
    """

    def __init__(self, uneven: list[str]) -> None:
        super().__init__()
        self.uneven = uneven

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is torch.channel_shuffle:
            return _shuffled(*args, **kwargs)
        if func in (torch.squeeze, torch.Tensor.squeeze):
            return _squeezed(*args, **kwargs)
        plain = _PLAIN.get(func)
        if plain is None:
            return func(*args, **kwargs)
        x = args[0] if args else kwargs["input"]
        wanted = args[1] if len(args) > 1 else kwargs["output_size"]
        axes = 1 if plain in (F.avg_pool1d, F.max_pool1d) else 2
        # while a trace is made, torch gives sizes as tensors
        size = [int(pixels) for pixels in x.shape[-axes:]]
        each = wanted if isinstance(wanted, Sequence) else [wanted] * axes
        out = [given if one is None else int(one) for given, one in zip(size, each, strict=True)]
        if set(out) == {1} or type(x) is not torch.Tensor or kwargs.get("return_indices"):
            return func(*args, **kwargs)
        if any(given % one for given, one in zip(size, out, strict=True)):
            before, after = ("x".join(map(str, pixels)) for pixels in (size, out))
            self.uneven.append(f"pools {before} pixels to {after}, which do not divide them evenly")
            return func(*args, **kwargs)
        return x if size == out else plain(x, [given // one for given, one in zip(size, out, strict=True)])


def _squeezed(input: torch.Tensor, dim: int | Sequence[int] | None = None) -> torch.Tensor:
    if dim is None:
        return torch.squeeze(input)
    axes = [dim] if isinstance(dim, int) else dim
    for axis in sorted((axis % input.dim() for axis in axes), reverse=True):
        input = torch.squeeze(input, axis)
    return input


def _shuffled(input: torch.Tensor, groups: int) -> torch.Tensor:
    batch, channels, *pixels = (int(size) for size in input.shape)
    grouped = input.reshape(batch, groups, channels // groups, *pixels)
    return grouped.transpose(1, 2).reshape(batch, channels, *pixels)
