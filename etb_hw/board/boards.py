"""Boards that packages are made for, from ``boards.toml`` or a file of the user's in the same form."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from etb_hw.errors import BadInput
from etb_hw.files import read_bytes
from etb_hw.rtl.place_ecp5 import DEVICES as ECP5_DEVICES

EXAMPLE = "etb_hw/board/boards.toml"
Site = Annotated[str, StringConstraints(pattern=r"^[A-Z]{0,2}[0-9]{1,2}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,30}$")]
Part = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9/_.:-]{0,79}$")]
Line = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f`$\\\"{}\[\]]{1,200}$")]
Mhz = Annotated[float, Field(ge=1, le=500)]


class Table(BaseModel):
    """A table of a board file."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Pins(Table):
    """FPGA sites of the pins that a package uses."""

    clock: Site
    from_host: Site
    to_host: Site
    led_frame: Site | None = None
    led_error: Site | None = None


class SerialBoard(Table):
    """A board with a serial line, whose FPGA open tools know.

    Attributes:
        title: in words.
        kind: the family.
        device, package: as nextpnr names them (ECP5: 85k and CABGA381; Gowin: the part alone).
        chip: Gowin's die, as Apicula names it.
        clock_mhz: of the oscillator; baud: of the serial line; default_mhz: the design's clock.
        pins: sites; high: outputs that have to be held high, by name; leds_low: whether LEDs shine at 0.
        load: the command that puts the bitstream on the board.
        source: where the pins stand.
    """

    title: Line
    kind: Literal["ecp5", "gowin"] = "ecp5"
    device: Part
    package: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{1,16}$")] | None = None
    chip: Part | None = None
    clock_mhz: Mhz
    default_mhz: Mhz = 50.0
    baud: int = Field(ge=1200, le=12_000_000)
    pins: Pins
    high: Mapping[Name, Site] = Field(default_factory=dict)
    leds_low: bool = False
    load: Line
    source: Line

    @model_validator(mode="after")
    def _of_one_family(self) -> Self:
        """What a family needs is there. (Errors name no key of their own: the text does.)"""
        if self.kind == "ecp5" and self.device not in ECP5_DEVICES:
            raise ValueError(f"device: an ECP5 is one of {', '.join(ECP5_DEVICES)}")
        needed = "package" if self.kind == "ecp5" else "chip"
        if getattr(self, needed) is None:
            raise ValueError(f"{needed} is missing")
        return self

    @model_validator(mode="after")
    def _every_site_once(self) -> Self:
        """Two outputs at one pin would drive against each other."""
        taken: dict[str, str] = {}
        for name, site in self.sites().items():
            if site in taken:
                raise ValueError(f"pins: {taken[site]} and {name} both lie at {site}")
            taken[site] = name
        return self

    def sites(self) -> dict[str, str]:
        """Ports of the board's top and where they lie. Those held high are ``high_NAME``, which is no word of
        Verilog and no other port's name, whatever the file calls them."""
        named: dict[str, str | None] = dict(self.pins)
        named |= {f"high_{name}": site for name, site in self.high.items()}
        return {name: site for name, site in named.items() if site}


class ZynqBoard(Table):
    """A board with a Zynq: processor and logic on one chip, joined by AXI.

    Attributes:
        title: in words.
        processor: zynq7 (Zynq-7000) or zynqmp (Zynq UltraScale+).
        part: the chip as Vivado names it; device: its row in ``devices.toml``.
        board_part: Vivado's board file, which sets the processor up; one may have to install it.
        board_connections: for modules, the carrier that they sit on, as Vivado names it.
        default_mhz: the design's clock, which the processor makes.
        source: where this stands.
    """

    title: Line
    kind: Literal["zynq"]
    processor: Literal["zynq7", "zynqmp"]
    part: Part
    device: Part
    board_part: Part
    board_connections: Line | None = None
    default_mhz: Mhz = 100.0
    source: Line


Board: TypeAlias = SerialBoard | ZynqBoard
KINDS: Mapping[str, type[SerialBoard] | type[ZynqBoard]] = {
    "ecp5": SerialBoard,
    "gowin": SerialBoard,
    "zynq": ZynqBoard,
}


@lru_cache(maxsize=1)
def boards() -> Mapping[str, Board]:
    """The boards that come with the package, by name."""
    text = files("etb_hw.board").joinpath("boards.toml").read_text(encoding="utf-8")
    return _parsed(text, "boards.toml")


def find_board(name: str) -> Board:
    """A known board, or the only one of a .toml file. Raises BadInput that lists the known ones."""
    if name.endswith(".toml"):
        text = read_bytes(Path(name), 1 << 20, f"give a file like {EXAMPLE}").decode("utf-8", "replace")
        found = _parsed(text, name)
        if len(found) != 1:
            raise BadInput(name, f"describes {len(found)} boards", "keep one table in it")
        return next(iter(found.values()))
    known = boards()
    if name.lower() in known:
        return known[name.lower()]
    near = get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    meant = f"did you mean {' or '.join(near)}? " if near else ""
    raise BadInput(
        f"board {name!r}",
        "is not known",
        f"{meant}known: {', '.join(known)}; or give a .toml file of your own board",
    )


def _parsed(text: str, where: str) -> Mapping[str, Board]:
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise BadInput(where, f"is no TOML ({error})", f"compare it with {EXAMPLE}") from None
    return {name: _board(table, f"{where}: {name}") for name, table in tables.items()}


def _board(table: Any, where: str) -> Board:
    kind = table.get("kind", "ecp5") if isinstance(table, Mapping) else None
    model = KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        reason = "is no table" if kind is None else f"has the unknown kind {kind!r}"
        raise BadInput(where, reason, f"kinds: {', '.join(KINDS)}; compare it with {EXAMPLE}")
    try:
        return model.model_validate(table)
    except ValidationError as error:
        problems = error.errors()
        unknown = [_key(problem) for problem in problems if problem["type"] == "extra_forbidden"]
        if unknown:
            table = Pins if all(key.startswith("pins.") for key in unknown) else model
            known = ", ".join(table.model_fields)
            raise BadInput(f"{where}: {', '.join(unknown)}", "no known keys", f"known: {known}") from None
        at = ": ".join(part for part in (where, _key(problems[0])) if part)
        reason = problems[0]["msg"].removeprefix("Value error, ")
        raise BadInput(at, reason, f"compare it with {EXAMPLE}") from None


def _key(problem: Any) -> str:
    return ".".join(str(part) for part in problem["loc"])
