"""What pages and cards tell people to do again can be read back, and what they say of names is text."""

from __future__ import annotations

import html
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

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


def test_the_commands_of_the_page_parse(run_dir: Path) -> None:
    found = re.search(r"<h3>Commands</h3><pre>(.*?)</pre>", render(run_dir), re.DOTALL)
    assert found is not None
    lines = [line for line in html.unescape(found[1]).splitlines() if not line.startswith("#")]
    assert len(lines) == 5
    for line in lines:
        program, name, *arguments = shlex.split(line)
        assert program == "etb-hw"
        command = main.get_command(None, name)  # type: ignore[arg-type]
        assert command is not None
        command.make_context(name, arguments)


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
