"""The processes that train one network together, as decisions see them: all must decide alike."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.distributed as dist


@dataclass(frozen=True)
class Team:
    """This process and how many there are."""

    rank: int = 0
    ranks: int = 1

    @staticmethod
    def present() -> Team:
        """The processes that have been joined, by whomever."""
        joined = dist.is_available() and dist.is_initialized()
        return Team(dist.get_rank(), dist.get_world_size()) if joined else Team()

    @property
    def leads(self) -> bool:
        """Whether this process writes files and reports."""
        return self.rank == 0


def total(team: Team, device: torch.device, *values: float) -> list[float]:
    """Sums over all processes."""
    if team.ranks == 1:
        return list(values)
    sums = torch.tensor(values, dtype=torch.float64, device=device)
    dist.all_reduce(sums)
    return [float(value) for value in sums]
