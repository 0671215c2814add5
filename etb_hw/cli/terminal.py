"""How a run looks on the terminal: one line a step, a progress bar within it."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from etb_hw.flow.step import Step
from etb_hw.verification import Proof


class TerminalObserver:
    """Shows a run with rich; plain lines where the output is no terminal."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._progress: Progress | None = None

    def __enter__(self) -> TerminalObserver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def started(self, step: Step) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[figures]}", markup=False),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self._progress.start()
        self._task = self._progress.add_task(step.title, total=None, figures="")

    def progress(self, done: int, total: int, fields: dict[str, float]) -> None:
        if self._progress is not None:
            figures = "  ".join(f"{name} {value:.4g}" for name, value in fields.items())
            self._progress.update(self._task, completed=done, total=total, figures=figures)

    def finished(self, step: Step, seconds: float, proofs: tuple[Proof, ...], resumed: bool) -> None:
        self._close()
        state = "kept from before" if resumed else f"{seconds:.1f} s"
        self.console.print(
            Text.assemble(("✓ ", "green"), (f"{step.name:<11}", "bold"), step.title, (f" ({state})", "dim"))
        )
        for proof in proofs:
            self.console.print(
                Text.assemble(
                    ("    proved: ", "dim"),
                    f"{proof.step} == {proof.against}",
                    (f" on {proof.samples} samples", "dim"),
                )
            )

    def _close(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
