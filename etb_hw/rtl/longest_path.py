"""The longest path of a netlist from register to register: a clock before place and route.

Cells take what Yosys' library says (``cell_delays``), wires all the same, since nothing is placed: what it
tells is where the logic is deep and which of two designs is faster, not what a router will reach.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any, NamedTuple

from etb_hw.rtl.cell_delays import CellDelays, Pin
from etb_hw.rtl.cells import FREE

# one wire, in picoseconds: what Yosys' synth_xilinx has its mapper reckon with on the 7 series (abc9.W)
WIRE_PS = 300
# within a slice, on wires of its own: a carry chain's link, and what wide multiplexers choose from
_SHORT = {("CARRY4", "CI"), *((mux, port) for mux in ("MUXF7", "MUXF8") for port in ("I0", "I1"))}
# what stands behind and before a port, and the ports that are clocks
NEIGHBOUR = "FDRE"
CLOCKS = ("clk", "aclk")
_BLOCK = re.compile(r"u_([A-Za-z0-9_]+)\.")  # the generator's instance of a block or FIFO
_LINE = re.compile(r"(etb_\w+\.sv):(\d+)")


@dataclass(frozen=True)
class Register:
    """Where a path begins or ends: block, and line of its module; empty where synthesis left no name."""

    block: str
    line: str

    def __str__(self) -> str:
        return " ".join(filter(None, (self.block, f"({self.line})" if self.line else ""))) or "a port"


@dataclass(frozen=True)
class LongestPath:
    """
    Attributes:
        ps: picoseconds from the clock's edge at ``start`` until ``end`` may be clocked.
        levels: cells between the two.
    """

    ps: int
    levels: int
    start: Register
    end: Register

    @property
    def mhz(self) -> float:
        return 1e6 / self.ps


class _Step(NamedTuple):
    """How the latest signal comes to a net: when, over how many cells, and from which register."""

    ps: int
    levels: int
    start: str


class _End(NamedTuple):
    net: int
    ps: int
    cell: str


def longest_path(module: Mapping[str, Any], delays: Mapping[str, CellDelays]) -> LongestPath | None:
    """The longest path between registers of ``module``, one of a netlist that Yosys wrote as JSON, flattened.

    Its ports (but ``clk``) count as registers of a neighbour. None where no path joins two registers, or
    where the delays of a cell are not known.
    """
    into: dict[int, list[tuple[int, int]]] = {}  # net: (the net before, what lies between in ps)
    arrivals: dict[int, _Step] = {}
    ends: list[_End] = []
    cells = module["cells"]
    for port, declared in module["ports"].items():
        for net in filter(_is_net, declared["bits"]):
            if declared["direction"] == "output":
                ends.append(_End(net, delays[NEIGHBOUR].setup["D", 0] + WIRE_PS, port))
            elif port not in CLOCKS:
                arrivals[net] = _Step(delays[NEIGHBOUR].clocked["Q", 0], 0, port)
    for name, cell in cells.items():
        kind = delays.get(cell["type"])
        if kind is None:
            if cell["type"] in FREE:
                continue
            return None
        for (source, end), ps in kind.through.items():
            before, net = _net(cell, source), _net(cell, end)
            if before is not None and net is not None:
                into.setdefault(net, []).append((before, ps + _wire(cell["type"], source)))
        for pin, ps in kind.clocked.items():
            net = _net(cell, pin)
            if net is not None:
                arrivals[net] = _Step(ps, 0, name)
        for pin, ps in kind.setup.items():
            net = _net(cell, pin)
            if net is not None:
                ends.append(_End(net, ps + _wire(cell["type"], pin), name))
    for net in TopologicalSorter(
        {net: [before for before, _ in steps] for net, steps in into.items()}
    ).static_order():
        for before, ps in into.get(net, ()):
            if before in arrivals:
                step = arrivals[before]
                made = _Step(step.ps + ps, step.levels + 1, step.start)
                arrivals[net] = max(made, arrivals.get(net, made), key=lambda step: step.ps)
    reached = [end for end in ends if end.net in arrivals]
    if not reached:
        return None
    last = max(reached, key=lambda end: arrivals[end.net].ps + end.ps)
    step = arrivals[last.net]
    names = dict(_blocks(module))
    first, final = (_register(cells.get(name), names, delays) for name in (step.start, last.cell))
    return LongestPath(step.ps + last.ps, step.levels, first, final)


def _net(cell: Mapping[str, Any], pin: Pin) -> int | None:
    """The net at a cell's pin; None where there is none, or a constant."""
    port, index = pin
    bits = cell["connections"].get(port, ())
    return bits[index] if index < len(bits) and _is_net(bits[index]) else None


def _is_net(bit: int | str) -> bool:
    return isinstance(bit, int)  # or a constant


def _wire(kind: str, pin: Pin) -> int:
    return 0 if (kind, pin[0]) in _SHORT else WIRE_PS


def _blocks(module: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """Nets and the block that names them."""
    for name, declared in module["netnames"].items():
        found = _BLOCK.match(name)
        if found and not declared["hide_name"]:
            yield from ((bit, found[1]) for bit in filter(_is_net, declared["bits"]))


def _register(
    cell: Mapping[str, Any] | None, blocks: Mapping[int, str], delays: Mapping[str, CellDelays]
) -> Register:
    if cell is None:
        return Register("", "")  # a port
    nets = (_net(cell, pin) for pin in delays[cell["type"]].clocked)
    block = next((blocks[net] for net in nets if net is not None and net in blocks), "")
    line = _LINE.search(cell["attributes"].get("src", ""))
    return Register(block, f"{line[1]}:{line[2]}" if line else "")
