"""What a command says: text for people or one JSON document on stdout, progress on stderr."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from etb_hw.cli.progress import Silence

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Output:
    """Where a command's words go.

    Attributes:
        as_json: standard output gets one document and nothing else.
        quiet: nothing but errors, and the document where one is asked for.
        verbose: every step of the way on standard error.
    """

    as_json: bool = False
    quiet: bool = False
    verbose: bool = False

    @property
    def silent(self) -> bool:
        """Whether people are told nothing of the result."""
        return self.as_json or self.quiet

    def say(self, *parts: Any) -> None:
        """Print text or rich's tables for people, each on lines of its own."""
        if self.silent:
            return
        from etb_hw.cli.console import console

        terminal = console()
        for part in parts:
            terminal.print(part, highlight=False)

    def note(self, line: str) -> None:
        """A line on the way, on standard error."""
        if not self.quiet:
            click.echo(line, err=True)

    def document(self, value: Any) -> None:
        """Print the result for programs, where it is asked for. ``value`` is JSON-able."""
        if self.as_json:
            click.echo(json.dumps(value, default=str))

    def progress(self, title: str) -> Silence:
        """A context that shows how far something is; see ``cli.progress``."""
        from etb_hw.cli.progress import Bar, Lines, Silence

        if self.quiet:
            return Silence()
        return Bar(title) if sys.stderr.isatty() else Lines(title, self.verbose)


def output_options(command: F) -> F:
    """Give a command ``--json``, ``--quiet`` and ``--verbose``, as its argument ``output``."""

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
    @click.option("--quiet", "-q", is_flag=True, help="Print nothing but errors; no progress either.")
    @click.option("--verbose", "-v", is_flag=True, help="Say each step of the way, on standard error.")
    @functools.wraps(command)
    def with_output(*args: Any, as_json: bool, quiet: bool, verbose: bool, **options: Any) -> Any:
        return command(*args, output=Output(as_json, quiet, verbose), **options)

    return with_output  # type: ignore[return-value]
