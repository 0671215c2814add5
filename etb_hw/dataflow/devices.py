"""FPGA parts and boards, from ``devices.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from importlib.resources import files

from etb_hw.dataflow.resources import Resources
from etb_hw.errors import BadInput


@dataclass(frozen=True)
class Device:
    """A part and what it holds.

    Attributes:
        part: the vendor's part name without package and speed grade.
        boards: boards that carry it.
        resources: everything on the part; block RAMs in halves of 18 kbit.
        family: Yosys' name of the family (xc7, xcup, ecp5).
        lut_inputs: inputs of a LUT (6 or 4).
        source: where the numbers stand.
    """

    part: str
    boards: tuple[str, ...]
    resources: Resources
    family: str
    lut_inputs: int
    source: str

    def budget(self, utilization: float) -> Resources:
        """What a design may use at a utilisation limit (0 < utilization <= 1)."""
        all_of = self.resources
        return Resources(
            all_of.lut * utilization,
            all_of.ff * utilization,
            all_of.bram_18k * utilization,
            all_of.uram * utilization,
            all_of.dsp * utilization,
        )


@lru_cache(maxsize=1)
def devices() -> tuple[Device, ...]:
    """All known parts."""
    text = files("etb_hw.dataflow").joinpath("devices.toml").read_text(encoding="utf-8")
    return tuple(
        Device(
            part,
            tuple(entry["boards"]),
            Resources(entry["lut"], entry["ff"], entry["bram_18k"], entry.get("uram", 0), entry["dsp"]),
            entry["family"],
            entry.get("lut_inputs", 6),
            entry["source"],
        )
        for part, entry in tomllib.loads(text).items()
    )


def find_device(name: str) -> Device:
    """The device of a board or part name, case and punctuation aside.

    A part may carry package and speed grade (``xc7z020clg400-1``). Raises BadInput with the nearest names.
    """
    wanted = _plain(name)
    names = {_plain(known): device for device in devices() for known in (device.part, *device.boards)}
    if wanted in names:
        return names[wanted]
    parts = [device for device in devices() if wanted.startswith(_plain(device.part))]
    if parts:
        return max(parts, key=lambda device: len(device.part))
    shown = {_plain(board): board for device in devices() for board in (*device.boards, device.part)}
    near = [shown[match] for match in get_close_matches(wanted, shown, n=3, cutoff=0.5)]
    choice = ", ".join(near or shown.values())
    raise BadInput(f"device {name!r}", "is not known", f"use one of: {choice}")


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())
