"""Running the steps: skip what still holds, time the rest, keep every proof, survive interruption."""

from __future__ import annotations

import fcntl
import functools
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from etb_hw import __version__, data
from etb_hw.config import Flow
from etb_hw.errors import BadInput
from etb_hw.files import digest, write_json
from etb_hw.flow import records
from etb_hw.flow.step import Context, Observer, Silent, Step
from etb_hw.verification import Proof, ProofFailed


def run(
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
        All proofs, which are also written to ``verification.json`` after every step.

    Raises:
        ProofFailed: at the first difference; its row is in ``verification.json``.
    """
    names = [step.name for step in steps]
    for name in (start, until):
        if name is not None and name not in names:
            raise BadInput(f"step {name!r}", "is no step of the flow", f"use one of: {', '.join(names)}")
    observer = observer or Silent()
    proofs: list[Proof] = []
    with _locked(run_dir):
        write_json(run_dir / "flow.json", flow.model_dump(mode="json"))
        again = force
        context = Context(flow, run_dir, observer, functools.cache(lambda: data.load(flow.data)))
        for step in steps:
            again = again or step.name == start
            observer.started(step)
            try:
                record, resumed = _run_step(step, replace(context, fresh=again))
            except ProofFailed as failure:
                _write_proofs(run_dir, [*proofs, failure.proof])
                raise
            proofs.extend(record.proofs)
            _write_proofs(run_dir, proofs)
            observer.finished(step, record.seconds, record.proofs, resumed)
            if step.name == until:
                break
    return proofs


def _run_step(step: Step, context: Context) -> tuple[records.Record, bool]:
    run_dir = context.run_dir
    settings = {"version": __version__, "settings": step.settings(context.flow)}
    key = records.key_of(settings, [run_dir / name for name in step.reads])
    record = records.load(run_dir, step.name)
    if not context.fresh and record is not None and records.is_current(run_dir, record, key):
        return record, True
    records.forget(run_dir, step.name)
    begin = time.perf_counter()
    proofs = tuple(step.run(context))
    outputs = {name: digest(run_dir / name) for name in step.writes}
    record = records.Record(key, outputs, proofs, round(time.perf_counter() - begin, 3))
    records.save(run_dir, step.name, record)
    return record, False


def _write_proofs(run_dir: Path, proofs: Sequence[Proof]) -> None:
    write_json(run_dir / "verification.json", [asdict(proof) for proof in proofs])


@contextmanager
def _locked(run_dir: Path) -> Iterator[None]:
    """Hold the run folder, so that two runs never write into one another's files."""
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        file = (run_dir / ".lock").open("w")
    except OSError as error:
        raise BadInput(
            str(run_dir), f"cannot be written ({error.strerror})", "choose another --out"
        ) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BadInput(
                str(run_dir), "is in use by another run", "wait for it, or choose another --out"
            ) from None
        yield
