"""How a run looks on the terminal: one line a step, and progress within it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict
from types import TracebackType
from typing import Any

from rich.text import Text

from etb_hw.cli.output import Output
from etb_hw.cli.progress import Silence
from etb_hw.flow.step import Step
from etb_hw.verification import Proof


class TerminalObserver:
    """Shows a run, and keeps what each step did: ``steps``, JSON-able."""

    def __init__(self, output: Output) -> None:
        self.steps: list[dict[str, Any]] = []
        self._output = output
        self._stack = ExitStack()
        self._progress = Silence()

    def __enter__(self) -> TerminalObserver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def started(self, step: Step) -> None:
        self._progress = self._stack.enter_context(self._output.progress(step.title))

    def progress(self, done: int, total: int, fields: dict[str, float], phase: str = "") -> None:
        shown = [f"{name} {value:.4g}" for name, value in fields.items()]
        figures = "  ".join([phase, *shown] if phase else shown)
        self._progress.update(done, total, figures)

    def finished(self, step: Step, seconds: float, proofs: tuple[Proof, ...], resumed: bool) -> None:
        self._stack.close()
        state = "kept from before" if resumed else f"{seconds:.1f} s"
        self._output.say(
            Text.assemble(("✓ ", "green"), (f"{step.name:<11}", "bold"), step.title, (f" ({state})", "dim")),
            *(
                Text.assemble(
                    ("    proved: ", "dim"),
                    f"{proof.step} == {proof.against}",
                    (f" on {proof.samples} samples", "dim"),
                )
                for proof in proofs
            ),
        )
        done = {"name": step.name, "seconds": seconds, "kept": resumed}
        self.steps.append({**done, "proofs": [asdict(proof) for proof in proofs]})
