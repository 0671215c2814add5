"""The packed executor beside other exact ways to run the same networks, in one run.

    python -m hw_tests.benchmarks.bench_packed [--rounds N] [--only NETWORK ...]

Engines take turns, round by round. Every engine's outputs are first compared with the reference
executor's. Slow engines run a part of a batch of 256; their images a second hardly depend on the batch
beyond that. On one thread figures are the least processor time of all rounds, which neighbours on the
machine disturb little; on two threads the least time on the wall. (qonnx chooses its threads itself: the
smaller of both times counts.) Products a cycle are counted by the clock under vector load.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from etb_hw.integer import Conv, Dense, IntegerGraph
from etb_hw.integer.packed import PackedExecutor
from etb_hw.integer.packed.kernel import KERNELS
from etb_hw.integer.reference import execute
from etb_hw.simulate import simulate
from hw_tests.benchmarks.baselines import Run, float_model, in_onnxruntime, in_qonnx, in_torch, qlinear_model
from hw_tests.benchmarks.clock import clock_hz
from hw_tests.networks import cnv, mlp, pruned_vgg_small, resnet18, vgg_small

NETWORKS: dict[str, Callable[[], IntegerGraph]] = {
    "VGG-Small": vgg_small,
    "pruned VGG-Small": pruned_vgg_small,
    "CNV": cnv,
    "TFC": mlp,
    "ResNet-18": resnet18,
}
SLOW = 16
"""Images of a batch of 256 that the other engines run (all of it for the MLP, where they are fast)."""


REPEATS = {
    "packed": 20,
    "onnxruntime float32": 2,
    "onnxruntime QLinearConv": 4,
    "torch float32": 2,
    "qonnx": 1,
}
"""Images that a measurement takes at least (a hundred times as many for the MLP)."""


def macs(graph: IntegerGraph) -> int:
    """Multiply-accumulates an image."""
    return sum(
        node.weights.size * graph.types[node.name].pixels
        for node in graph.nodes
        if isinstance(node, Conv | Dense)
    )


def engines(graph: IntegerGraph, threads: int) -> dict[str, Run]:
    torch.set_num_threads(threads)
    return {
        "packed": PackedExecutor(graph, threads).run,
        "onnxruntime float32": in_onnxruntime(float_model(graph), threads, np.float32),
        "onnxruntime QLinearConv": in_onnxruntime(qlinear_model(graph), threads, np.uint8),
        "torch float32": in_torch(graph),
        "qonnx": in_qonnx(graph),
    }


def check(graph: IntegerGraph, runs: dict[str, Run], x: np.ndarray) -> None:
    expected = execute(graph, x)
    for name, run in runs.items():
        if not np.array_equal(run(x).reshape(expected.shape), expected):
            raise SystemExit(f"{name} computes something else: its time would mean nothing")


@dataclass
class Time:
    """Seconds an image: the least of all rounds, of the wall and of the processor."""

    wall: float = float("inf")
    cpu: float = float("inf")

    def seconds(self, engine: str, threads: int) -> float:
        return min(self.wall, self.cpu) if engine == "qonnx" else self.cpu if threads == 1 else self.wall


def measure(runs: dict[str, Run], batch: int, x: np.ndarray, rounds: int) -> dict[str, Time]:
    """Each engine's time; all take their turn in every round."""
    small = x.ndim == 2
    times = {name: Time() for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            images = x[: batch if name == "packed" or small else min(batch, SLOW)]
            repeats = max(1, REPEATS[name] * (100 if small else 1) // len(images))
            wall, cpu = time.perf_counter(), time.process_time()
            for _ in range(repeats):
                run(images)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            best, count = times[name], repeats * len(images)
            best.wall, best.cpu = min(best.wall, wall / count), min(best.cpu, cpu / count)
    return times


def main(rounds: int = 5, only: Sequence[str] = ()) -> None:
    console = Console(width=140)
    console.print(f"{cpu_name()}, load of the machine {os.getloadavg()[0]:.1f}")
    limits = {kernel.name: kernel.macs_a_cycle for kernel in KERNELS}
    table = _table("images a second, and how many times slower than packed", "network", "threads", "batch")
    cycles = _table(
        "packed kernel on one thread, best of 7",
        *("network", "kernel", "batch", "clock GHz", "MMAC/image", "MAC/cycle", "of limit", "ready in s"),
    )
    pairs = _table(
        "packed, 1024 images: two threads against one, least of all rounds (1.00 processors: one was free)",
        *("network", "wall, one", "wall, two", "faster", "processors, two", "processor time, two/one"),
    )
    for name, make in NETWORKS.items():
        if only and name not in only:
            continue
        graph = make()
        x = np.random.default_rng(0).integers(0, 256, (256, *graph.input.shape), dtype=np.uint8)
        for threads in (1, 2):
            runs = engines(graph, threads)
            check(graph, runs, x[:3])
            if len(table.columns) == 3:
                for engine in runs:
                    table.add_column(engine, justify="right")
            for batch in (1, 256):
                times = measure(runs, batch, x, rounds)
                seconds = {engine: times[engine].seconds(engine, threads) for engine in runs}
                packed = seconds["packed"]
                others = [f"{1 / s:,.0f} ({s / packed:.1f}x)" for s in list(seconds.values())[1:]]
                table.add_row(name, str(threads), str(batch), f"{1 / packed:,.0f}", *others)
                if threads == 1:
                    cycles.add_row(*_cycles(name, graph, x[:batch], limits))
        pairs.add_row(name, *_two_threads(graph, x, rounds))
    for each in (table, cycles, pairs):
        console.print(each)
    if not only:
        _test_set(console)


def cpu_name() -> str:
    """What the processor calls itself, with family and model, as names in clouds say little."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return platform.processor() or platform.machine()
    lines = (line.partition(":") for line in path.read_text().splitlines())
    found = {key.strip(): value.strip() for key, _, value in reversed(list(lines))}
    name = found.get("model name", platform.machine())
    return f"{name}, family {found.get('cpu family', '?')} model {found.get('model', '?')}"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title)
    for column in columns:
        table.add_column(column, justify="left" if column == "network" else "right")
    return table


def _two_threads(graph: IntegerGraph, x: np.ndarray, rounds: int) -> list[str]:
    """Both take turns on four batches, so that both meet the same neighbours."""
    data = np.concatenate([x] * 4)
    one, two = PackedExecutor(graph, 1), PackedExecutor(graph, 2)
    best = [Time(), Time()]
    busy = 0.0
    for _ in range(2 * rounds):
        for executor, least in zip((one, two), best, strict=True):
            wall, cpu = time.perf_counter(), time.process_time()
            executor.run(data)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            if executor is two and wall < least.wall:
                busy = cpu / wall
            least.wall, least.cpu = min(least.wall, wall), min(least.cpu, cpu)
    first, second = (f"{each.wall / len(data) * 1e6:,.1f} us" for each in best)
    faster, more = best[0].wall / best[1].wall, best[1].cpu / best[0].cpu
    return [first, second, f"{faster:.2f}x", f"{busy:.2f}", f"{more:.2f}"]


def _test_set(console: Console) -> None:
    """A test set of CIFAR-10's size, streamed."""
    piece = np.random.default_rng(0).integers(0, 256, (500, 3, 32, 32), dtype=np.uint8)
    processor = time.process_time()
    report = simulate(vgg_small(), (piece for _ in range(20)), threads=2)
    processor = time.process_time() - processor
    console.print(
        f"{report.images:,} images of 3x32x32 through VGG-Small, simulate() on two threads: "
        f"{report.seconds:.2f} s on the wall, {processor:.2f} s of processor time "
        f"({processor / report.seconds:.2f} of two processors)"
    )


def _cycles(name: str, graph: IntegerGraph, x: np.ndarray, limits: dict[str, int]) -> list[str]:
    executor = PackedExecutor(graph)
    samples = []
    repeats = max(1, (2000 if x.ndim == 2 else 40) // len(x))
    for _ in range(7):
        hertz = clock_hz(2)
        start = time.process_time()
        for _ in range(repeats):
            executor.run(x)
        seconds = (time.process_time() - start) / repeats
        hertz = max(hertz, clock_hz(2))  # the higher one makes the figure smaller
        samples.append((macs(graph) * len(x) / seconds / hertz, hertz))
    rate, hertz = max(samples)
    return [
        name,
        executor.kernel,
        str(len(x)),
        f"{hertz / 1e9:.2f}",
        f"{macs(graph) / 1e6:.1f}",
        f"{rate:.0f}",
        f"{rate / limits[executor.kernel]:.0%}",
        f"{executor.compile_seconds:.2f}",
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=NETWORKS, default=())
    arguments = parser.parse_args()
    main(arguments.rounds, arguments.only)
