"""Place and route for Gowin with nextpnr-himbaechel, and the bitstream by Apicula."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from etb_hw.rtl import cache
from etb_hw.rtl.nextpnr import Placement, read_report, route
from etb_hw.rtl.tools import GOWIN_PACK, NEXTPNR_GOWIN, YOSYS, Origin, Tool, find
from etb_hw.rtl.yosys import SynthesisError, netlist


def place_gowin(
    sources: Mapping[str, str],
    top: str,
    device: str,
    chip: str,
    *,
    constraints: str,
    target_mhz: float,
    seed: int = 1,
    cache_dir: Path = cache.DEFAULT,
    timeout: float | None = None,
    tools: Origin = "pinned",
    stage: Callable[[str], None] | None = None,
) -> Placement:
    """Synthesise, place and route module ``top`` of ``sources`` (texts by file name) for a GW2A.

    Args:
        device: the part, such as GW2AR-LV18QN88C8/I7; chip: its die as Apicula names it, such as GW2A-18C.
        constraints: a CST file for its pins. stage: gets the name of each part of the work as it begins.

    Raises:
        InfeasibleTarget: if the design does not fit.
        MissingTool: without Yosys, nextpnr or Apicula.
        SynthesisError: if a tool fails.
    """
    yosys, nextpnr, packer = find(YOSYS, tools), find(NEXTPNR_GOWIN, tools), find(GOWIN_PACK, tools)
    begin = stage or (lambda _: None)
    begin(f"synthesising with {yosys.version}")
    folder = netlist(
        sources, top, "gw2a", keep=True, primitives=True, cache_dir=cache_dir, yosys=yosys, timeout=timeout
    )
    text = (folder / "netlist.json").read_text(encoding="utf-8")

    def make(scratch: Path) -> None:
        begin(f"placing and routing with {nextpnr.version}, which takes minutes")
        (scratch / "netlist.json").write_text(text, encoding="utf-8")
        (scratch / "pins.cst").write_text(constraints, encoding="utf-8")
        arguments = ["--device", device, "--vopt", f"family={chip}", "--vopt", "cst=pins.cst"]
        arguments += ["--json", "netlist.json", "--write", "routed.json", "--report", "report.json"]
        arguments += ["--freq", str(target_mhz), "--seed", str(seed), "--timing-allow-fail"]
        route(nextpnr, arguments, scratch, device, timeout)
        (scratch / "netlist.json").unlink()

    parts = [nextpnr.version, device, chip, str(target_mhz), str(seed), text, constraints]
    routed = cache.cached_folder(cache_dir, "nextpnr-gowin", cache.key_of(parts), make)
    used, fmax = read_report(routed / "report.json")
    begin("packing the bitstream")
    packed = _pack(packer, chip, routed / "routed.json")
    return Placement(device, fmax, used, packed, (yosys.version, nextpnr.version, packer.version))


def _pack(packer: Tool, chip: str, routed: Path) -> bytes:
    with tempfile.TemporaryDirectory(prefix="etb_pack_") as scratch:
        out = Path(scratch) / "design.fs"
        done = packer.run(["-d", chip, "-o", str(out), str(routed)], Path(scratch))
        if done.returncode:
            raise SynthesisError("gowin_pack", done.stderr[-500:], "report this with the design")
        return out.read_bytes()
