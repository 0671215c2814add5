"""The SystemVerilog modules of the package, and which ones a module needs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

_INSTANCE = re.compile(r"^\s*(etb_\w+)\s*(?:#\s*\(|\w+\s*\()", re.MULTILINE)


@cache
def module_text(name: str) -> str:
    """Source of module ``name`` (``etb_mvau``)."""
    return (files("etb_hw.rtl") / "sv" / f"{name}.sv").read_text(encoding="utf-8")


def needed_modules(names: Iterable[str]) -> tuple[str, ...]:
    """``names`` and all that they instantiate, those that are used first."""
    found: dict[str, None] = {}

    def visit(name: str, above: frozenset[str]) -> None:
        for inner in dict.fromkeys(_INSTANCE.findall(module_text(name))):
            if inner not in above and inner not in found:
                visit(inner, above | {inner})
        found.setdefault(name)

    for name in names:
        visit(name, frozenset({name}))
    return tuple(found)
