"""Pages that are written by the code they describe: flow-file keys from pydantic, commands from click."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pydantic import BaseModel

from etb_hw.artifacts import RUN_FILES, Folder
from etb_hw.cli.main import COMMANDS
from etb_hw.cli.main import main as etb_hw
from etb_hw.config import Flow, section_of
from etb_hw.flow.steps import STEPS

sys.path.insert(0, str(Path(__file__).parents[2]))
from docs.execute_tutorials import shown

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
LIMITS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}",
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages to the documentation."""
    pages = {"reference/flow-file.md": flow_file(), "reference/command-line.md": command_line()}
    for notebook in sorted(NOTEBOOKS.glob("*.py")):
        text = notebook.read_text(encoding="utf-8")
        pages[f"tutorials/{notebook.stem}.md"] = tutorial(text, shown(notebook.stem))
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put the table of a run's files where its page asks for it."""
    return re.sub(r"<!-- the table of run files.*?-->", lambda _: run_files(), markdown)


def run_files() -> str:
    """Every file of a run, and the step that makes it."""
    makers = {file: step.name for step in STEPS for file in step.writes}
    rows = []
    for file in RUN_FILES:
        name = f"{file.name}/" if isinstance(file, Folder) else file.name
        rows.append(f"| `{name}` | {makers.get(file, 'every run')} | {file.holds} |")
    return "\n".join(["| file | made by | holds |", "| --- | --- | --- |", *rows])


def flow_file() -> str:
    """Every key of a flow file: type, default, limits and meaning."""
    parts = [
        "# Flow file\n",
        "A TOML file; every table and every key may be left out. Unknown keys are errors that name the "
        "nearest known one. This page is generated from the pydantic models in `etb_hw/config.py`.\n",
    ]
    for name, section in _sections(Flow):
        parts.append(f"## [{name}]\n\n{inspect.getdoc(section)}\n")
        parts.append("| key | type | default | meaning |\n| --- | --- | --- | --- |")
        parts.extend(_rows(section))
        parts.append("")
    return "\n".join(parts)


def _sections(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """The tables of a model, those within tables after them."""
    for name, field in model.model_fields.items():
        section = section_of(field.annotation)
        if section is not None:
            yield prefix + name, section
            yield from _sections(section, f"{prefix}{name}.")


def _rows(section: type[BaseModel]) -> Iterator[str]:
    properties = section.model_json_schema()["properties"]
    for key, schema in properties.items():
        if "$ref" in schema:
            yield f"| `{key}` | table | | see below |"
            continue
        if "$ref" in schema.get("items", {}):
            yield f"| `{key}` | list of tables | `[]` | {schema['description']}; see below |"
            continue
        default = schema.get("default")
        shown = "" if default is None else f"`{json.dumps(default)}`"
        meaning = schema.get("description", "").replace("|", "\\|")
        yield f"| `{key}` | {_type(schema)} | {shown} | {meaning} |"


def _type(schema: dict[str, Any]) -> str:
    """Type and limits in words."""
    options = [option for option in schema.get("anyOf", [schema]) if option.get("type") != "null"]
    return " or ".join(_one(option) for option in options)


def _one(option: dict[str, Any]) -> str:
    if "enum" in option:
        return ", ".join(f"`{json.dumps(value)}`" for value in option["enum"])
    kind = option.get("type", "value")
    if kind == "array":
        items = option.get("prefixItems") or [option.get("items", {})]
        count = f"{len(items)} " if "prefixItems" in option else ""
        return f"list of {count}{_one(items[0]).replace('number', 'numbers')}"
    words = {"number": "number", "integer": "whole number", "string": "text", "boolean": "true or false"}
    limits = [text.format(f"{option[key]:g}") for key, text in LIMITS.items() if key in option]
    return " ".join([words.get(kind, kind), *([f"({', '.join(limits)})"] if limits else [])])


def tutorial(source: str, shown: list[list[dict[str, Any]]] | None) -> str:
    """A notebook in percent format as a page: its words, its code, and what each code cell shows."""
    parts = []
    outputs = iter(shown or ())
    for cell in source.split("\n# %%")[1:]:
        kind, _, content = cell.partition("\n")
        if "[markdown]" in kind:
            parts.append("\n".join(line.removeprefix("#").removeprefix(" ") for line in content.splitlines()))
        else:
            parts.append(f"```python\n{content.strip()}\n```")
            parts += [_output(found) for found in next(outputs, ())]
    return "\n\n".join(parts)


def _output(found: dict[str, Any]) -> str:
    """What a cell printed or drew."""
    if found.get("name") == "stderr":  # warnings of libraries
        return ""
    data = found.get("data", {})
    if "text/html" in data:
        inside = "".join(data["text/html"]).replace("\n", "&#10;")
        return f'<div class="shown">{inside}</div>'
    if "image/png" in data:
        return (
            f'<div class="shown"><img alt="" src="data:image/png;base64,{data["image/png"].strip()}"></div>'
        )
    text = "".join(found.get("text") or data.get("text/plain") or "").strip()
    return f"```{{.text .shown}}\n{text}\n```" if text else ""


def command_line() -> str:
    """The --help of every command."""
    context = click.Context(etb_hw, info_name="etb-hw")
    parts = ["# Command line\n", "This page is generated from the commands' own `--help`.\n"]
    parts.append(f"```text\n{etb_hw.get_help(context)}\n```\n")
    for name in COMMANDS:
        module = f"etb_hw.cli.{name}"
        if importlib.util.find_spec(module) is None:
            continue
        command = importlib.import_module(module).command
        inner = click.Context(command, info_name=name, parent=context)
        parts.append(f"## etb-hw {name}\n\n```text\n{command.get_help(inner)}\n```\n")
    return "\n".join(parts)
