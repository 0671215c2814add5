"""Arguments that a shell completes (docs/how-to/scripts.md says how it is switched on)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem


class Known(click.ParamType[Any]):
    """Text that may be one of some known names; ``names`` is called only when the shell asks.

    Args:
        name: what the help calls it.
        files: whether a path is as good.
        kind: what becomes of the text.
    """

    def __init__(
        self, name: str, names: Callable[[], Iterable[str]], files: bool = False, kind: type = str
    ) -> None:
        self.name, self._names, self._files, self._kind = name, names, files, kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return self._kind(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        found = [CompletionItem(name) for name in self._names() if name.startswith(incomplete)]
        return [*found, CompletionItem(incomplete, type="file")] if self._files else found


def flows() -> list[str]:
    """Flow files of the package."""
    from etb_hw.flow_files import shipped

    return list(shipped())


def steps() -> list[str]:
    """Steps of a run, by their files: importing them takes seconds, and torch."""
    folder = Path(__file__).parents[1] / "flow/steps"
    return sorted(path.stem for path in folder.glob("[!_]*.py"))


def devices() -> list[str]:
    """Boards and parts that estimates know."""
    from etb_hw.dataflow.devices import devices as known

    return [name for device in known() for name in (*device.boards, device.part)]


def boards() -> list[str]:
    """Boards that ``package`` knows."""
    from etb_hw.board.boards import boards as known

    return list(known())


def data_sets() -> list[str]:
    """Beginnings of what ``--data`` takes."""
    from etb_hw.cli.data import KINDS

    return [kind if kind == "digits" else f"{kind}:" for kind in KINDS]
