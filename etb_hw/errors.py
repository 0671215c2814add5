"""Every error a user can cause, in one shape: where, why, and what to do about it."""

from __future__ import annotations


def one_line(said: object, limit: int = 200) -> str:
    """What a library says of an error, as a part of a sentence."""
    return " ".join(str(said).split())[:limit]


class EtbError(Exception):
    """Base of all errors that are shown to the user without a traceback.

    Args:
        where: the node, file, flow-file key or layer the error is about.
        reason: what is wrong with it.
        remedy: the next step for the user.
    """

    exit_code = 2

    def __init__(self, where: str, reason: str, remedy: str) -> None:
        super().__init__(where, reason, remedy)
        self.where = where
        self.reason = reason
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}\n  remedy: {self.remedy}"


class BadInput(EtbError):
    """A file, option or flow-file key that cannot be used as given."""


class UnsupportedNode(EtbError):
    """A graph node that has no exact integer or hardware form."""


class InfeasibleTarget(EtbError):
    """A pruning ratio, frame rate or device limit that cannot be met."""


class MissingTool(EtbError):
    """An optional external tool (compiler, Verilator, Yosys, ...) that is not installed."""


class Mismatch(EtbError):
    """Two stages that must compute the same bits do not."""

    exit_code = 1
