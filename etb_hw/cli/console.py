"""The console of all commands."""

from __future__ import annotations

from rich.console import Console

WIDE = 132


def console() -> Console:
    """A console as wide as the terminal; wide enough for every table where there is none (pipes, files).

    It reads no markup: names from files are text, whatever brackets they hold. Styles are given as styles.
    """
    made = Console(markup=False, emoji=False)
    return made if made.is_terminal else Console(width=WIDE, markup=False, emoji=False)
