"""The console of all commands."""

from __future__ import annotations

from rich.console import Console

WIDE = 132


def console() -> Console:
    """A console as wide as the terminal; wide enough for every table where there is none (pipes, files)."""
    made = Console()
    return made if made.is_terminal else Console(width=WIDE)
