"""The quantizers' arithmetic: forward values and the surrogate gradients that train their thresholds.

Source: the ETB abstract fixes only that both thresholds are trained. The gradients are our choice (see
training/EXPERIMENTS.md): dead zones shrink where the values that they would kill lower the loss.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

WEIGHT_WINDOW = 1.5  # latent weights (unit standard deviation) farther out than this get no gradient
RAMP = 0.5  # half width of the smoothed step around a weight's dead-zone edge


def signs(x: Tensor) -> Tensor:
    """-1 and +1 of x's type; zero counts as +1, as in hardware (x >= threshold)."""
    # the bits of torch.where(x >= 0, 1.0, -1.0) in a third of its time on a CPU
    ones = told(torch.ge, x, 0)
    twice = torch.mul(ones, 2, out=into(ones))
    return torch.sub(twice, 1, out=into(twice))


def told(compare: Callable[..., Tensor], x: Tensor, bound: Tensor | float) -> Tensor:
    """1 where torch.ge(x, bound), or another comparison, holds, else 0; of x's type, in one pass."""
    return compare(x, bound, out=into(torch.empty_like(x))).to(x.dtype)


def into(place: Tensor) -> Tensor | None:
    """Where an operation may put its result, since new memory costs more than arithmetic.

    A compiler decides that by itself, and would cut its graph where the place is not contiguous. torch 2.11
    loses the gradient of a Function whose result was changed in place.
    """
    return None if torch.compiler.is_compiling() else place


def per_channel(values: Tensor, like: Tensor, axis: int) -> Tensor:
    """View ``values`` of shape (C,) so that it broadcasts along ``axis`` of ``like``."""
    shape = [1] * like.ndim
    shape[axis] = -1
    return values.view(shape)


def dead_zones(threshold: Tensor, at_one: float) -> Tensor:
    """Dead zones (C,) of thresholds in [0, 1]: in proportion, and without an end at 1, where all is zero."""
    return torch.where(threshold >= 1, torch.inf, at_one * threshold)


def ternary(x: Tensor, dead_zone: Tensor) -> Tensor:
    """sign(x) [|x| >= D], with sign(0) = +1; ``dead_zone`` D >= 0 broadcasts with x.

    In three passes over memory, which is what such a step costs on a CPU.
    """
    # the largest value that is below the zone: -D itself, or below zero where there is no zone
    below = torch.where(dead_zone > 0, torch.nextafter(-dead_zone, torch.zeros_like(dead_zone)), 0.0)
    above = told(torch.ge, x, dead_zone)
    return torch.sub(above, told(torch.lt, x, below), out=into(above))


class TernaryWeight(Function):
    """q = sign(v) [|v| >= D]; v (O, ...) standardised latent weights, D (O,) dead zones.

    dq/dv = [|v| <= 1.5 + D];  dq/dD = -sign(v) [||v| - D| <= 0.5], the slope of a unit ramp around D.
    """

    @staticmethod
    def forward(ctx: Any, v: Tensor, dead_zone: Tensor) -> Tensor:
        edge = per_channel(dead_zone, v, 0)
        ctx.save_for_backward(v, edge)
        return ternary(v, edge)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        v, edge = ctx.saved_tensors
        over = v.abs().sub_(edge)
        to_latent = grad * (over <= WEIGHT_WINDOW)
        to_edge = -(signs(v).mul_(grad).mul_(over.abs_() <= RAMP)).flatten(1).sum(1)
        return to_latent, to_edge


class BinaryWeight(Function):
    """q = sign(v) with dq/dv = [|v| <= 1.5]: the ternary quantizer with its dead zone closed."""

    @staticmethod
    def forward(ctx: Any, v: Tensor) -> Tensor:
        ctx.save_for_backward(v)
        return signs(v)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (v,) = ctx.saved_tensors
        within: Tensor = v.abs() <= WEIGHT_WINDOW
        return grad * within


class TernaryActivation(Function):
    """a = sign(y) [|y| >= d]; y (N, C, ...), d (C,) dead zones.

    da/dy = max(0, 2 - 2 max(0, |y| - d)) (a triangle, flat over the dead zone);
    dL/dd = -sum g a over the whole support: the first-order change of the loss when the channel is removed,
    so it trains the dead zone and ranks the channels at once.
    ``gain`` (C,) scales da/dy: channels that fade to zero stop sending gradients back.
    """

    @staticmethod
    def forward(ctx: Any, y: Tensor, dead_zone: Tensor, gain: Tensor) -> Tensor:
        edge = per_channel(dead_zone, y, 1)
        a = ternary(y, edge)
        ctx.save_for_backward(y, edge, a, per_channel(gain, y, 1))
        return a

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        y, edge, a, gain = ctx.saved_tensors
        room = grad * a  # one tensor serves both: memory that is new costs more than arithmetic
        to_edge = -room.sum([0, *range(2, grad.ndim)])
        over = torch.abs(y, out=into(room)).sub_(edge).clamp_(0, 1)
        slope = torch.sub(1, over, out=into(over)).mul_(2 * gain)
        return slope.mul_(grad), to_edge, None


class BinaryActivation(Function):
    """a = sign(y) with da/dy = max(0, 2 - 2 |y|)."""

    @staticmethod
    def forward(ctx: Any, y: Tensor) -> Tensor:
        ctx.save_for_backward(y)
        return signs(y)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        slope: Tensor = y.abs().mul_(-2).add_(2).clamp_(min=0)
        return slope.mul_(grad)


class Stream(Function):
    """r = round(y) within [low, high], 0 where |r| < d; y (N, C, ...), d (C,) dead zones.

    dr/dy = gain inside the range; dL/dd = -sum g r, as for TernaryActivation.
    """

    @staticmethod
    def forward(ctx: Any, y: Tensor, dead_zone: Tensor, gain: Tensor, low: int, high: int) -> Tensor:
        r = y.round().clamp(low, high)
        r = r * (r.abs() >= per_channel(dead_zone, y, 1))
        ctx.save_for_backward(y, r, per_channel(gain, y, 1))
        ctx.low, ctx.high = low - 0.5, high + 0.5
        return r

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        y, r, gain = ctx.saved_tensors
        inside = (y >= ctx.low) & (y <= ctx.high)
        return grad * inside * gain, -(grad * r).sum([0, *range(2, grad.ndim)]), None, None, None
