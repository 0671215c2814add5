"""A resource model fitted to synthesis: named parts of each block, weighed by coefficients."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from importlib.resources import files
from typing import Any

from etb_hw.dataflow.block import Block
from etb_hw.dataflow.fabric import Fabric, find_fabric
from etb_hw.dataflow.fabric.memories import block_memory
from etb_hw.dataflow.resources import Resources, urams
from etb_hw.errors import BadInput

Weights = Mapping[str, float]


@dataclass(frozen=True, eq=False)
class CalibratedModel:
    """``etb_hw.dataflow.ResourceModel`` of our own RTL.

    Attributes:
        tool: the synthesis tool and version that the coefficients were fitted to.
        family: what it mapped to.
        target: the family that estimates are asked for; a near relative of ``family`` or the same.
        lut, ff: by kind of block, the weight of every amount that such a block names.
        held_out: by kind, and over all as ``all``: how many ``rows`` there are, and of ``lut`` and ``ff`` the
            ``median`` and 90th percentile (``p90``) of the relative error on rows that the fit had not seen.
    """

    tool: str
    family: str
    lut: Mapping[str, Weights]
    ff: Mapping[str, Weights]
    held_out: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    target: str = ""
    counts_fifos: bool = True

    @cached_property
    def fabric(self) -> Fabric:
        return find_fabric(self.family)

    @cached_property
    def name(self) -> str:
        stands_for = f" for {self.target}" if self.target not in ("", self.family) else ""
        return f"calibrated ({self.tool}, {self.family}{stands_for})"

    def __call__(self, block: Block) -> Resources:
        """LUTs of logic and memory, flip-flops, block RAMs and DSPs of a block of our RTL."""
        bram, uram = _block_memories(block, self.fabric)
        return Resources(
            lut=_weigh(block.lut_amounts(self.fabric), self.lut, block.kind) + block.link_luts(self.fabric),
            ff=_weigh(block.ff_amounts(self.fabric), self.ff, block.kind) + block.registers,
            bram_18k=bram,
            uram=uram,
            dsp=block.multipliers(self.fabric),
        )


# families whose estimates come from the fit to another: UltraScale+ has the LUTs of the 7 series, and its
# carry chains and block RAMs are as wide
CALIBRATED: Mapping[str, str] = {"xc7": "xc7", "xcup": "xc7", "ecp5": "ecp5"}


@cache
def load_calibration(family: str = "xc7") -> CalibratedModel:
    """The model of a family. Raises BadInput for one that was not synthesised and has no near relative."""
    if family not in CALIBRATED:
        raise BadInput(
            f"family {family!r}",
            "has no calibrated estimates",
            f"use resource_model = 'finn', or a device of: {', '.join(CALIBRATED)}",
        )
    text = (files("etb_hw.dataflow.calibrated") / f"coefficients_{CALIBRATED[family]}.json").read_text(
        "utf-8"
    )
    return replace(model_of(json.loads(text)), target=family)


def model_of(data: Mapping[str, Any]) -> CalibratedModel:
    """The model of a fit's coefficients."""
    return CalibratedModel(
        tool=data["tool"],
        family=data["family"],
        lut={kind: fit["lut"] for kind, fit in data["kinds"].items()},
        ff={kind: fit["ff"] for kind, fit in data["kinds"].items()},
        held_out={kind: fit["held_out"] for kind, fit in data["kinds"].items()} | {"all": data["held_out"]},
    )


def _weigh(amounts: Mapping[str, float], fits: Mapping[str, Weights], kind: str) -> float:
    weights = fits[kind] if amounts else {}  # what is nothing but wires needs no fit
    return round(sum(weights.get(name, 0.0) * amount for name, amount in amounts.items()), 1)


def _block_memories(block: Block, fabric: Fabric) -> tuple[int, int]:
    """RAMB18s and UltraRAMs of a block's large memory."""
    memory = block.memory
    if memory is None or memory.style not in ("ultra", "block", "auto"):
        return 0, 0
    if memory.style == "ultra":
        return 0, urams(memory.width, memory.depth)
    return block_memory(memory.width, memory.depth, fabric, written=memory.written)[0], 0
