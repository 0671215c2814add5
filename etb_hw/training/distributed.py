"""Several processes that train one network together, started by ``torchrun`` (DistributedDataParallel).

Every process holds the whole network and works on its share of each batch. Gradients, those of the thresholds
included, are averaged, so all processes take the same decisions; only the first one writes files. The run's
folder must be visible to all of them, to resume.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from etb_hw.errors import BadInput


@dataclass(frozen=True)
class Team:
    """This process and how many there are."""

    rank: int = 0
    ranks: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes files and reports."""
        return self.rank == 0


@contextmanager
def joined(device: str) -> Iterator[Team]:
    """Join the processes that torchrun started with this one; alone without torchrun."""
    if not dist.is_torchelastic_launched():
        yield Team()
        return
    began = not dist.is_initialized()
    if began:
        gpu = device != "cpu" and torch.cuda.is_available()
        if gpu:
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))  # torchrun's way to say which GPU is ours
        dist.init_process_group("nccl" if gpu else "gloo")
    try:
        yield Team(dist.get_rank(), dist.get_world_size())
    finally:
        if began:
            dist.destroy_process_group()


def check_batch(team: Team, batch: int) -> None:
    """Raise BadInput unless a batch can be dealt out evenly."""
    if batch % team.ranks:
        raise BadInput(
            "training.batch",
            f"{batch} images cannot be dealt out to {team.ranks} processes",
            f"use a multiple of {team.ranks}",
        )


def wrapped(net: nn.Module, team: Team, compiled: bool) -> nn.Module:
    """The module to call for training: averages gradients over the processes; compiled if asked for."""
    module = DistributedDataParallel(net) if team.ranks > 1 else net
    return torch.compile(module) if compiled else module  # type: ignore[return-value]


@torch.no_grad()
def share_buffers(net: nn.Module, team: Team) -> None:
    """Take over the first process's running statistics, before anything is evaluated."""
    if team.ranks > 1:
        for buffer in net.buffers():
            dist.broadcast(buffer, 0)


def total(team: Team, device: torch.device, *values: float) -> list[float]:
    """Sums over all processes."""
    if team.ranks == 1:
        return list(values)
    sums = torch.tensor(values, dtype=torch.float64, device=device)
    dist.all_reduce(sums)
    return [float(value) for value in sums]
