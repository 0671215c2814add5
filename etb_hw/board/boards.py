"""Boards with a serial line to the host, from ``boards.toml`` or a file of the user's in the same form."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from etb_hw.errors import BadInput
from etb_hw.files import read_bytes

Site = Annotated[str, StringConstraints(pattern=r"^[A-Z]{1,2}[0-9]{1,2}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,30}$")]


class Pins(BaseModel):
    """FPGA sites of the pins that a package uses."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    clock: Site
    from_host: Site
    to_host: Site
    led_frame: Site | None = None
    led_error: Site | None = None


class Board(BaseModel):
    """A board with a Lattice ECP5 and a serial line.

    Attributes:
        title: in words.
        device, package: as nextpnr names them.
        clock_mhz: of the oscillator; baud: of the serial line.
        pins: sites; high: outputs that have to be held high, by name.
        load: the command that puts ``design.bit`` on the board.
        source: where the pins stand.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: Annotated[str, StringConstraints(max_length=80)]
    device: Literal["25k", "45k", "85k"]
    package: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{1,16}$")]
    clock_mhz: float = Field(ge=1, le=400)
    baud: int = Field(ge=1200, le=12_000_000)
    pins: Pins
    high: Mapping[Name, Site] = Field(default_factory=dict)
    load: Annotated[str, StringConstraints(max_length=200)]
    source: str


@lru_cache(maxsize=1)
def boards() -> Mapping[str, Board]:
    """The boards that come with the package, by name."""
    text = files("etb_hw.board").joinpath("boards.toml").read_text(encoding="utf-8")
    return _parsed(text, "boards.toml")


def find_board(name: str) -> Board:
    """A known board, or the only one of a .toml file. Raises BadInput that lists the known ones."""
    if name.endswith(".toml"):
        text = read_bytes(Path(name), 1 << 20, "give a file like etb_hw/board/boards.toml").decode(
            "utf-8", "replace"
        )
        found = _parsed(text, name)
        if len(found) != 1:
            raise BadInput(name, f"describes {len(found)} boards", "keep one table in it")
        return next(iter(found.values()))
    known = boards()
    if name.lower() in known:
        return known[name.lower()]
    near = get_close_matches(name.lower(), known, n=3, cutoff=0.4) or list(known)
    raise BadInput(f"board {name!r}", "is not known", f"use {', '.join(near)}, or a .toml file of your own")


def _parsed(text: str, where: str) -> Mapping[str, Board]:
    try:
        return {name: Board.model_validate(table) for name, table in tomllib.loads(text).items()}
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadInput(where, f"is no TOML ({error})", "compare it with etb_hw/board/boards.toml") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise BadInput(
            f"{where}: {key or 'table'}", first["msg"], "compare it with etb_hw/board/boards.toml"
        ) from None
