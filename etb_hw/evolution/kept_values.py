"""Weights that lose some of their inputs keep the values that they are quantized to."""

from __future__ import annotations

import torch
from torch import Tensor

from etb_hw.quantizers import EvolvingWeightQuant
from etb_hw.quantizers.functions import per_channel
from etb_hw.quantizers.weight import DEAD_ZONE_A_THRESHOLD

_WIDEST = 0.95 * DEAD_ZONE_A_THRESHOLD  # of dead zones that leave some weights


@torch.no_grad()
def keep_values(
    old: Tensor, old_offset: Tensor, new: Tensor, quantizer: EvolvingWeightQuant, wanted: Tensor, where: str
) -> None:
    """Slicing moves a filter's mean and deviation; offset and threshold make up for it, so no value changes.

    With mean m and deviation s before, m', s' after: (w-m')/s' + (m'-m+o s)/s' = ((w-m)/s + o) s/s', so the
    dead zone grows by s/s'.

    Args:
        old: latent weights (O, ...) of the filters that stay, with all inputs; ``old_offset`` (O,) theirs.
        new: the latent weights that are left, changed here where rounding would decide; ``quantizer`` theirs.
        wanted: quantized values of the shape of ``new``.
    """
    old_std, old_mean = torch.std_mean(old.flatten(1), dim=1, correction=0)
    new_std, new_mean = torch.std_mean(new.flatten(1), dim=1, correction=0)
    old_std, new_std = old_std + 1e-5, new_std + 1e-5
    offset = (new_mean - old_mean + old_offset * old_std) / new_std
    # of weights that are all alike, such as a single one, standardising leaves nothing but the offset
    alike = _alike(new)
    quantizer.offset.copy_(torch.where(alike, wanted.flatten(1)[:, 0], offset))
    zero = wanted == 0
    if not quantizer.is_hard:
        threshold = _edge(quantizer.standardise(new).abs(), zero, quantizer.dead_zone() * old_std / new_std)
        quantizer.threshold.copy_(threshold / DEAD_ZONE_A_THRESHOLD)
    for _ in range(20):
        wrong = quantizer(new) != wanted
        if not bool(wrong.any()):
            return
        # a latent weight so close to 0 or to the edge that rounding decides: push it clear of both
        edge = torch.zeros_like(old_std) if quantizer.is_hard else quantizer.dead_zone()
        v, far = quantizer.standardise(new), per_channel((edge * 1.0001).clamp(min=1e-4), new, 0)
        goal = torch.where(zero, v.clamp(-0.999 * far, 0.999 * far), wanted * far)
        new.add_(torch.where(wrong, (goal - v) * per_channel(new_std, v, 0), torch.zeros_like(v)))
    _anew(new, quantizer, wanted, old_std)
    assert torch.equal(quantizer(new), wanted), f"values of layer {where} cannot be kept"


def _alike(weights: Tensor) -> Tensor:
    """Filters (O,) whose weights are all the same."""
    return weights.flatten(1).amax(1) == weights.flatten(1).amin(1)


def _edge(magnitude: Tensor, zero: Tensor, scaled: Tensor) -> Tensor:
    """A dead zone (O,) that parts weights that are zero from the others: the scaled one, or the middle.

    Where there are others it stays below the one at which no weight is left.
    """
    m, zero = magnitude.flatten(1), zero.flatten(1)
    inner = torch.where(zero, m, -1.0).amax(1)
    outer = torch.where(zero, torch.inf, m).amin(1)
    most = scaled.clamp(max=_WIDEST)
    parts = (inner < most) & (most <= outer)
    middle = ((inner.clamp(min=0) + outer) / 2).clamp(max=_WIDEST)
    return torch.where(outer.isinf(), scaled, torch.where(parts, most, middle))


def _anew(new: Tensor, quantizer: EvolvingWeightQuant, wanted: Tensor, deviation: Tensor) -> None:
    """Latent weights of the filters that are still wrong, few weights far from each other: their values.

    Zero is in the middle of its zone then, and the others at 1 over the values' deviation.
    """
    wrong = (quantizer(new) != wanted).flatten(1).any(1)
    spread, mean = torch.std_mean(wanted.flatten(1), dim=1, correction=0)
    new.copy_(torch.where(per_channel(wrong, new, 0), wanted * per_channel(deviation, new, 0), new))
    spread = spread + 1e-5 / deviation
    offset = torch.where(_alike(wanted), mean, mean / spread)
    quantizer.offset.copy_(torch.where(wrong, offset, quantizer.offset))
    if not quantizer.is_hard:
        zone = (0.5 / spread).clamp(max=_WIDEST / 2)
        threshold = torch.where(wrong, zone / DEAD_ZONE_A_THRESHOLD, quantizer.threshold)
        quantizer.threshold.copy_(threshold)
