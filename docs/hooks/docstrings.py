"""Our docstrings put related names on one line; the parser of the API pages wants a line a name.

``kernel, stride: in pixels. pads: four of them.`` under "Args" or "Attributes" becomes three entries, where
these are names of the function's parameters or the class's attributes.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

SECTIONS = ("Args:", "Attributes:")
ENTRY = re.compile(r"^( +)(\*{0,2}\w+(?:, \*{0,2}\w+)*): (.*)$")
NEXT = re.compile(r"(?<=[.;]) (\w+(?:, \w+)*): ")


class OneLineAName(griffe.Extension):
    """Rewrites docstrings as they are read."""

    def on_function(self, *, func: griffe.Function, **_: Any) -> None:
        rewrite(func, {parameter.name.lstrip("*") for parameter in func.parameters})

    def on_class(self, *, cls: griffe.Class, **_: Any) -> None:
        parameters = cls.parameters if "__init__" in cls.members else ()
        rewrite(cls, set(cls.members) | {parameter.name for parameter in parameters})


def rewrite(found: griffe.Object, names: set[str]) -> None:
    if found.docstring is not None:
        found.docstring.value = one_line_a_name(found.docstring.value, names)


def one_line_a_name(text: str, names: set[str]) -> str:
    """The docstring with an entry for each of ``names`` that its sections describe."""
    lines: list[str] = []
    entry: list[str] = []  # the lines of the entry that is being read
    inside = False

    def close() -> None:
        if entry:
            lines.extend(_split(entry, names))
            entry.clear()

    for line in text.splitlines():
        if inside and line.strip() and not line.startswith("    "):
            close()
            inside = False
        if line.strip() in SECTIONS:
            close()
            inside = True
            lines.append(line)
        elif inside and (match := ENTRY.match(line)) and len(match[1]) == 4 and _known(match[2], names):
            close()
            entry.append(line)
        elif inside and entry and line.strip():
            entry.append(line)
        else:
            close()
            lines.append(line)
    close()
    return "\n".join(lines)


def _split(entry: list[str], names: set[str]) -> list[str]:
    text = " ".join(line.strip() for line in entry)
    pieces: list[tuple[str, str]] = []
    start, label = 0, ""
    for match in re.finditer(rf"^([\w*, ]+): |{NEXT.pattern}", text):
        name = match[1] or match[2]
        if not _known(name, names):
            continue
        if label:
            pieces.append((label, text[start : match.start()]))
        start, label = match.end(), name
    pieces.append((label, text[start:]))
    return [f"    {name.strip()}: {words}" for label, words in pieces for name in label.split(",")]


def _known(label: str, names: set[str]) -> bool:
    return all(name.strip().lstrip("*") in names for name in label.split(","))
