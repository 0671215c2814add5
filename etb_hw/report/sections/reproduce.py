"""Versions, files and the exact commands."""

from __future__ import annotations

import platform
import shlex
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from markupsafe import Markup

from etb_hw import __version__
from etb_hw.artifacts.run_files import DATAFLOW, MODEL, RUN_FILES
from etb_hw.config import DataConfig, Flow, toml_text
from etb_hw.files import digest
from etb_hw.report.run import Run
from etb_hw.report.section import Column, Section, table

INTRO = (
    "The same command with the same versions on the same machine gives the same bits. Another kind of CPU or "
    "GPU rounds differently in training and ends with another network, of about the same accuracy. From the "
    "trained network (checkpoint.safetensors) on, all values are integers, the same everywhere."
)
FILE_COLUMNS = (Column("file"), Column("holds"), Column("bytes", True), Column("SHA-256 begins"))
PACKAGES = ("torch", "brevitas", "qonnx", "onnx", "onnxruntime", "numpy", "numba", "ortools")
SAID_BY_OPTION = {"name", "path", "source", "train_limit"}  # keys of [data] that --data says, or needs not
LISTED = tuple(file for file in RUN_FILES if file.listed)


def reproduce(run: Run) -> Section:
    """Commands, flow file, running times, versions, and the files with their digests."""
    parts = [_commands(run)]
    if run.flow is not None:
        parts.append(
            Markup("<h3>FLOW.toml</h3><pre>{}</pre><p class='intro'>{}</p>").format(
                toml_text(changed(run.flow)),
                "All other keys have the defaults of this version; flow.json has them all.",
            )
        )
    columns = []
    if run.times:
        rows = [(name, f"{seconds:,.1f} s") for name, seconds in run.times.items()]
        total = f"{sum(run.times.values()):,.1f} s"
        columns.append(
            Markup("<div><h3>Running times</h3>{}</div>").format(
                table([Column("step"), Column("time", True)], [*rows, ("all", total)], "tight")
            )
        )
    columns.append(Markup("<div><h3>Versions</h3>{}</div>").format(_versions(run)))
    files = [
        (
            file.name,
            file.holds,
            f"{file.path(run.path).stat().st_size:,}",
            Markup("<code>{}</code>").format(digest(file.path(run.path))[:16]),
        )
        for file in LISTED
        if file.path(run.path).is_file() and file.name not in run.outdated
    ]
    parts.append(Markup('<div class="columns">{}</div>').format(Markup("").join(columns)))
    parts.append(Markup("<h3>Files</h3>{}").format(table(FILE_COLUMNS, files, "tight")))
    return Section("reproduce", "Do it again", INTRO, Markup("").join(parts))


def _commands(run: Run) -> Markup:
    flow, out = run.flow or {}, _path(run.path.as_posix())
    model, dataflow = (_path(file.path(run.path).as_posix()) for file in (MODEL, DATAFLOW))
    lines = [
        (f"etb-hw run FLOW.toml --out {out}", "the whole run; goes on where inputs changed"),
        (
            f"etb-hw build {model}{_build_options(flow.get('build', {}))}",
            "mapping and estimates",
        ),
        (_simulate(model, out, flow.get("data", {})), "the test set again"),
        (f"etb-hw rtl {dataflow}", "the SystemVerilog"),
        (f"etb-hw report {out}", "this page"),
    ]
    text = "\n".join(f"# {why}\n{command}" for command, why in lines)
    return Markup("<h3>Commands</h3><pre>{}</pre>").format(text)


def _build_options(build: Mapping[str, Any]) -> str:
    names = ("target_fps", "device", "max_utilization", "clk_ns", "folding_config", "resource_model")
    given = {name: build[name] for name in names if build.get(name) is not None}
    flags = [name for name in ("pad_channels", "memory_registers") if build.get(name)]
    if build.get("weights") == "writable":
        given["weights"] = "writable"
    words = [f"--{_dashed(name)} {_plain(value)}" for name, value in given.items()]
    return "".join(f" {word}" for word in [*words, *(f"--{_dashed(name)}" for name in flags)])


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def _plain(value: object) -> str:
    return f"{value:.12g}" if isinstance(value, float) else shlex.quote(str(value))


def _path(path: str) -> str:
    """A path as a shell and a command's parser take it: a word, and no option."""
    return shlex.quote(f"./{path}" if path.startswith("-") else path)


def _simulate(model: str, out: str, data: Mapping[str, Any]) -> str:
    """`simulate` where its --data can say what the flow's [data] says, else the step of the run."""
    if _changed(data, DataConfig().model_dump(mode="json")).keys() - SAID_BY_OPTION:
        return f"etb-hw run FLOW.toml --out {out} --from simulate"
    name, path = data.get("name", "digits"), data.get("path")
    said = str(name) if path is None else _path(path) if name == "npz" else shlex.quote(f"{name}:{path}")
    return f"etb-hw simulate {model} --data {said}"


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


def changed(flow: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a flow that are not the defaults."""
    return _changed(flow, Flow().model_dump(mode="json"))


def _changed(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        default = defaults.get(key)
        if isinstance(value, Mapping):
            inner = _changed(value, default if isinstance(default, Mapping) else {})
            if inner:
                found[key] = inner
        elif value != default:
            found[key] = value
    return found
