"""A simulator that is driven over its standard input and output."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from types import TracebackType
from typing import Self

from etb_hw.rtl.verilator import SimModel, SimulationError


class PipedModel:
    """A built simulator that runs, as long as the block lasts."""

    def __init__(self, model: SimModel, *arguments: object) -> None:
        self.process = subprocess.Popen(
            [str(model.program), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=model.folder,
        )

    def tell(self, command: str, *numbers: int, data: bytes = b"") -> None:
        """One command with 32-bit numbers, and bytes after them."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(
                command.encode() + b"".join(n.to_bytes(4, "little") for n in numbers) + data
            )
            self.process.stdin.flush()
        except BrokenPipeError:
            self._ended()

    def answer(self, size: int) -> bytes:
        """Exactly ``size`` bytes of its answer. Raises SimulationError where the simulator ended."""
        assert self.process.stdout is not None
        data = self.process.stdout.read(size)
        if len(data) != size:
            self._ended()
        return data

    def number(self) -> int:
        return int.from_bytes(self.answer(4), "little")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                with suppress(BrokenPipeError):  # what was still to be written
                    pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ended(self) -> None:
        assert self.process.stderr is not None
        said = self.process.stderr.read().decode("utf-8", "replace").strip()
        raise SimulationError("simulated board", said or "the simulator ended", "report this with the design")
