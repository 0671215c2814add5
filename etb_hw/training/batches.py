"""Batches that depend on the seed and the step number only, so that a resumed run sees the same ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from etb_hw.config import TrainingConfig
from etb_hw.evolution.schedule import epoch_steps

_STREAM = 1_000_003  # keeps the random streams of different seeds apart


@dataclass(frozen=True)
class Batches:
    """The training set on its device, as integers, with batched augmentation.

    Attributes:
        x: (N, C, H, W). y: (N,) int64.
        rank, ranks: this process takes every ``ranks``-th image of each batch.
    """

    x: Tensor
    y: Tensor
    config: TrainingConfig
    rank: int = 0
    ranks: int = 1

    @property
    def an_epoch(self) -> int:
        return epoch_steps(self.config, len(self.y))

    @property
    def images(self) -> int:
        """Images an epoch: of whole batches, or all where they are fewer than one."""
        return self.an_epoch * min(self.config.batch, len(self.y))

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Float32 pixels (B, C, H, W), channels last in memory, and labels (B,) of a step."""
        epoch, place = divmod(step, self.an_epoch)
        shuffled = _order(self.config.seed, epoch, len(self.y))
        size = self.config.batch
        chosen = shuffled[place * size : (place + 1) * size]
        device = self.x.device
        noise = torch.rand((len(chosen), 5), generator=_generator(self.config.seed, 1, step))
        mine = slice(self.rank, None, self.ranks)
        index = chosen[mine].to(device)
        x = augment(self.x[index], noise[mine].to(device), self.config)
        # convolutions and pools of any network are up to 1.6 times faster so, on CPUs and GPUs
        return x.float().contiguous(memory_format=torch.channels_last), self.y[index]


@lru_cache(maxsize=1)
def _order(seed: int, epoch: int, images: int) -> Tensor:
    """The order of an epoch's images; drawn once for all of its batches."""
    return torch.randperm(images, generator=_generator(seed, 0, epoch))


def augment(x: Tensor, noise: Tensor, config: TrainingConfig) -> Tensor:
    """Shift, mirror and blank images (B, C, H, W) as the uniform ``noise`` (B, 5) says."""
    batch, _, height, width = x.shape
    if config.flip:
        x = torch.where((noise[:, 0] < 0.5).view(-1, 1, 1, 1), x.flip(3), x)
    if config.shift:
        # images are zero-padded and read back at an offset of each
        x = torch.nn.functional.pad(x, (config.shift,) * 4)
        span = 2 * config.shift + 1
        top, left = (noise[:, 1:3] * span).long().unbind(1)
        rows = top.view(-1, 1) + torch.arange(height, device=x.device)
        columns = left.view(-1, 1) + torch.arange(width, device=x.device)
        image = torch.arange(batch, device=x.device).view(-1, 1, 1)
        x = x.permute(0, 2, 3, 1)[image, rows.unsqueeze(2), columns.unsqueeze(1)].permute(0, 3, 1, 2)
    if config.cutout:
        centre_y, centre_x = noise[:, 3] * height, noise[:, 4] * width
        near_y = _near(centre_y, height, config.cutout)
        near_x = _near(centre_x, width, config.cutout)
        hole = near_y.view(batch, 1, height, 1) & near_x.view(batch, 1, 1, width)
        x = x.masked_fill(hole, 0)
    return x


def _near(centre: Tensor, size: int, span: int) -> Tensor:
    pixels = torch.arange(size, device=centre.device) + 0.5
    return (pixels.view(1, -1) - centre.view(-1, 1)).abs() <= span / 2


def _generator(seed: int, stream: int, number: int) -> torch.Generator:
    return torch.Generator().manual_seed((seed * 2 + stream) * _STREAM * 1000 + number)
