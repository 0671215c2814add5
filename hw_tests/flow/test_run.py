"""The runner: what is kept, what is run again, and what a failing proof leaves behind."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from etb_hw.artifacts import Folder, RunFile
from etb_hw.artifacts.run_files import OUTDATED, TIMES, VERIFICATION
from etb_hw.config import Flow
from etb_hw.errors import BadInput
from etb_hw.files import write_text
from etb_hw.flow.runner import run_steps
from etb_hw.flow.step import Context, Step
from etb_hw.verification import Proof, ProofFailed, prove

A, B, C = RunFile("a.txt", "text"), RunFile("b.txt", "text"), RunFile("c.txt", "text")


class Log:
    """Two toy steps, the second made from the first's file, that note when they ran."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.fresh: list[bool] = []
        self.break_second = False

    def first(self, context: Context) -> list[Proof]:
        self.ran.append("first")
        self.fresh.append(context.fresh)
        context.path(A).write_text(str(context.flow.training.epochs))
        return [Proof("first", "itself", 3, 0, 0.0)]

    def second(self, context: Context) -> list[Proof]:
        self.ran.append("second")
        expected = np.zeros((4, 2, 3), dtype=np.int64)
        actual = expected.copy()
        actual[2, 1, 0] = 5 if self.break_second else 0
        proof = prove("second", "zeros", actual, expected, layer="conv0")
        context.path(B).write_text(context.path(A).read_text() + "!")
        return [proof]

    @property
    def steps(self) -> tuple[Step, ...]:
        return (
            Step("first", "First", lambda flow: flow.training.model_dump(), (), (A,), self.first),
            Step("second", "Second", lambda flow: None, (A,), (B,), self.second),
        )


def flow(epochs: int = 1) -> Flow:
    return Flow.model_validate({"training": {"epochs": epochs}})


def test_a_second_run_does_nothing_and_keeps_the_proofs(tmp_path: Path) -> None:
    log = Log()
    proofs = run_steps(flow(), tmp_path, log.steps)
    again = run_steps(flow(), tmp_path, log.steps)
    assert log.ran == ["first", "second"]
    assert again == proofs
    rows = json.loads((tmp_path / "verification.json").read_text())
    assert [row["step"] for row in rows] == ["first", "second"]
    assert set(rows[0]) == {"step", "against", "samples", "mismatches", "max_abs_diff", "status", "ties"}


def test_it_resumes_at_the_first_step_whose_inputs_changed(tmp_path: Path) -> None:
    log = Log()
    run_steps(flow(1), tmp_path, log.steps)
    run_steps(flow(2), tmp_path, log.steps)
    assert log.ran == ["first", "second"] * 2
    (tmp_path / "b.txt").write_text("edited")
    run_steps(flow(2), tmp_path, log.steps)
    assert log.ran[4:] == ["second"]
    (tmp_path / "a.txt").unlink()
    run_steps(flow(2), tmp_path, log.steps)
    assert log.ran[5:] == ["first"]  # it makes the same file, so the second step still holds


def test_what_a_step_was_made_from_is_asked_once_a_run(tmp_path: Path) -> None:
    """It may be the content of many files."""
    asked: list[str] = []

    def settings(_: Flow) -> int:
        asked.append("last")
        return 3

    def write(context: Context) -> list[Proof]:
        context.path(C).write_text("c")
        return []

    last = Step("last", "Last", settings, (), (C,), write)
    for run in (1, 2):
        run_steps(flow(), tmp_path, (*Log().steps, last))
        assert len(asked) == run


def test_from_and_force_and_until(tmp_path: Path) -> None:
    log = Log()
    run_steps(flow(), tmp_path, log.steps, until="first")
    assert log.ran == ["first"]
    run_steps(flow(), tmp_path, log.steps)
    run_steps(flow(), tmp_path, log.steps, start="second")
    assert log.ran == ["first", "second", "second"]
    run_steps(flow(), tmp_path, log.steps, force=True)
    assert log.ran[3:] == ["first", "second"]
    assert log.fresh == [False, True]
    with pytest.raises(BadInput, match="use one of: first, second"):
        run_steps(flow(), tmp_path, log.steps, start="third")
    with pytest.raises(BadInput, match=r"second comes after first(.|\n)*end at second"):
        run_steps(flow(), tmp_path, log.steps, start="second", until="first")
    run_steps(flow(), tmp_path, log.steps, start="first", until="first")
    assert log.ran[5:] == ["first"]


def test_a_part_of_a_run_keeps_the_proofs_of_the_rest_as_long_as_they_hold(tmp_path: Path) -> None:
    def proved() -> list[str]:
        return [row["step"] for row in json.loads((tmp_path / "verification.json").read_text())]

    log = Log()
    run_steps(flow(1), tmp_path, log.steps)
    run_steps(flow(1), tmp_path, log.steps, until="first")
    assert proved() == ["first", "second"]
    run_steps(flow(2), tmp_path, log.steps, until="first")
    assert proved() == ["first"]


def test_files_of_before_a_change_are_told_until_they_are_made_anew(tmp_path: Path) -> None:
    def write(context: Context) -> list[Proof]:
        context.path(C).write_text("c")
        return []

    log = Log()
    third = Step("third", "Third", lambda _: None, (B,), (C,), write)
    steps = (*log.steps, third)
    run_steps(flow(1), tmp_path, steps)
    assert OUTDATED.read(tmp_path) is None
    run_steps(flow(1), tmp_path, steps, until="first")
    assert OUTDATED.read(tmp_path) is None  # they still follow from it
    run_steps(flow(2), tmp_path, steps, until="first")
    assert OUTDATED.read(tmp_path) == {
        "b.txt": "second",
        "c.txt": "third",
    }  # though the third's input is there
    log.break_second = True
    with pytest.raises(ProofFailed):
        run_steps(flow(2), tmp_path, steps)
    assert OUTDATED.read(tmp_path) == {"c.txt": "third"}
    log.break_second = False
    run_steps(flow(2), tmp_path, steps)
    assert OUTDATED.read(tmp_path) is None


@pytest.mark.parametrize("content", [b"{", b"[1]", b'{"c.txt": 3}', b"\xff"])
def test_a_damaged_note_of_what_is_of_before_is_named_and_force_gets_over_it(
    content: bytes, tmp_path: Path
) -> None:
    run_steps(flow(), tmp_path, Log().steps)
    OUTDATED.path(tmp_path).write_bytes(content)
    log = Log()
    with pytest.raises(BadInput, match=r"outdated\.json") as refused:
        run_steps(flow(), tmp_path, log.steps)
    assert "--force" in refused.value.remedy
    assert not log.ran
    run_steps(flow(), tmp_path, log.steps, force=True)
    assert log.ran == ["first", "second"]
    assert OUTDATED.read(tmp_path) is None


def test_while_a_step_runs_what_follows_from_its_files_is_of_before(tmp_path: Path) -> None:
    log, seen = Log(), []

    def looking(context: Context) -> list[Proof]:
        seen.append((OUTDATED.read(tmp_path), len(VERIFICATION.need(tmp_path))))
        return log.first(context)

    first, second = log.steps
    steps = (replace(first, run=looking), second)
    run_steps(flow(1), tmp_path, steps)
    run_steps(flow(2), tmp_path, steps)
    assert seen == [(None, 0), ({"b.txt": "second"}, 0)]


def test_a_step_that_does_not_write_what_it_declares_is_stopped(tmp_path: Path) -> None:
    def lazy(context: Context) -> list[Proof]:
        return []

    def sloppy(context: Context) -> list[Proof]:
        context.path(TIMES).write_text('{"first": "soon"}')
        return []

    for work, file, reason in ((lazy, A, "was not written"), (sloppy, TIMES, "valid number")):
        with pytest.raises(BadInput, match=reason):
            run_steps(flow(), tmp_path, (Step("first", "First", lambda flow: None, (), (file,), work),))
    undeclared = Step("first", "First", lambda flow: None, (), (B,), Log().first)
    with pytest.raises(AssertionError, match=r"does not declare a\.txt"):
        run_steps(flow(), tmp_path, (undeclared,))


def test_what_a_step_writes_no_more_is_removed_unless_it_was_edited(tmp_path: Path) -> None:
    folder = Folder("made", "files")

    def work(context: Context) -> list[Proof]:
        context.path(folder).mkdir(exist_ok=True)
        for i in range(context.flow.training.epochs):
            (context.path(folder) / f"{i}.txt").write_text(str(i))
        return []

    step = Step("first", "First", lambda flow: flow.training.model_dump(), (), (folder,), work)
    run_steps(flow(4), tmp_path, (step,))
    (tmp_path / "made/3.txt").write_text("edited")
    run_steps(flow(1), tmp_path, (step,))
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == ["0.txt", "3.txt"]


@pytest.mark.parametrize("harm", ["edited", "deleted", "linked"])
def test_every_file_of_a_folder_counts(tmp_path: Path, harm: str) -> None:
    folder = Folder("made", "files")
    ran = []

    def work(context: Context) -> list[Proof]:
        ran.append(1)
        for name in ("a.txt", "below/b.txt"):
            write_text(context.path(folder) / name, name)
        return []

    step = Step("first", "First", lambda flow: None, (), (folder,), work)
    for _ in range(2):
        run_steps(flow(), tmp_path, (step,))
    assert len(ran) == 1
    target = tmp_path / "made/below/b.txt"
    match harm:
        case "edited":
            target.write_text("other")
        case "deleted":
            target.unlink()
        case "linked":
            target.rename(tmp_path / "elsewhere")
            target.symlink_to(tmp_path / "elsewhere")
    run_steps(flow(), tmp_path, (step,))
    assert len(ran) == 2
    assert target.read_text() == "below/b.txt"
    assert not target.is_symlink()


def test_a_difference_stops_the_run_and_names_the_place(tmp_path: Path) -> None:
    log = Log()
    log.break_second = True
    with pytest.raises(
        ProofFailed, match=r"sample 2, layer conv0, channel 1, position \(0,\): 5 instead of 0"
    ):
        run_steps(flow(), tmp_path, log.steps)
    rows = json.loads((tmp_path / "verification.json").read_text())
    assert rows[-1] == {
        "step": "second",
        "against": "zeros",
        "samples": 4,
        "mismatches": 1,
        "max_abs_diff": 5.0,
        "status": "different",
        "ties": 0,
    }
    assert not (tmp_path / "b.txt").exists()
    log.break_second = False
    run_steps(flow(), tmp_path, log.steps)
    assert log.ran == ["first", "second", "second"]


def test_an_interrupted_step_is_run_again(tmp_path: Path) -> None:
    log = Log()

    def interrupted(context: Context) -> list[Proof]:
        context.path(B).write_text("half")
        raise KeyboardInterrupt

    first, second = log.steps
    broken = Step("second", "Second", second.settings, second.reads, second.writes, interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_steps(flow(), tmp_path, (first, broken))
    run_steps(flow(), tmp_path, log.steps)
    assert log.ran == ["first", "second"]
    assert (tmp_path / "b.txt").read_text() == "1!"


def test_a_run_folder_belongs_to_one_run(tmp_path: Path) -> None:
    log = Log()

    def nested(context: Context) -> list[Proof]:
        with pytest.raises(BadInput, match="in use by another run"):
            run_steps(flow(), tmp_path, log.steps)
        return log.first(context)

    run_steps(flow(), tmp_path, (Step("first", "First", lambda flow: None, (), (A,), nested),))
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="choose another --out"):
        run_steps(flow(), tmp_path / "file", log.steps)


def test_traces_name_the_first_layer_that_differs() -> None:
    from etb_hw.verification import first_differing_layer

    good = {"conv0": np.zeros((1, 2, 2, 2)), "conv1": np.zeros((1, 3))}
    bad = {name: tensor.copy() for name, tensor in good.items()}
    assert first_differing_layer(iter(bad.items()), iter(good.items())) is None
    bad["conv0"][0, 1, 0, 1] = 7
    bad["conv1"][0, 2] = 1
    found = first_differing_layer(iter(bad.items()), iter(good.items()))
    assert found == "layer conv0, channel 1, position (0, 1): 7.0 instead of 0.0"


def test_shapes_are_compared_first() -> None:
    with pytest.raises(ProofFailed, match="shape"):
        prove("a", "b", np.zeros((1, 2)), np.zeros((1, 3)))
