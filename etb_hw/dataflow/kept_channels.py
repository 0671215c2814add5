"""A block that yields the channels it reads, so that dead ones may be added to both sides alike."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from etb_hw.dataflow.block import Block


@dataclass(frozen=True, eq=False, kw_only=True)
class KeepsChannels(Block):
    """Base of blocks whose ``channels`` pass through; whether they take dead ones stands with each."""

    channels: int

    def with_dead(self, channels: int, dead_in: int, dead_out: int) -> Self:
        assert dead_in == dead_out, "it yields the channels that it reads"
        return replace(self, channels=channels + dead_in)
