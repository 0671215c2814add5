"""Loggers: TensorBoard, or a class of a user's, that are told what training does and get the report."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from etb_hw.artifacts.run_files import TENSORBOARD
from etb_hw.config import Flow
from etb_hw.errors import EtbError, MissingTool
from etb_hw.named_code import named_code

AUTO, BUILT_IN = "auto", "tensorboard"


class LoggerFailed(EtbError):
    """A logger of the user's raised an error."""

    exit_code = 1


class Logger(Protocol):
    """What a class must have that ``logging.to`` names. Steps are those of the optimizer, 1 is the first."""

    def __init__(self, run_dir: Path, part: str, settings: Mapping[str, Any], step: int) -> None:
        """Begin, or go on.

        Args:
            part: ``train`` or ``baseline``; each is a training of its own.
            settings: the flow file's values, a table within a table.
            step: what is told next; a run that was stopped tells some steps again, the same as before.
        """

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Figures by name, such as ``loss``; every ten steps, and more of them after every epoch."""

    def histogram(self, step: int, name: str, values: NDArray[np.float32]) -> None:
        """All thresholds of a layer (C,), after every epoch while they are trained."""

    def file(self, path: Path) -> None:
        """A result to keep: the run's page and its summary, when the run ends."""

    def close(self) -> None:
        """There is no more to tell."""


class TensorBoard:
    """Event files in the run's folder ``tensorboard``, a folder a part."""

    def __init__(self, run_dir: Path, part: str, settings: Mapping[str, Any], step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder = run_dir / TENSORBOARD / part
        self.writer: Any = SummaryWriter(str(folder), purge_step=step)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def histogram(self, step: int, name: str, values: NDArray[np.float32]) -> None:
        self.writer.add_histogram(name, values, step)

    def file(self, path: Path) -> None:
        self.writer.add_text(path.name, str(path.resolve()))  # it holds no files, so it says where it is

    def close(self) -> None:
        self.writer.close()


class Loggers:
    """All loggers that a flow names, for one part of it; each is made when there is something to tell."""

    def __init__(self, flow: Flow, run_dir: Path, part: str) -> None:
        self._made: dict[str, Logger] | None = None
        self._about = (run_dir, part, flow.model_dump(mode="json"))
        self._classes = {name: _class(name) for name in flow.logging.to if name != AUTO or _has_tensorboard()}

    def __enter__(self) -> Loggers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in self._made or {}:
            self._call(name, "close")

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        for name in self._loggers(step):
            self._call(name, "scalars", step, values)

    def histogram(self, step: int, title: str, values: NDArray[np.float32]) -> None:
        for name in self._loggers(step):
            self._call(name, "histogram", step, title, values)

    def file(self, step: int, path: Path) -> None:
        """A result to keep, when the last of the steps was ``step``."""
        for name in self._loggers(step + 1):
            self._call(name, "file", path)

    def _loggers(self, step: int) -> list[str]:
        if self._made is None:
            self._made = {}
            for name, made in self._classes.items():
                self._made[name] = _told(name, made, *self._about, step)
        return list(self._made)

    def _call(self, name: str, method: str, *values: Any) -> None:
        assert self._made is not None
        _told(name, getattr(self._made[name], method, None), *values)


def _class(name: str) -> Any:
    if name == AUTO:
        return TensorBoard
    if name != BUILT_IN:
        return named_code("logging.to", name, "class")
    if not _has_tensorboard():
        raise MissingTool("logging.to", "TensorBoard is not installed", "pip install tensorboard")
    return TensorBoard


def _has_tensorboard() -> bool:
    return find_spec("tensorboard") is not None


def _told(name: str, method: Any, *values: Any) -> Any:
    """Call what is the user's; an error there is no bug of ours, and ends nothing that is not saved."""
    try:
        return method(*values)
    except Exception as error:
        remedy = "repair the logger or leave it out; the same command goes on from here"
        raise LoggerFailed(f"logging.to {name}", f"raised {type(error).__name__}: {error}", remedy) from error
