"""``make mutants``: faults put into core files one by one; the tests near each file must notice.

A fault is a small change of the code: a comparison, an operator, a number, a condition that always or never
holds, a call that is gone, or a name that is nearly the same. Libraries are loaded once; for each fault a
process is forked that runs the file's tests on the changed module. Faults that change nothing
(``EQUIVALENT``) are not counted.
"""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import click

ROOT = Path(__file__).parents[1]

# core files, and the tests that stand for each
TARGETS: Mapping[str, tuple[str, ...]] = {
    "etb_hw/integer/datatype.py": ("hw_tests/integer/test_datatype.py",),
    "etb_hw/integer/infer.py": ("hw_tests/integer/test_infer.py", "hw_tests/qonnx_io/test_silent_wrongs.py"),
    "etb_hw/integer/reference.py": ("hw_tests/integer/test_reference.py",),
    "etb_hw/dataflow/words.py": ("hw_tests/dataflow/test_words.py",),
    "etb_hw/dataflow/stream.py": ("hw_tests/dataflow/test_words.py",),
    "etb_hw/dataflow/finn/check.py": ("hw_tests/dataflow/test_hostile_designs.py",),
    "etb_hw/rtl/beats.py": ("hw_tests/dataflow/test_words.py",),
    "etb_hw/rtl/cache.py": ("hw_tests/rtl/test_cache.py",),
    "etb_hw/rtl/names.py": (
        "hw_tests/rtl/test_names.py",
        "--deselect",
        "hw_tests/rtl/test_names.py::test_an_attack_from_a_file_runs_no_command",
    ),
    "etb_hw/evolution/allocation.py": ("hw_tests/evolution/test_allocation.py",),
    "etb_hw/training/batches.py": ("hw_tests/training/test_batches.py",),
    "etb_hw/training/norms.py": ("hw_tests/training/test_norms.py",),
    "etb_hw/models/own.py": ("hw_tests/models/test_own_topology.py",),
    "etb_hw/qonnx_io/ops/qdq.py": ("hw_tests/qonnx_io/test_qdq.py",),
    "etb_hw/qonnx_io/ops/channels.py": ("hw_tests/qonnx_io/test_channels.py", "-k", "not rtl and not wires"),
    "etb_hw/qonnx_io/finer.py": ("hw_tests/qonnx_io/test_import_options.py",),
    "etb_hw/qonnx_io/ops/depth_to_space.py": ("hw_tests/qonnx_io/test_depth_to_space.py",),
    **dict.fromkeys(
        ("etb_hw/training/own_checks.py", "etb_hw/training/own_module.py"),
        ("hw_tests/training/test_own_module.py", "-k", "not networks_of_others"),
    ),
    "etb_hw/pruning/sizes.py": ("hw_tests/pruning/test_sizes.py",),
    "etb_hw/verification.py": ("hw_tests/flow/test_verification.py",),
    "etb_hw/files.py": ("hw_tests/test_files.py",),
}
LIBRARIES = (
    "numpy",
    "torch",
    "onnx",
    "onnxruntime",
    "brevitas.nn",
    "qonnx.core.modelwrapper",
    "pytest",
    "hypothesis",
    "ortools.sat.python.cp_model",
    "safetensors.torch",
    "pydantic",
    "click.testing",
)

# what changes nothing that anybody could see: (file, the line, the fault), and why
EQUIVALENT: Mapping[tuple[str, str, str], str] = {
    (
        "etb_hw/integer/infer.py",
        "exact = np.float32 if reach < 2**24 else np.float64",
        "Lt -> LtE",
    ): "float32 holds 2**24 itself",
    (
        "etb_hw/integer/infer.py",
        "exact = np.float32 if reach < 2**24 else np.float64",
        "Pow -> Mult",
    ): "float64 is as exact, and slower",
    (
        "etb_hw/integer/infer.py",
        "exact = np.float32 if reach < 2**24 else np.float64",
        "condition is never true",
    ): "float64 is as exact, and slower",
    (
        "etb_hw/dataflow/finn/check.py",
        "for node, expected in zip(found.graph.node, written.graph.node, strict=True):",
        "True -> False",
    ): "their names were compared before",
    (
        "etb_hw/rtl/beats.py",
        'return padded.view("<u4").astype(np.uint32, copy=False)',
        "False -> True",
    ): "a copy more",
    (
        "etb_hw/rtl/cache.py",
        'found.update(len(data).to_bytes(8, "little"))',
        "8 -> 9",
    ): "another key, as good",
    (
        "etb_hw/rtl/cache.py",
        "for _ in range(10):",
        "10 -> 11",
    ): "a try more",
    (
        "etb_hw/training/batches.py",
        "if config.shift:",
        "condition is always true",
    ): "a shift by at most 0 moves nothing",
    (
        "etb_hw/files.py",
        'name = path.name[:100].lstrip(".")',
        "100 -> 101",
    ): "a letter more of a name",
    (
        "etb_hw/evolution/allocation.py",
        "for group, cap in zip(spec.prunable, caps, strict=True):",
        "True -> False",
    ): "their numbers were compared before",
    (
        "etb_hw/evolution/allocation.py",
        "enough = [packet for packet in packets if outcomes[packet[1]] >= ratio - 1e-9]",
        "Sub -> Add",
    ): "a billionth: what fits exactly is taken before",
    (
        "etb_hw/evolution/allocation.py",
        "enough = [packet for packet in packets if outcomes[packet[1]] >= ratio - 1e-9]",
        "GtE -> Gt",
    ): "no count misses a ratio by exactly a billionth",
    (
        "etb_hw/evolution/allocation.py",
        "while saved < target - 1e-9:",
        "Lt -> LtE",
    ): "no count misses a target by exactly a billionth",
    (
        "etb_hw/evolution/allocation.py",
        "if reached(cost, spec, floors_of(spec, config, caps)) >= min(0.99, config.ratio * SLACK):",
        "GtE -> Gt",
    ): "the caps of a search; a step more where it is met exactly",
    (
        "etb_hw/evolution/allocation.py",
        "for scale in np.linspace(0.01, HIGHEST_CAP, 90):",
        "90 -> 91",
    ): "a step of a search more",
    (
        "etb_hw/evolution/allocation.py",
        "fitting = [packet for packet in allowed if outcomes[packet[1]] <= ratio + TOLERANCE]",
        "LtE -> Lt",
    ): "a tolerance is met exactly by no count",
    (
        "etb_hw/evolution/allocation.py",
        "return sorted(packets, key=lambda packet: packet[:2])",
        "2 -> 3",
    ): "no two packets are of one group",
}

COMPARISONS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
OPERATORS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.Pow: ast.Mult,
}
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any", "minimum": "maximum", "maximum": "minimum"}


Change: TypeAlias = Callable[[], Callable[[], None]]  # makes a change, and gives what takes it back


@dataclass(frozen=True)
class Fault:
    """A changed module: where, what, and its code."""

    file: str
    line: int
    text: str
    what: str
    source: str

    @property
    def key(self) -> tuple[str, str, str]:
        return self.file, self.text, self.what

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}: {self.text}"


def faults(file: str) -> Iterator[Fault]:
    """Every fault of a file, in order."""
    text = (ROOT / file).read_text(encoding="utf-8")
    lines = text.splitlines()
    tree = ast.parse(text)
    for node, what, change in _changes(tree):
        undo = change()
        yield Fault(file, node.lineno, lines[node.lineno - 1].strip(), what, ast.unparse(tree))
        undo()


def _changes(tree: ast.Module) -> Iterator[tuple[Any, str, Change]]:
    for node in _code(tree):
        match node:
            case ast.Compare(ops=[op, *_]) if type(op) in COMPARISONS:
                other = COMPARISONS[type(op)]
                yield node, f"{type(op).__name__} -> {other.__name__}", _set(node.ops, 0, other())
            case ast.BinOp() if type(node.op) in OPERATORS and not _is_text(node):
                other = OPERATORS[type(node.op)]
                yield node, f"{type(node.op).__name__} -> {other.__name__}", _set(node, "op", other())
            case ast.AugAssign() if type(node.op) in OPERATORS:
                other = OPERATORS[type(node.op)]
                yield node, f"{type(node.op).__name__} -> {other.__name__}", _set(node, "op", other())
            case ast.BoolOp():
                swapped = ast.Or() if isinstance(node.op, ast.And) else ast.And()
                yield node, f"{type(node.op).__name__} -> {type(swapped).__name__}", _set(node, "op", swapped)
            case ast.UnaryOp(op=ast.USub()):
                yield node, "minus gone", _set(node, "op", ast.UAdd())
            case ast.UnaryOp(op=ast.Not()):
                yield node, "not gone", _set(node, "operand", ast.UnaryOp(ast.Not(), node.operand))
            case ast.Constant(value=bool(truth)):
                yield node, f"{truth} -> {not truth}", _set(node, "value", not truth)
            case ast.Constant(value=int(number)):
                yield node, f"{number} -> {number + 1}", _set(node, "value", number + 1)
            case ast.Name(id=name) if name in NAMES:
                yield node, f"{name} -> {NAMES[name]}", _set(node, "id", NAMES[name])
            case ast.Attribute(attr=name) if name in NAMES:
                yield node, f"{name} -> {NAMES[name]}", _set(node, "attr", NAMES[name])
            case ast.If() | ast.IfExp():
                yield node, "condition is never true", _set(node, "test", ast.Constant(False))
                yield node, "condition is always true", _set(node, "test", ast.Constant(True))
            case ast.Expr(value=ast.Call()):
                yield node, "call is gone", _set(node, "value", ast.Constant(None))


def _code(tree: ast.Module) -> Iterator[ast.AST]:
    """Nodes that run: no annotations, no text of messages, no imports."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.Import | ast.ImportFrom | ast.JoinedStr):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "reshape":
            waiting += [arg for arg in node.args if not _is_unknown_size(arg)]
            waiting += [node.func, *node.keywords]
            continue
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list", "type_params"):
                continue
            waiting += [v for v in (value if isinstance(value, list) else [value]) if isinstance(v, ast.AST)]


def _is_text(node: ast.BinOp) -> bool:
    """Whether text is put together."""
    return any(
        isinstance(part, ast.JoinedStr) or isinstance(getattr(part, "value", None), str)
        for part in (node.left, node.right)
    )


def _is_unknown_size(node: ast.expr) -> bool:
    """-1 among sizes: numpy takes any negative number for it, and none in its place is a fault that stays."""
    return ast.unparse(node) == "-1"


def _set(owner: Any, key: str | int, value: Any) -> Change:
    def change() -> Callable[[], None]:
        before = owner[key] if isinstance(owner, list) else getattr(owner, str(key))
        put(value)
        return lambda: put(before)

    def put(new: Any) -> None:
        if isinstance(owner, list):
            owner[key] = new
        else:
            setattr(owner, str(key), new)

    return change


class Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives one module from changed source."""

    def __init__(self, file: str, source: str) -> None:
        self.name = file.removesuffix(".py").replace("/", ".")
        self.path = str(ROOT / file)
        self.source = source

    def find_spec(
        self, name: str, path: object, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != self.name:
            return None
        spec = importlib.machinery.ModuleSpec(name, self, origin=self.path)
        spec.has_location = True
        return spec

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self.source, self.path, "exec"), module.__dict__)


def run(tests: Sequence[str], fault: Fault | None, seconds: float) -> tuple[bool | None, float]:
    """Whether the tests pass (with the fault), None where they take too long; and how long they took."""
    begin = time.monotonic()
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        if fault is not None:
            sys.meta_path.insert(0, Changed(fault.file, fault.source))
        import pytest

        try:
            code = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests]))
        except BaseException:
            code = 1
        os._exit(code)
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == 0, time.monotonic() - begin
        if time.monotonic() - begin > seconds:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None, time.monotonic() - begin
        time.sleep(0.02)


@click.command()
@click.option("--only", multiple=True, help="Files whose path holds this; all by default.")
@click.option("--sample", default=0, help="Take so many faults at random; 0 for all.")
@click.option("--random-seed", default=0, show_default=True)
@click.option("--equivalent", is_flag=True, help="Those that are listed as equivalent: none may be noticed.")
def main(only: tuple[str, ...], sample: int, random_seed: int, equivalent: bool) -> None:
    """Put faults into core files; exit with 1 where fewer than 95 % of them are noticed."""
    os.chdir(ROOT)
    os.environ["OMP_NUM_THREADS"] = "1"
    files = [file for file in TARGETS if not only or any(part in file for part in only)]
    for library in LIBRARIES:
        importlib.import_module(library)
    assert not any(name == "etb_hw" or name.startswith("etb_hw.") for name in sys.modules)
    given = [fault for file in files for fault in faults(file)]
    stale = {entry for entry in EQUIVALENT if entry[0] in files} - {fault.key for fault in given}
    if stale:
        raise SystemExit(f"EQUIVALENT lists faults that no longer are: {stale}")
    if equivalent:
        given = [fault for fault in given if fault.key in EQUIVALENT]
    if sample:
        random.Random(random_seed).shuffle(given)
        given = sorted(given[:sample], key=lambda fault: files.index(fault.file))
    limits: dict[str, float] = {}
    counts: dict[str, list[int]] = {}
    slow = 0
    for fault in given:
        if fault.file not in limits:
            passed, took = run(TARGETS[fault.file], None, 600)
            if not passed:
                raise SystemExit(f"{fault.file}: its tests fail without a fault: {TARGETS[fault.file]}")
            limits[fault.file] = 10 + 5 * took
        if fault.key in EQUIVALENT and not equivalent:
            continue
        survived, _ = run(TARGETS[fault.file], fault, limits[fault.file])
        noticed, of = counts.setdefault(fault.file, [0, 0])
        counts[fault.file] = [noticed + (not survived), of + 1]
        slow += survived is None
        if bool(survived) != equivalent:
            click.echo(f"{'noticed' if equivalent else 'survived'}: {fault}")
    click.echo("| file | faults | noticed |")
    click.echo("| --- | --- | --- |")
    for file, (noticed, of) in counts.items():
        click.echo(f"| `{file}` | {of} | {noticed / of:.1%} |")
    noticed, of = (sum(column) for column in zip(*counts.values(), strict=True))
    click.echo(f"| all | {of} | {noticed / of:.1%} |")
    click.echo(f"{len(given) - of} more are equivalent; {slow} were noticed by tests that took too long")
    sys.exit(int(noticed > 0 if equivalent else noticed < 0.95 * of))


if __name__ == "__main__":
    main()
