"""Versions, files and the exact commands."""

from __future__ import annotations

import json
import platform
import shlex
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from markupsafe import Markup

from etb_hw import __version__
from etb_hw.config import Flow
from etb_hw.files import digest
from etb_hw.report.run import Run
from etb_hw.report.section import Column, Section, table

INTRO = "The same command on the same versions gives the same bits."
PACKAGES = ("torch", "brevitas", "qonnx", "onnx", "onnxruntime", "numpy", "numba", "ortools")
FILES = (
    "checkpoint.safetensors",
    "metrics.jsonl",
    "pruning.json",
    "model.qonnx.onnx",
    "model.finn.onnx",
    "streamlined.onnx",
    "dataflow.onnx",
    "auto_folding_config.json",
    "verification.json",
    "summary.json",
)


def reproduce(run: Run) -> Section:
    """Commands, flow file, running times, versions, and the files with their digests."""
    parts = [_commands(run)]
    if run.flow is not None:
        parts.append(
            Markup("<h3>FLOW.toml</h3><pre>{}</pre><p class='intro'>{}</p>").format(
                as_toml(changed(run.flow)),
                "All other keys have the defaults of this version; flow.json has them all.",
            )
        )
    columns = []
    if run.steps:
        rows = [(step.name, f"{step.seconds:,.1f} s") for step in run.steps]
        total = f"{sum(step.seconds for step in run.steps):,.1f} s"
        columns.append(
            Markup("<div><h3>Running times</h3>{}</div>").format(
                table([Column("step"), Column("time", True)], [*rows, ("all", total)], "tight")
            )
        )
    columns.append(Markup("<div><h3>Versions</h3>{}</div>").format(_versions(run)))
    found = [name for name in FILES if (run.path / name).is_file()]
    files = [
        (
            name,
            f"{(run.path / name).stat().st_size:,}",
            Markup("<code>{}</code>").format(digest(run.path / name)[:16]),
        )
        for name in found
    ]
    columns.append(
        Markup("<div><h3>Files</h3>{}</div>").format(
            table([Column("file"), Column("bytes", True), Column("SHA-256 begins")], files, "tight")
        )
    )
    parts.append(Markup('<div class="columns">{}</div>').format(Markup("").join(columns)))
    return Section("reproduce", "Do it again", INTRO, Markup("").join(parts))


def _commands(run: Run) -> Markup:
    out = run.path.as_posix()
    flow, model = run.flow or {}, f"{out}/model.qonnx.onnx"
    lines = [
        (f"etb-hw run FLOW.toml --out {out}", "the whole run; goes on where inputs changed"),
        (
            f"etb-hw build {model}{_build_options(flow.get('build', {}))}",
            "mapping and estimates",
        ),
        (
            f"etb-hw simulate {model} --data {_data(flow.get('data', {}))}",
            "the test set again",
        ),
        (f"etb-hw rtl {out}/dataflow.onnx", "the SystemVerilog"),
        (f"etb-hw report {out}", "this page"),
    ]
    text = "\n".join(f"# {why}\n{command}" for command, why in lines)
    return Markup("<h3>Commands</h3><pre>{}</pre>").format(text)


def _build_options(build: Mapping[str, Any]) -> str:
    names = ("target_fps", "device", "max_utilization", "clk_ns")
    given = {name: build[name] for name in names if build.get(name) is not None}
    return "".join(f" --{name.replace('_', '-')} {_plain(value)}" for name, value in given.items())


def _plain(value: object) -> str:
    return f"{value:.12g}" if isinstance(value, float) else shlex.quote(str(value))


def _data(data: Mapping[str, Any]) -> str:
    name, path = data.get("name", "digits"), data.get("path")
    return str(name) if path is None else shlex.quote(str(path) if name == "npz" else f"{name}:{path}")


def _versions(run: Run) -> Markup:
    """Of the run itself, or of what is installed where it did not note them."""
    if run.summary is not None and run.summary.versions:
        return table([Column("package"), Column("version")], list(run.summary.versions.items()), "tight")
    rows = [("etb-hw", __version__), ("Python", platform.python_version())]
    for name in PACKAGES:
        try:
            rows.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    return table([Column("package"), Column("version")], rows, "tight")


def changed(flow: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The values of a flow that are not the defaults."""
    defaults = Flow().model_dump(mode="json")
    return {
        name: {key: value for key, value in section.items() if value != defaults.get(name, {}).get(key)}
        for name, section in flow.items()
        if isinstance(section, dict)
    }


def as_toml(flow: Mapping[str, Any]) -> str:
    """The flow's values as the text of a flow file (tables of plain values; None has no TOML form)."""
    lines: list[str] = []
    for name, section in flow.items():
        values = {key: value for key, value in section.items() if value is not None}
        if values:
            lines.append(f"[{name}]")
            # JSON's strings, numbers, booleans and lists of them read the same in TOML
            lines.extend(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items())
            lines.append("")
    return "\n".join(lines).rstrip()
