"""What pages and cards tell people to do again can be read back, and what they say of names is text."""

from __future__ import annotations

import html
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import click
import pytest
from pydantic import BaseModel, ValidationError

from etb_hw.artifacts.run_files import FLOW, SUMMARY, VERIFICATION
from etb_hw.cli.main import main
from etb_hw.config import Flow, load_flow, toml_text
from etb_hw.report import render
from etb_hw.report.card import card

ROOT = Path(__file__).parents[2]
FLOWS = sorted([*ROOT.glob("flows/*.toml"), *ROOT.glob("flows/pretrained/*/flow.json")])
STRANGE = 'quoted "text" \\ with ü, 雪, a tab\t, a\nnew line, \x01 and \x7f'
EXAMPLES = (
    1,
    2,
    3,
    0.25,
    1.5,
    1e-7,
    1e22,
    True,
    False,
    STRANGE,
    (0.125, 0.5),
    (3, 4),
    (8, 8, 16),
    (STRANGE,),
    ({"epochs": 2, "lr": 0.5}, {"epochs": 1, "lr": 1e-3}),
)


def leaves(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Paths of all keys of a flow file, with an allowed value that is not the default."""
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from leaves(inner, (*path, name))
            continue
        choices = get_args(inner) if get_origin(inner) is Literal else EXAMPLES
        for value in choices:
            try:
                found = getattr(model.model_validate({name: value}), name)
            except ValidationError:
                continue
            if found != field.default:
                yield (*path, name), found
                break
        else:
            raise AssertionError(f"no example for {path} {name}")


def with_value(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    return {path[0]: value if len(path) == 1 else with_value(path[1:], value)}


def read_back(page: str, folder: Path) -> Flow:
    """The flow file that a page shows, as a user would copy and load it."""
    found = re.search(r"<h3>FLOW.toml</h3><pre>(.*?)</pre>", page, re.DOTALL)
    assert found is not None
    (folder / "again.toml").write_text(html.unescape(found[1]), encoding="utf-8")
    return load_flow(folder / "again.toml")


@pytest.mark.parametrize(("path", "value"), leaves(Flow), ids=lambda part: str(part)[:40])
def test_every_key_is_read_back_from_the_page(tmp_path: Path, path: tuple[str, ...], value: Any) -> None:
    flow = Flow.model_validate(with_value(path, value))
    FLOW.write(tmp_path, flow.model_dump(mode="json"))
    VERIFICATION.write(tmp_path, (PROOF,))
    assert read_back(render(tmp_path), tmp_path) == flow


@pytest.mark.parametrize("file", FLOWS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_flow_file_of_ours_is_read_back(tmp_path: Path, file: Path) -> None:
    flow = load_flow(file)
    for values in (flow.model_dump(mode="json"), flow.model_dump()):
        (tmp_path / "flow.toml").write_text(toml_text(values), encoding="utf-8")
        assert load_flow(tmp_path / "flow.toml") == flow
    FLOW.write(tmp_path, flow.model_dump(mode="json"))
    assert load_flow(FLOW.path(tmp_path)) == flow


def commands(page: str) -> list[click.Context]:
    """The commands that a page shows, as a shell would hand them to the program."""
    found = re.search(r"<h3>Commands</h3><pre>(.*?)</pre>", page, re.DOTALL)
    assert found is not None
    contexts = []
    for line in html.unescape(found[1]).splitlines():
        if line.startswith("#"):
            continue
        program, name, *arguments = shlex.split(line)
        assert program == "etb-hw"
        command = main.get_command(None, name)  # type: ignore[arg-type]
        assert command is not None
        contexts.append(command.make_context(name, arguments))
    return contexts


def test_the_commands_of_the_page_parse(run_dir: Path) -> None:
    assert len(commands(render(run_dir))) == 5


@pytest.mark.parametrize("name", ["my runs/ü 'q'", "-x", "$HOME; ls"])
def test_the_commands_name_any_folder(
    run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    shutil.copytree(run_dir, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    named = [
        value
        for context in commands(render(Path(name)))
        for value in context.params.values()
        if isinstance(value, Path)
    ]
    assert {Path(name), Path(name) / "model.qonnx.onnx", Path(name) / "dataflow.onnx"} <= set(named)


@pytest.mark.parametrize(
    "data",
    [
        {"name": "folder", "path": "flowers", "channels": 1, "image_size": [8, 8]},
        {"name": "npz", "path": "d.npz", "layout": "signal"},
        {"name": "python", "function": "my_data:load"},
        {"name": "digits", "test_limit": 10},
    ],
)
def test_the_test_set_again_is_the_same_test_set(run_dir: Path, tmp_path: Path, data: dict[str, Any]) -> None:
    """What ``simulate --data`` cannot say, it is not asked to: the step of the run reads the flow file."""
    shutil.copytree(run_dir, tmp_path, dirs_exist_ok=True)
    FLOW.write(tmp_path, {**FLOW.need(tmp_path), "data": data})
    found = commands(render(tmp_path))
    assert [(c.info_name, c.params["start"]) for c in found[2:3]] == [("run", "simulate")]


def test_a_card_shows_names_as_text(run_dir: Path) -> None:
    summary = SUMMARY.need(run_dir)
    assert "<b>" in summary.data
    text = card("x<script>", summary, FLOW.need(run_dir), VERIFICATION.need(run_dir), (3, 8, 8), 60.0, (1,))
    assert "noise &lt;b&gt;&amp;" in text
    assert "<script>" not in text
    assert "<b>" not in text


PROOF = VERIFICATION.shape.validate_python(
    [{"step": "a", "against": "b", "samples": 1, "mismatches": 0, "max_abs_diff": 0.0}]
)[0]
