"""A rich progress bar for a training run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from etb_hw.training import metrics


@contextmanager
def progress_bar(console: Console | None = None, title: str = "train") -> Iterator[metrics.Callback]:
    """Yield a callback for ``train`` that shows loss, accuracy and the shares of filters."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[text]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(title, total=None, text="")

        def show(update: metrics.Progress) -> None:
            accuracy = "" if update.accuracy is None else f" · accuracy {update.accuracy:.1%}"
            counts = update.shares
            text = f"{update.phase} · loss {update.loss:.3f}{accuracy}"
            if update.phase != "teacher":
                text += (
                    f" · binary {counts.binary:.0%} ternary {counts.ternary:.0%} zero {counts.zero:.0%}"
                    f" · pruned {update.pruned:.1%}"
                )
            bar.update(task, total=update.steps, completed=update.step, text=text)

        yield show
