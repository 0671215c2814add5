"""Processes that share a piece of work: they stop when this one is asked to, and never outlive it."""

from __future__ import annotations

import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any


class ProcessDied(Exception):
    """A process was killed before it could say how it went."""


def in_processes(jobs: int, work: Callable[..., None], arguments: Sequence[Any]) -> None:
    """Call ``work(*arguments)`` in ``jobs`` new processes, and wait until all are done.

    Ctrl-C here, and an error in one of them, reach the others as a Ctrl-C each: a training ends with its
    step, and its state is saved. So does the end of this process, whatever ended it.

    Args:
        work, arguments: such that other processes can import them.

    Raises what the first to fail raised, or ProcessDied where one was killed.
    """
    context = get_context("spawn")
    started: list[tuple[SpawnProcess, Connection]] = []
    try:
        with _held_back():
            for _ in range(jobs):
                receiver, sender = context.Pipe(duplex=False)
                process = context.Process(target=_begin, args=(work, arguments, sender))
                process.start()
                sender.close()
                started.append((process, receiver))
        running = {receiver: process for process, receiver in started}
        while running:
            # a process that ends without a word ends its pipe; a long word fits into it only as it is read
            ready = wait(list(running))
            for receiver in [each for each in running if each in ready]:
                _raise(running.pop(receiver), receiver)
    finally:
        for process, _ in started:
            if process.is_alive() and process.pid is not None:
                os.kill(process.pid, signal.SIGINT)
        for process, receiver in started:
            process.join()
            receiver.close()


def _raise(process: SpawnProcess, receiver: Connection) -> None:
    """Raise what a process says that it ended with; nothing where its work is done."""
    try:
        error = receiver.recv()
    except EOFError:
        process.join()
        raise ProcessDied(f"exit code {process.exitcode}") from None
    if error is not None:
        raise error


def _begin(work: Callable[..., None], arguments: Sequence[Any], sender: Connection) -> None:
    """What a new process does; it begins with interrupts held back."""
    os.setpgrp()  # a terminal's Ctrl-C goes to the first process, which passes it on once
    threading.Thread(target=_end_with_parent, daemon=True).start()
    error: BaseException | None = None
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        work(*arguments)
    except BaseException as raised:
        raised.add_note("".join(traceback.format_exception(raised)))
        error = raised
    try:
        sender.send(error)
    except BrokenPipeError:  # nobody is left to be told
        return
    except Exception:  # some errors cannot be sent
        sender.send(RuntimeError(f"{type(error).__name__}: {error}"))


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGINT)


@contextmanager
def _held_back() -> Iterator[None]:
    """Ctrl-C waits, here and in processes that are started meanwhile: they would fail within an import."""
    resource_tracker.ensure_running()  # which lets interrupts through once it has started
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
