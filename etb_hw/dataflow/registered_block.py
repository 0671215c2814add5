"""A block that may have more registers behind its memories, for a faster clock: ``--memory-registers``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from etb_hw.dataflow.block import Attribute, Block, Fold


@dataclass(frozen=True, eq=False, kw_only=True)
class RegisteredBlock(Block):
    """Base of blocks with such a form; what ``register`` adds stands with each."""

    register: bool = False

    def registered(self) -> Self:
        return replace(self, register=True)

    @property
    def choices(self) -> Fold:
        return {**super().choices, "register": int(self.register)}

    @property
    def finn_notes(self) -> Mapping[str, Attribute]:
        return {**super().finn_notes, **({"etb_register": 1} if self.register else {})}
