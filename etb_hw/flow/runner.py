"""Running the steps: skip what still holds, time the rest, keep every proof, survive interruption."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from etb_hw import __version__, data
from etb_hw.artifacts import RunFile
from etb_hw.artifacts.run_files import FLOW, OF_THE_RUNNER, OUTDATED, TIMES, VERIFICATION
from etb_hw.config import Flow
from etb_hw.errors import BadInput
from etb_hw.files import LOCK_FILE, digest, locked, remove_leftovers
from etb_hw.flow import records
from etb_hw.flow.step import Context, Observer, Silent, Step
from etb_hw.flow.together import Crew
from etb_hw.verification import Proof, ProofFailed

Settings: TypeAlias = Callable[[Step], Any]  # what a step was made from beside files of the run


def run_steps(
    flow: Flow,
    run_dir: Path,
    steps: Sequence[Step],
    *,
    start: str | None = None,
    until: str | None = None,
    force: bool = False,
    observer: Observer | None = None,
) -> list[Proof]:
    """Run the flow into ``run_dir``, resuming at the first step whose inputs changed.

    Args:
        start: run this step and all after it again, even where nothing changed.
        until: stop after this step.
        force: run everything again.

    Returns:
        The proofs of the steps up to the last one. ``verification.json`` is written after every step: these
        proofs, and those of later steps whose results still hold.

    Under torchrun all processes call this alike: the first one does all of that, the others help it train and
    return nothing.

    Raises:
        ProofFailed: at the first difference; its row is in ``verification.json``.
        ProcessLost: another process of the run ended.
        BadInput: the folder is in use, cannot be written, or holds other files of these names; a step did
            not write what it declares; ``start`` comes after ``until``.
    """
    names = [step.name for step in steps]
    for name in (start, until):
        if name is not None and name not in names:
            raise BadInput(f"step {name!r}", "is no step of the flow", f"use one of: {', '.join(names)}")
    if start is not None and until is not None and names.index(start) > names.index(until):
        remedy = f"end at {start} or later: {', '.join(names[names.index(start) :])}"
        raise BadInput(f"--from {start} --until {until}", f"{start} comes after {until}", remedy)
    observer = observer or Silent()
    load_data = functools.cache(lambda: data.load(flow.data))
    settings: Settings = functools.cache(lambda step: step.settings(flow))  # those of data read all files
    done: dict[str, records.Record] = {}
    anew: set[str] = set()
    with Crew(flow.training.device) as crew:

        def context_of(step: Step, again: bool) -> Context:
            files = (*step.reads, *step.writes)
            return Context(flow, run_dir, files, observer, load_data, again)

        def begins(number: int, again: bool) -> None:
            step, later = steps[number], steps[number + 1 :]
            anew.update(file.name for file in step.writes)
            _note(run_dir, done, *_of_before(settings, run_dir, later, anew, changing=step))
            crew.call(number, step, again)

        if not crew.leads:
            crew.help(steps, context_of)
            return []
        with _owned(run_dir, steps, force):
            if force:
                OUTDATED.path(run_dir).unlink(missing_ok=True)  # even one that cannot be read
            FLOW.write(run_dir, flow.model_dump(mode="json"))
            again = force
            for i, step in enumerate(steps):
                again = again or step.name == start
                observer.started(step)
                later = steps[i + 1 :]
                try:
                    record, resumed = _run_step(
                        step, context_of(step, again), settings, functools.partial(begins, i, again)
                    )
                except ProofFailed as failure:
                    _, outdated = _of_before(settings, run_dir, later, anew, changing=step)
                    _note(run_dir, done, [failure.proof], outdated)
                    raise
                crew.over([] if step.name == until else later)
                done[step.name] = record
                _note(run_dir, done, *_of_before(settings, run_dir, later, anew))
                observer.finished(step, record.seconds, record.proofs, resumed)
                if step.name == until:
                    break
    return [proof for record in done.values() for proof in record.proofs]


def _run_step(
    step: Step, context: Context, settings: Settings, begins: Callable[[], None]
) -> tuple[records.Record, bool]:
    """A step's record, and whether it is one of before; ``begins`` is called where the step really runs."""
    run_dir = context.run_dir
    key = _key(step, settings, run_dir)
    old = records.load(run_dir, step.name)
    if not context.fresh and old is not None and records.is_current(run_dir, old, key):
        return old, True
    records.forget(run_dir, step.name)
    unsure = [file for file in step.writes if not file.sure]
    if old is not None:
        records.remove_outputs(run_dir, old, _names(unsure, run_dir))
    of_others = {name: (run_dir / name).stat().st_ino for name in _names(unsure, run_dir)}
    begin = time.perf_counter()
    begins()
    proofs = tuple(step.run(context))
    for file in step.writes:
        file.check(run_dir)
    written = [
        name
        for name in _names(step.writes, run_dir)
        if name not in of_others or (run_dir / name).stat().st_ino != of_others[name]
    ]
    outputs = {name: digest(run_dir / name) for name in written}
    record = records.Record(key, outputs, proofs, round(time.perf_counter() - begin, 3))
    records.save(run_dir, step.name, record)
    return record, False


def _key(step: Step, settings: Settings, run_dir: Path) -> str:
    values = {"version": __version__, "settings": settings(step)}
    return records.key_of(values, run_dir, _names(step.reads, run_dir))


def _names(files: Iterable[RunFile], run_dir: Path) -> list[str]:
    return [name for file in files for name in file.files(run_dir)]


def _of_before(
    settings: Settings, run_dir: Path, steps: Sequence[Step], anew: set[str], changing: Step | None = None
) -> tuple[list[Proof], dict[str, str]]:
    """What earlier runs left of steps that are still to come in this one.

    Returns the proofs that still hold, and the files that no longer follow from the present ones, each with
    the step that makes it anew. ``anew`` names the files that this run wrote, ``changing`` is a
    step that is about to write its files. Times and proofs change with every run: what is made from them, the
    page, is of before where other files it reads are, until it is made.
    """
    proofs: list[Proof] = []
    outdated: dict[str, str] = {}
    changed = set() if changing is None else {file.name for file in changing.writes}
    told = OUTDATED.read(run_dir) or {}
    for step in steps:
        record, reads = records.load(run_dir, step.name), {file.name for file in step.reads}
        if reads & {file.name for file in OF_THE_RUNNER}:
            holds = record is not None and step.name not in told.values() and not reads & anew
        else:
            holds = record is not None and records.is_current(run_dir, record, _key(step, settings, run_dir))
        if record is not None and holds and not reads & changed:
            proofs += record.proofs
            continue
        changed |= {file.name for file in step.writes}
        outdated |= dict.fromkeys(_names(step.writes, run_dir), step.name)
    return proofs, outdated


def _note(
    run_dir: Path, done: dict[str, records.Record], more: Sequence[Proof], outdated: dict[str, str]
) -> None:
    """Write what is proved, how long it took, and which files are of before."""
    proofs = [proof for record in done.values() for proof in record.proofs]
    VERIFICATION.write(run_dir, (*proofs, *more))
    TIMES.write(run_dir, {name: record.seconds for name, record in done.items()})
    if outdated:
        OUTDATED.write(run_dir, outdated)
    else:
        OUTDATED.path(run_dir).unlink(missing_ok=True)


@contextmanager
def _owned(run_dir: Path, steps: Sequence[Step], force: bool) -> Iterator[None]:
    """Hold the run folder, so that two runs never write into one another's files."""
    foreign = _foreign(run_dir, steps)
    if foreign and not force:
        reason = f"is no run, and holds {foreign[0]}, which a run would replace"
        raise BadInput(str(run_dir), reason, "choose another --out, or --force to replace it")
    with ExitStack() as stack:
        try:
            mine = stack.enter_context(locked(run_dir))
        except OSError as error:
            reason = f"cannot be written ({error.strerror})"
            raise BadInput(str(run_dir), reason, "choose another --out") from None
        if not mine:
            remedy = "wait for it, or choose another --out"
            raise BadInput(str(run_dir), "is in use by another run", remedy)
        for name in sorted({records.FOLDER, *_folders(steps)}):
            if (run_dir / name).is_symlink():
                reason = "is a link, and links are not followed when files are written"
                raise BadInput(str(run_dir / name), reason, "remove the link, or choose another --out")
        remove_leftovers(run_dir)
        yield


def _foreign(run_dir: Path, steps: Sequence[Step]) -> list[str]:
    """Files of somebody else that steps would write over: those of a folder in which no run ever was."""
    if any((run_dir / name).exists() for name in (LOCK_FILE, records.FOLDER)):
        return []
    files = [*OF_THE_RUNNER, OUTDATED, *(file for step in steps for file in step.writes)]
    return [name for file in files for name in file.files(run_dir)]


def _folders(steps: Sequence[Step]) -> set[str]:
    files = [Path(file.name) for step in steps for file in step.writes]
    return {str(parent) for file in files for parent in file.parents if parent.name}
