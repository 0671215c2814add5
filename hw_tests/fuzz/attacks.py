"""``python -m hw_tests.fuzz.attacks``: bad input to the command line, thousands of times, each in a folder.

Every attack ends in one of three ways: refused with exit code 2 in a message of ours that names a remedy, a
difference that a proof found (exit code 1), or accepted, where what looks bad is usable. Anything else gets
through: a traceback, "a bug of the tool", more seconds or memory than an attack may take, or a file outside
its folder. Those are listed, and the exit code is 1.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import click
import numpy as np
import onnx
from click.testing import CliRunner
from onnx import helper, numpy_helper
from safetensors import safe_open
from safetensors.numpy import save_file

from etb_hw import training
from etb_hw.cli import main as etb_hw
from etb_hw.config import Flow, Section
from etb_hw.dataflow import Target, finn, fold, lower
from etb_hw.dataflow.simulation import size_fifos
from hw_tests.fuzz.onnx_emitter import Emitter
from hw_tests.networks import POOL, conv_net

CHECKPOINT = Path(__file__).parents[2] / "flows/pretrained/digits/checkpoint.safetensors"
SECONDS = 20  # an attack may take
MEMORY = 12 << 30  # bytes of address space for all that is loaded and what an attack adds


@dataclass(frozen=True)
class Attack:
    """Arguments of one call, made in a folder of its own, and what it is called in the table."""

    kind: str
    name: str
    arguments: Callable[[Path], Sequence[object]]


class TooLong(BaseException):
    """An attack took more than its seconds. No Exception, so that nothing on the way swallows it."""


# -- what is attacked with


TEXTS = (
    "",
    "nan",
    "inf",
    "-1",
    "0",
    "1e-300",
    "1e-400",
    "1e400",
    "9" * 5000,
    "x" * 5000,
    "[/red]",
    "\u202e",
    "1,,2",
)
VALUES: tuple[Any, ...] = (
    -1,
    0,
    10**9,
    10**30,
    -0.5,
    1e-300,
    1e308,
    "",
    "x" * 5000,
    "[/red]\n",
    "~nouser/x",
    True,
    [],
    [0, 0],
    [[[[1]]]],
    {},
)
CONTENTS: Mapping[str, bytes] = {
    "empty": b"",
    "one byte": b"\0",
    "zeros": bytes(100_000),
    "text": b"no such thing\n",
    "braces": b"{" * 100_000,
    "brackets": b"[" * 100_000,
    "binary": bytes(range(256)) * 40,
    "numbers": b"9" * 100_000,
    "null": b"null",
    "list": b"[]",
    "object": b"{}",
    "png bomb": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\1\0\0\0\1\0\0\x08\2\0\0\0" + bytes(64),
}
FILE_COMMANDS = (
    "build",
    "streamline",
    "simulate",
    "rtl",
    "synth",
    "package",
    "compare",
    "report",
    "publish",
    "run",
    "train",
    "prune",
    "sweep",
    "baselines",
    "export",
)
ENDINGS = {
    "rtl": "onnx",
    "synth": "onnx",
    "package": "onnx",
    "run": "toml",
    "train": "toml",
    "prune": "toml",
    "sweep": "toml",
    "baselines": "toml",
    "export": "safetensors",
}
EXTRA: Mapping[str, tuple[str, ...]] = {"package": ("--board", "ulx3s-85f", "--no-place")}


def paths() -> Iterator[Attack]:
    """What stands where a file is expected, for every command that reads one."""

    def at(command: str, make: Callable[[Path], Path]) -> Callable[[Path], Sequence[object]]:
        return lambda folder: [command, make(folder), *EXTRA.get(command, ())]

    def link(folder: Path, ending: str) -> Path:
        path = folder / f"loop.{ending}"
        path.symlink_to(path)
        return path

    def fifo(folder: Path, ending: str) -> Path:
        path = folder / f"pipe.{ending}"
        os.mkfifo(path)
        return path

    def denied(folder: Path, ending: str) -> Path:
        return Path("/proc/1/mem")

    for command in FILE_COMMANDS:
        ending = ENDINGS.get(command, "onnx")
        names = ("none", "[/red]", "a\nb", "x" * 300, "x/" * 3000 + "y", "nul\0l", "-")
        for name in names:
            yield Attack(
                "paths", f"{command} {name[:12]!r}", at(command, lambda f, n=name, e=ending: f / f"{n}.{e}")
            )
        for make in (link, fifo, denied):
            yield Attack(
                "paths", f"{command} {make.__name__}", at(command, lambda f, m=make, e=ending: m(f, e))
            )
        for device in ("/dev/zero", "/dev/null", "/dev/stdin"):
            yield Attack("paths", f"{command} {device}", at(command, lambda f, d=device: Path(d)))
        for what, content in CONTENTS.items():
            if ending == "toml" and not content:
                continue  # an empty flow file is a right one

            def written(folder: Path, c: bytes = content, e: str = ending) -> Path:
                (folder / f"bad.{e}").write_bytes(c)
                return folder / f"bad.{e}"

            yield Attack("paths", f"{command} {what}", at(command, written))


def options() -> Iterator[Attack]:
    """Every option of text or number with hostile values."""
    context = click.Context(etb_hw)
    for command in ("build", "simulate", "streamline", "compare", "sweep", "package", "synth"):
        made = etb_hw.get_command(context, command)
        assert made is not None
        for option in made.params:
            flag = option.opts[0]
            if not isinstance(option, click.Option) or option.is_flag or flag in ("--out", "--threads"):
                continue
            if option.name in ("place", "jobs", "seeds") or isinstance(option.type, click.Choice):
                continue
            for text in TEXTS:
                if command == "sweep" and text in ("0", "1e-300", "1e-400"):
                    continue  # a sweep over one dense network, which would train

                def call(folder: Path, c: str = command, f: str = flag, t: str = text) -> Sequence[object]:
                    return [c, SUBJECTS[c], f, t, *EXTRA.get(c, ())]

                yield Attack("options", f"{command} {flag} {text[:12]!r}", call)


def flow_files() -> Iterator[Attack]:
    """Every key of a flow file with hostile values; the run ends before it would train."""

    def keys(section: type[Section], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
        for name, field in section.model_fields.items():
            if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
                yield from keys(field.annotation, (*path, name))
            else:
                yield (*path, name)

    for path in keys(Flow):
        for value in VALUES:

            def call(folder: Path, p: tuple[str, ...] = path, v: Any = value) -> Sequence[object]:
                tree: Any = v
                for key in reversed(p):
                    tree = {key: tree}
                (folder / "flow.json").write_text(json.dumps(tree), encoding="utf-8")
                return ["run", folder / "flow.json", "--out", folder / "run"]

            yield Attack("flow files", f"{'.'.join(path)} = {str(value)[:12]!r}", call)


def designs() -> Iterator[Attack]:
    """Attributes, weights and wires of a dataflow.onnx."""
    model = onnx.load(str(SUBJECTS["rtl"]))

    def saved(change: Callable[[onnx.ModelProto], object]) -> Callable[[Path], Sequence[object]]:
        def call(folder: Path) -> Sequence[object]:
            copy = onnx.ModelProto()
            copy.CopyFrom(model)
            change(copy)
            onnx.save(copy, str(folder / "dataflow.onnx"))
            return ["rtl", folder / "dataflow.onnx"]

        return call

    seen: set[tuple[str, str]] = set()
    for i, node in enumerate(model.graph.node):
        for j, attribute in enumerate(node.attribute):
            if (node.op_type, attribute.name) in seen:
                continue
            seen.add((node.op_type, attribute.name))
            for value in (
                -1,
                0,
                7,
                2**31,
                2**62,
                0.5,
                b"x",
                b"\xff",
                [],
                [0],
                [-1, -1],
                [2**40] * 4,
                [b"INT0"],
                b"INT99999999",
            ):

                def set_to(m: onnx.ModelProto, i: int = i, n: str = attribute.name, v: Any = value) -> None:
                    kept = [a for a in m.graph.node[i].attribute if a.name != n]
                    del m.graph.node[i].attribute[:]
                    m.graph.node[i].attribute.extend(
                        [*kept, helper.make_attribute(n, v, attr_type=None if v != [] else 7)]
                    )

                yield Attack("designs", f"{node.op_type} {attribute.name} = {value!r}", saved(set_to))

            def drop(m: onnx.ModelProto, i: int = i, j: int = j) -> None:
                del m.graph.node[i].attribute[j]

            yield Attack("designs", f"{node.op_type} without {attribute.name}", saved(drop))
    for i, tensor in enumerate(model.graph.initializer):
        for value in (np.nan, np.inf, 1e30, 0.5, -7.0, 3e9):

            def fill(m: onnx.ModelProto, i: int = i, v: float = value) -> None:
                array = numpy_helper.to_array(m.graph.initializer[i]).copy()
                array.reshape(-1)[0] = v
                m.graph.initializer[i].CopyFrom(numpy_helper.from_array(array, m.graph.initializer[i].name))

            yield Attack("designs", f"{tensor.name} = {value}", saved(fill))
        for dims in ([], [0], [1], [10**6, 10**6], [-1]):

            def shape(m: onnx.ModelProto, i: int = i, d: list[int] = dims) -> None:
                m.graph.initializer[i].dims[:] = d

            yield Attack("designs", f"{tensor.name} of shape {dims}", saved(shape))
    for key, text in (
        ("etb_hw.dequant", "{"),
        ("etb_hw.dequant", "[1]"),
        ("etb_hw.clk_ns", "x"),
        ("etb_hw.clk_ns", "nan"),
        ("etb_hw.clk_ns", "-1"),
        ("etb_hw.dequant", '[{"op":"Foo","values":[1],"shape":[1]}]'),
    ):

        def note(m: onnx.ModelProto, k: str = key, t: str = text) -> None:
            kept = [p for p in m.metadata_props if p.key != k]
            del m.metadata_props[:]
            m.metadata_props.extend([*kept, onnx.StringStringEntryProto(key=k, value=t)])

        yield Attack("designs", f"{key} = {text}", saved(note))
    count = len(model.graph.node)
    for i in range(count):
        for what, change in {
            "twice": lambda m, i=i: m.graph.node.append(m.graph.node[i]),
            "gone": lambda m, i=i: m.graph.node.remove(m.graph.node[i]),
            "reads nothing": lambda m, i=i: m.graph.node[i].ClearField("input"),
            "gives nothing": lambda m, i=i: m.graph.node[i].ClearField("output"),
            "reads itself": lambda m, i=i: m.graph.node[i].input.__setitem__(0, m.graph.node[i].output[0]),
            "reads elsewhere": lambda m, i=i: m.graph.node[i].input.__setitem__(0, "elsewhere"),
            "reads the input": lambda m, i=i: m.graph.node[i].input.__setitem__(0, m.graph.input[0].name),
            "is foreign": lambda m, i=i: setattr(m.graph.node[i], "op_type", "Softmax"),
        }.items():
            yield Attack("designs", f"node {i} {what}", saved(change))


def checkpoints() -> Iterator[Attack]:
    """Notes and tensors of a checkpoint."""
    with safe_open(str(CHECKPOINT), framework="np") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        notes = dict(file.metadata() or {})

    def saved(
        change: Callable[[dict[str, Any], dict[str, str]], object],
    ) -> Callable[[Path], Sequence[object]]:
        def call(folder: Path) -> Sequence[object]:
            t, n = dict(tensors), dict(notes)
            change(t, n)
            save_file({k: np.ascontiguousarray(v) for k, v in t.items()}, str(folder / "bad.safetensors"), n)
            return ["export", folder / "bad.safetensors"]

        return call

    for name, array in tensors.items():
        for what, change in {
            "gone": lambda t, n, k=name: t.pop(k),
            "empty": lambda t, n, k=name: t.__setitem__(k, t[k][:0]),
            "flat": lambda t, n, k=name: t.__setitem__(k, t[k].reshape(-1)),
            "half": lambda t, n, k=name: t.__setitem__(k, t[k][: len(t[k]) // 2 or 1] if t[k].ndim else t[k]),
            "float": lambda t, n, k=name: t.__setitem__(k, t[k].astype(np.float32)),
            "nan": lambda t, n, k=name: t.__setitem__(k, np.full(t[k].shape, np.nan, np.float32)),
            "large": lambda t, n, k=name: t.__setitem__(k, np.full(t[k].shape, 2**62, np.int64)),
            "zero": lambda t, n, k=name: t.__setitem__(k, np.zeros_like(t[k])),
        }.items():
            yield Attack("checkpoints", f"{name} {what}", saved(change))
        del array
    for key, text in notes.items():
        for value in ("", "{", "[]", "{}", "null", "1", text[: len(text) // 2]):
            yield Attack(
                "checkpoints",
                f"{key} = {value[:10]!r}",
                saved(lambda t, n, k=key, v=value: n.__setitem__(k, v)),
            )
        try:
            tree = json.loads(text)
        except ValueError:
            continue
        for where, changed in mutated(tree):
            yield Attack(
                "checkpoints",
                f"{key} {where}",
                saved(lambda t, n, k=key, v=changed: n.__setitem__(k, json.dumps(v))),
            )
    whole = CHECKPOINT.read_bytes()
    for size in (0, 7, 8, 100, len(whole) // 2, len(whole) - 1):

        def cut(folder: Path, s: int = size) -> Sequence[object]:
            (folder / "bad.safetensors").write_bytes(whole[:s])
            return ["export", folder / "bad.safetensors"]

        yield Attack("checkpoints", f"cut to {size}", cut)


def mutated(tree: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """A JSON value with one of its parts replaced, once a key (lists: their first item)."""
    for value in (None, -1, 0, 10**9, "x", [], {}):
        if value != tree:
            yield f"{at or 'all'} = {value!r}", value
    if isinstance(tree, dict):
        for key, part in tree.items():
            yield f"{at}.{key} gone", {k: v for k, v in tree.items() if k != key}
            for where, changed in mutated(part, f"{at}.{key}"):
                yield where, tree | {key: changed}
    elif isinstance(tree, list) and tree:
        for where, changed in mutated(tree[0], f"{at}[0]"):
            yield where, [changed, *tree[1:]]


def run_folders(run: Path) -> Iterator[Attack]:
    """Files of a finished run, one replaced, read by the commands that read runs."""
    for path in sorted(
        p for p in run.rglob("*") if p.is_file() and p.suffix in (".json", ".jsonl", ".safetensors", ".onnx")
    ):
        name = path.relative_to(run)
        for what, content in CONTENTS.items():
            for command in ("report", "publish"):

                def call(
                    folder: Path, n: Path = name, c: bytes = content, k: str = command
                ) -> Sequence[object]:
                    shutil.copytree(run, folder / "run")
                    (folder / "run" / n).write_bytes(c)
                    return [
                        k,
                        folder / "run",
                        *(("--out", folder / "page.html") if k == "report" else ("--out", folder / "p")),
                    ]

                yield Attack("run folders", f"{command} {name} {what}", call)


def data_files() -> Iterator[Attack]:
    """Arrays and images that are read as data."""
    arrays: dict[str, dict[str, Any]] = {
        "no arrays": {},
        "text": {"x": np.array(["a"]), "y": np.array([0])},
        "objects": {"x": np.array([None, {}], dtype=object), "y": np.array([0, 1])},
        "nan": {"x": np.full((4, 1, 8, 8), np.nan), "y": np.zeros(4, int)},
        "no images": {"x": np.zeros((0, 1, 8, 8), np.uint8), "y": np.zeros(0, int)},
        "no pixels": {"x": np.zeros((4, 1, 0, 8), np.uint8), "y": np.zeros(4, int)},
        "one label of 10**9": {"x": np.zeros((4, 1, 8, 8), np.uint8), "y": np.array([0, 1, 2, 10**9])},
        "negative label": {"x": np.zeros((4, 1, 8, 8), np.uint8), "y": np.array([0, 1, 2, -1])},
        "more labels": {"x": np.zeros((4, 1, 8, 8), np.uint8), "y": np.zeros(9, int)},
        "float labels": {"x": np.zeros((4, 1, 8, 8), np.uint8), "y": np.array([0, 1, 0.5, 2])},
        "large pixels": {"x": np.full((4, 1, 8, 8), 10**6), "y": np.zeros(4, int)},
        "scalar": {"x": np.array(3), "y": np.array(3)},
        "other size": {"x": np.zeros((4, 3, 9, 9), np.uint8), "y": np.zeros(4, int)},
    }
    for name, given in arrays.items():
        for prefix in ("", "test_", "train_"):

            def call(folder: Path, g: Mapping[str, Any] = given, p: str = prefix) -> Sequence[object]:
                np.savez_compressed(folder / "d.npz", **{p + key: value for key, value in g.items()})
                return ["simulate", SUBJECTS["simulate"], "--data", f"npz:{folder / 'd.npz'}"]

            yield Attack("data", f"npz {prefix}{name}", call)
    for what, content in CONTENTS.items():
        for kind, name in (
            ("npz", "d.npz"),
            ("npz", "d.npy"),
            ("folder", "d/a/x.png"),
            ("cifar10", "d/data_batch_1"),
            ("mnist", "d/t10k-images-idx3-ubyte"),
            ("mnist", "d/t10k-images-idx3-ubyte.gz"),
        ):

            def file(folder: Path, c: bytes = content, n: str = name, k: str = kind) -> Sequence[object]:
                path = folder / n
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(c)
                return ["simulate", SUBJECTS["simulate"], "--data", f"{k}:{folder / n.split('/')[0]}"]

            yield Attack("data", f"{name} {what}", file)
    for text in (
        "nothing",
        "npz:",
        "folder:/",
        "folder:/dev",
        "npz:/dev/zero",
        "cifar10:/proc",
        "mnist:.",
        "npz:~nouser/x",
        "x" * 5000,
        ":",
        "python:os:system",
        "npz:\0",
    ):
        yield Attack(
            "data", f"--data {text[:20]!r}", lambda f, t=text: ["simulate", SUBJECTS["simulate"], "--data", t]
        )


def outputs() -> Iterator[Attack]:
    """Places where nothing can or should be written."""

    def at(command: str, place: Callable[[Path], Path]) -> Callable[[Path], Sequence[object]]:
        return lambda folder: [command, SUBJECTS[command], "--out", place(folder), *EXTRA.get(command, ())]

    def under_a_file(folder: Path) -> Path:
        (folder / "file").write_text("x")
        return folder / "file" / "below"

    def link_away(folder: Path) -> Path:
        (folder / "link").symlink_to("/tmp/etb_attack_escaped")
        return folder / "link"

    def mine(folder: Path) -> Path:
        (folder / "mine").mkdir()
        (folder / "mine/README.md").write_text("mine")
        (folder / "mine/dataflow.onnx").write_text("mine")
        return folder / "mine"

    def file(folder: Path) -> Path:
        (folder / "file.html").write_text("mine")
        return folder / "file.html"

    places: Mapping[str, Callable[[Path], Path]] = {
        "under a file": under_a_file,
        "a link": link_away,
        "a folder of mine": mine,
        "a file of mine": file,
        "/proc": lambda f: Path("/proc/nowhere/x"),
        "/dev/full": lambda f: Path("/dev/full"),
        "long": lambda f: f / ("x" * 300),
        "null byte": lambda f: f / "a\0b",
    }
    for command in ("build", "streamline", "rtl", "compare", "export", "report", "publish", "package"):
        for name, place in places.items():
            yield Attack("outputs", f"{command} --out {name}", at(command, place))


SUBJECTS: dict[str, Path] = {}  # by command, what it can work on


def subjects(folder: Path, run: Path | None) -> None:
    """A small model, its design, a checkpoint and a flow file, which are all right."""
    rng = np.random.default_rng(0)
    out = Emitter((1, 8, 8), "UINT8")
    weights = out.node("BipolarQuant", out.const(rng.standard_normal((4, 1, 3, 3))), out.const(1.0))
    y = out.node("BipolarQuant", out.node("Conv", "x", weights, pads=[1, 1, 1, 1]), out.const(1.0))
    y = out.node("Flatten", y)
    onnx.save(
        out.model(out.node("MatMul", y, out.const(rng.choice([-1, 1], (256, 10))))),
        str(folder / "model.onnx"),
    )
    made = size_fifos(fold(lower(conv_net([3, POOL, 4], [5], (1, 8, 8))), Target(cycles=500)).graph).graph
    finn.write(made, folder / "design")
    (folder / "flow.toml").write_text("[training]\nepochs = 1\n", encoding="utf-8")
    for command in ("build", "streamline", "simulate", "compare"):
        SUBJECTS[command] = folder / "model.onnx"
    for command in ("rtl", "synth", "package"):
        SUBJECTS[command] = folder / "design/dataflow.onnx"
    for command in ("sweep", "run"):
        SUBJECTS[command] = folder / "flow.toml"
    shutil.copy(CHECKPOINT, folder / "checkpoint.safetensors")
    SUBJECTS["export"] = folder / "checkpoint.safetensors"
    SUBJECTS["report"] = SUBJECTS["publish"] = run or folder


# -- what becomes of them


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    def stop(_: int, frame: FrameType | None) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Trained(Exception):
    """A flow that would train now: accepted."""


def outcome(attack: Attack, seconds: float) -> tuple[str, str]:
    """How it ends ("refused", "difference", "accepted", or "through"), and what was said."""
    with tempfile.TemporaryDirectory(prefix="etb_attack_") as name:
        folder = Path(name)
        here = os.getcwd()
        os.chdir(folder)
        try:
            arguments = [str(part) for part in attack.arguments(folder)]
            with bounded(seconds), no_training():
                result = CliRunner().invoke(etb_hw, arguments)
        except TooLong:
            return "through", f"took more than {seconds:g} s"
        finally:
            os.chdir(here)
    if isinstance(result.exception, TooLong):
        return "through", f"took more than {seconds:g} s"
    if "Trained" in result.output:
        return "accepted", "would train"
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return "through", repr(result.exception)
    text = result.output.strip()
    if "bug of the tool" in text or "Traceback" in text:
        return "through", text[-300:]
    if Path("/tmp/etb_attack_escaped").exists():
        return "through", "wrote through a link"
    match result.exit_code:
        case 0:
            return "accepted", text[-120:]
        case 1:
            return "difference", text[-200:]
        case 2:
            clear = "remedy" in text or "Usage" in text
            return ("refused", text[:200]) if clear else ("through", f"no remedy: {text[:200]}")
    return "through", f"exit code {result.exit_code}: {text[-200:]}"


@contextmanager
def no_training() -> Iterator[None]:
    """Flows that are accepted end where they would train."""

    def stop(*_: object, **__: object) -> None:
        raise Trained

    before = training.train
    training.train = stop  # type: ignore[assignment]
    try:
        yield
    finally:
        training.train = before


GROUPS: Mapping[str, Callable[[], Iterator[Attack]]] = {
    "paths": paths,
    "options": options,
    "flow files": flow_files,
    "designs": designs,
    "checkpoints": checkpoints,
    "data": data_files,
    "outputs": outputs,
}


@click.command()
@click.option(
    "--only",
    multiple=True,
    type=click.Choice([*GROUPS, "run folders"]),
    help="Groups of attacks; all by default.",
)
@click.option(
    "--run",
    "run",
    type=click.Path(path_type=Path, exists=True),
    help="A finished run, for attacks on its files.",
)
@click.option("--every", default=1, show_default=True, help="Take one attack of so many.")
@click.option("--seconds", default=SECONDS, show_default=True, help="An attack may take.")
@click.option("--verbose", is_flag=True, help="Say how each one ended.")
def main(only: tuple[str, ...], run: Path | None, every: int, seconds: float, verbose: bool) -> None:
    """Attack the command line; exit with 1 if something gets through."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    counts: Counter[tuple[str, str]] = Counter()
    through: list[str] = []
    with tempfile.TemporaryDirectory(prefix="etb_subjects_") as name:
        subjects(Path(name), run)
        attacks = [a for kind, make in GROUPS.items() if not only or kind in only for a in make()]
        if run is not None and (not only or "run folders" in only):
            attacks += run_folders(run)
        for attack in attacks[::every]:
            begin = time.monotonic()
            how, said = outcome(attack, seconds)
            counts[attack.kind, how] += 1
            if how == "through":
                through.append(f"{attack.kind}: {attack.name}: {said}")
                click.echo(through[-1])
            elif verbose:
                click.echo(f"{attack.kind}: {attack.name}: {how} ({time.monotonic() - begin:.1f} s) {said}")
    click.echo("| attack on | inputs | refused | differences found | usable | got through |")
    click.echo("| --- | --- | --- | --- | --- | --- |")
    for kind in dict.fromkeys(kind for kind, _ in counts):
        row = [counts[kind, how] for how in ("refused", "difference", "accepted", "through")]
        click.echo(f"| {kind} | {sum(row)} | {' | '.join(map(str, row))} |")
    sys.exit(int(bool(through)))


if __name__ == "__main__":
    main()
