"""What all families share of place and route: a nextpnr's run, what it says of the result, and packing it."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from etb_hw.errors import BadInput, InfeasibleTarget
from etb_hw.rtl import cache
from etb_hw.rtl.tools import Tool
from etb_hw.rtl.yosys import SynthesisError

_USED = re.compile(r"^Info:\s+(\w+):\s*(\d+)/\s*(\d+)\s+\d+%", re.MULTILINE)
# as nextpnr-ecp5 and nextpnr-himbaechel say it
_NO_SITE = re.compile(r"constrained to pin '(\S+)', which does not exist|Pin (\S+) not found")
_NO_PACKAGE = re.compile(r"Unsupported package '(\S+)'")


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


def routed(
    nextpnr: Tool,
    arguments: Sequence[str],
    files: Mapping[str, str],
    part: str,
    *,
    target_mhz: float,
    seed: int,
    entry: tuple[Path, str, str],
    timeout: float | None,
    begin: Callable[[str], None],
) -> Path:
    """The folder with what a nextpnr makes of ``files`` (texts by name, ``netlist.json`` among them).

    Args:
        arguments: the family's own. part: what an error calls it.
        entry: root, kind and key of the cache's entry that keeps it.
        begin: gets the name of the work as it begins.
    """

    def make(scratch: Path) -> None:
        begin(f"placing and routing with {nextpnr.version}, which takes minutes")
        for name, text in files.items():
            (scratch / name).write_text(text, encoding="utf-8")
        common = ["--json", "netlist.json", "--report", "report.json", "--timing-allow-fail"]
        common += ["--freq", str(target_mhz), "--seed", str(seed)]
        route(nextpnr, [*arguments, *common], scratch, part, timeout)
        (scratch / "netlist.json").unlink()

    return cache.cached_folder(*entry, make)


def packed(packer: Tool, name: str, arguments: Sequence[str], source: Path, made: str) -> bytes:
    """The file ``made`` that the packer called ``name`` makes of ``source``, which it finds beside itself."""
    with tempfile.TemporaryDirectory(prefix="etb_pack_") as scratch:
        folder = Path(scratch)
        (folder / source.name).write_bytes(source.read_bytes())
        done = packer.run(arguments, folder)
        if done.returncode:
            raise SynthesisError(name, done.stderr[-500:], "report this with the design")
        return (folder / made).read_bytes()


def route(nextpnr: Tool, arguments: Sequence[str], folder: Path, part: str, timeout: float | None) -> None:
    """Run a nextpnr in ``folder``.

    Raises InfeasibleTarget that says what ``part`` has too little of, BadInput for a site that it has not.
    """
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
        for kind, pattern in (("pin", _NO_SITE), ("package", _NO_PACKAGE)):
            for groups in pattern.finditer(reason):
                name = next(filter(None, groups.groups()))
                raise BadInput(f"{kind} {name}", f"is none that {part} has", "correct the board's file")
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
