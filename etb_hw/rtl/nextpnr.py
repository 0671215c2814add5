"""Running a nextpnr, and what it says of the result."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from etb_hw.errors import InfeasibleTarget
from etb_hw.rtl.tools import Tool
from etb_hw.rtl.yosys import SynthesisError

_USED = re.compile(r"^Info:\s+(\w+):\s*(\d+)/\s*(\d+)\s+\d+%", re.MULTILINE)


@dataclass(frozen=True, eq=False)
class Placement:
    """A routed design.

    Attributes:
        fmax_mhz: highest clock frequency after routing, by nextpnr's timing analysis.
        utilization: used and available cells by nextpnr's name of the kind.
        bitstream: the packed configuration, or None if it was not asked for.
        tools: names and versions.
    """

    device: str
    fmax_mhz: float
    utilization: Mapping[str, tuple[int, int]]
    bitstream: bytes | None
    tools: tuple[str, ...]


def route(nextpnr: Tool, arguments: Sequence[str], folder: Path, part: str, timeout: float | None) -> None:
    """Run a nextpnr in ``folder``. Raises InfeasibleTarget that says what ``part`` has too little of."""
    try:
        done = nextpnr.run(arguments, folder, timeout)
    except subprocess.TimeoutExpired:
        raise SynthesisError(
            "nextpnr", f"took longer than {timeout} s", "allow more time, or take a smaller design"
        ) from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "ERROR" in line]
        reason = "; ".join(lines[:3]) or done.stderr[-500:]
        short = shortage(done.stderr)
        if short or any(word in reason for word in ("Unable to place", "failed to place", "no more")):
            raise InfeasibleTarget(
                part, f"the design does not fit: {short or reason}", "fold less, or take a larger part"
            )
        raise SynthesisError("nextpnr", reason, "report this with the design")


def shortage(log: str) -> str:
    """Which cells nextpnr counted more of than there are, and by how much; empty where it fits."""
    found = _USED.findall(log)
    over = [(name, int(used), int(there)) for name, used, there in found if int(used) > int(there)]
    return ", ".join(f"{used:,} {name} of {there:,}, {used - there:,} too many" for name, used, there in over)


def read_report(path: Path) -> tuple[dict[str, tuple[int, int]], float]:
    """Of its report: (used, there are) of each kind of cell, and the MHz of its fastest clock."""
    report = json.loads(path.read_text(encoding="utf-8"))
    cells = {
        name: (int(kind["used"]), int(kind["available"])) for name, kind in report["utilization"].items()
    }
    return cells, max(float(clock["achieved"]) for clock in report["fmax"].values())
