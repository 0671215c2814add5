"""How long the cells of Yosys' netlists take, by Yosys' own library of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from etb_hw.errors import EtbError
from etb_hw.rtl import cache
from etb_hw.rtl.tools import Tool

# a bit of a port: its name, and which bit
Pin = tuple[str, int]
# libraries whose delays were measured: Yosys has those of Artix-7 from Project X-Ray
LIBRARIES: Mapping[str, str] = {"xc7": "+/xilinx/cells_sim.v"}
# what Yosys makes of a specify block
_SIDES = ("SRC", "DST")
_PS = ("T_RISE_MAX", "T_FALL_MAX", "T_LIMIT_MAX")


@dataclass(frozen=True, eq=False)
class CellDelays:
    """One kind of cell; all delays in picoseconds.

    Attributes:
        through: from an input to an output, without a clock.
        clocked: from the clock's edge to an output.
        setup: how long before the edge an input has to be there.
    """

    through: Mapping[tuple[Pin, Pin], int]
    clocked: Mapping[Pin, int]
    setup: Mapping[Pin, int]


def cell_delays(family: str, tool: Tool, cache_dir: Path = cache.DEFAULT) -> dict[str, CellDelays]:
    """Delays by kind of cell, of a family of ``LIBRARIES``.

    Those are left out that are not known without a cell's settings (DSP blocks).

    Raises:
        EtbError: if Yosys cannot read its own library.
    """
    source = LIBRARIES[family]
    # cells with processes cannot be written as JSON; what is wanted of them stands outside of those
    script = f"read_verilog -lib -specify {source}\nproc -noopt =*\nwrite_json cells.json\n"

    def read(folder: Path) -> None:
        (folder / "cells.ys").write_text(script, encoding="utf-8")
        done = tool.run(["-q", "-s", "cells.ys"], folder)
        if done.returncode:
            raise EtbError(
                tool.version, f"cannot read its {source}: {done.stderr[-500:]}", "take the pinned one"
            )

    folder = cache.cached_folder(cache_dir, "cells", cache.key_of([tool.version, script]), read)
    modules = json.loads((folder / "cells.json").read_text(encoding="utf-8"))["modules"]
    return {name: made for name, module in modules.items() if (made := _delays(module)) is not None}


def _delays(module: Mapping[str, Any]) -> CellDelays | None:
    pins: dict[int, Pin] = {
        bit: (port, index)
        for port, declared in module["ports"].items()
        for index, bit in enumerate(declared["bits"])
    }
    through: dict[tuple[Pin, Pin], int] = {}
    clocked: dict[Pin, int] = {}
    setup: dict[Pin, int] = {}
    for cell in module["cells"].values():
        values = cell["parameters"]
        if any("x" in values.get(name, "") for name in _PS):
            return None
        sources, ends = ([pins.get(bit) for bit in cell["connections"].get(side, ())] for side in _SIDES)
        if cell["type"] == "$specify2":
            joined = product(sources, ends) if int(values["FULL"], 2) else zip(sources, ends, strict=True)
            for source, end in joined:
                if source is not None and end is not None:
                    through[source, end] = max(through.get((source, end), 0), _longest(values))
        elif cell["type"] == "$specify3":
            for pin in filter(None, ends):
                clocked[pin] = max(clocked.get(pin, 0), _longest(values))
        elif cell["type"] == "$specrule" and values["TYPE"].startswith("$setup"):
            for pin in filter(None, sources):
                setup[pin] = max(setup.get(pin, 0), int(values["T_LIMIT_MAX"], 2))
    return CellDelays(through, clocked, setup)


def _longest(values: Mapping[str, str]) -> int:
    return max(int(values[edge], 2) for edge in _PS[:2])
