"""The longest path of a netlist: sums that a hand can do, and Yosys' own delays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from etb_hw.rtl.cell_delays import CellDelays, cell_delays
from etb_hw.rtl.longest_path import WIRE_PS, longest_path
from etb_hw.rtl.tools import find_yosys

LUT = CellDelays({(("I0", 0), ("O", 0)): 50, (("I1", 0), ("O", 0)): 20}, {}, {})
LINK = CellDelays({(("CI", 0), ("CO", 3)): 7, (("CYINIT", 0), ("CO", 3)): 40}, {}, {})
FLIP = CellDelays({}, {("Q", 0): 100}, {("D", 0): 10})
DELAYS = {"LUT2": LUT, "CARRY4": LINK, "FDRE": FLIP}


def cell(kind: str, **connections: Any) -> dict[str, Any]:
    ports = {port: bits if isinstance(bits, list) else [bits] for port, bits in connections.items()}
    return {"type": kind, "connections": ports, "attributes": {"src": "etb_mvau.sv:12.3-12.9"}}


def module(**cells: dict[str, Any]) -> dict[str, Any]:
    names = {"u_MVAU_0.sum": {"bits": [1, "0"], "hide_name": 0}, "u_f3_0.full": {"bits": [9], "hide_name": 0}}
    ports = {"clk": {"direction": "input", "bits": [60]}, "data": {"direction": "input", "bits": [99]}}
    return {
        "cells": cells,
        "netnames": names,
        "ports": {**ports, "sum": {"direction": "output", "bits": [8, 3]}},
    }


def test_cells_wires_clock_and_setup_add_up() -> None:
    """A link of a carry chain takes no wire, and constants begin no path."""
    found = longest_path(
        module(
            a=cell("FDRE", D=7, Q=1),
            near=cell("LUT2", I0="1", I1=1, O=2),
            far=cell("LUT2", I0=2, I1=99, O=3),
            low=cell("CARRY4", CYINIT=3, CO=["x", "x", "x", 4]),
            high=cell("CARRY4", CI=4, CO=["x", "x", "x", 5]),
            b=cell("FDRE", D=5, Q=9),
            clock=cell("BUFG", I=50, O=51),
        ),
        DELAYS,
    )
    assert found is not None
    assert found.ps == 100 + (WIRE_PS + 20) + (WIRE_PS + 50) + (WIRE_PS + 40) + 7 + (WIRE_PS + 10)
    assert found.levels == 4
    assert str(found.start) == "MVAU_0 (etb_mvau.sv:12)"
    assert found.end.block == "f3_0"
    assert found.mhz == 1e6 / found.ps


def test_ports_are_registers_of_neighbours() -> None:
    """From one through a LUT to another; the clock is none."""
    found = longest_path(module(a=cell("LUT2", I0=60, I1=99, O=3)), DELAYS)
    assert found is not None
    assert found.ps == 100 + (WIRE_PS + 20) + (WIRE_PS + 10)
    assert str(found.start) == str(found.end) == "a port"


def test_no_path_and_cells_whose_delay_nobody_knows() -> None:
    registers = {"a": cell("FDRE", D=7, Q=1), "b": cell("FDRE", D=1, Q=9)}
    assert longest_path(module(a=registers["a"]), DELAYS) is None
    assert longest_path(module(**registers), DELAYS) is not None
    assert longest_path(module(**registers, dsp=cell("DSP48E1", A=3, P=4)), DELAYS) is None


def test_delays_are_yosys_own(synthesis_cache: Path) -> None:
    """A slow and a fast input of a LUT, block RAM behind them all; DSP blocks depend on too much."""
    delays = cell_delays("xc7", find_yosys(), synthesis_cache)
    lut = delays["LUT6"].through
    assert len(lut) == 6
    assert lut[("I0", 0), ("O", 0)] > lut[("I5", 0), ("O", 0)] > 0
    assert delays["FDRE"].clocked[("Q", 0)] < delays["RAMB18E1"].clocked[("DOADO", 0)]
    assert delays["FDRE"].setup.keys() >= {("D", 0), ("CE", 0), ("R", 0)}
    assert delays["RAM64M"].through[("ADDRA", 0), ("DOA", 0)] > 0
    assert "DSP48E1" not in delays
