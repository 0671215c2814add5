"""Place and route for Gowin with nextpnr-himbaechel, and the bitstream by Apicula."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from etb_hw.rtl import cache
from etb_hw.rtl.nextpnr import Placement, packed, read_report, routed
from etb_hw.rtl.tools import GOWIN_PACK, NEXTPNR_GOWIN, YOSYS, Origin, find
from etb_hw.rtl.yosys import netlist


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

    parts = [nextpnr.version, device, chip, str(target_mhz), str(seed), text, constraints]
    routed_at = routed(
        nextpnr,
        ["--device", device, "--vopt", f"family={chip}", "--vopt", "cst=pins.cst", "--write", "routed.json"],
        {"netlist.json": text, "pins.cst": constraints}, device, target_mhz=target_mhz, seed=seed,
        entry=(cache_dir, "nextpnr-gowin", cache.key_of(parts)), timeout=timeout, begin=begin,
    )  # fmt: skip
    used, fmax = read_report(routed_at / "report.json")
    begin("packing the bitstream")
    arguments = ["-d", chip, "-o", "design.fs", "routed.json"]
    bits = packed(packer, GOWIN_PACK.name, arguments, routed_at / "routed.json", "design.fs")
    return Placement(device, fmax, used, bits, (yosys.version, nextpnr.version, packer.version))
