"""The packed executor beside other exact ways to run the same networks, in one run.

    python -m hw_tests.benchmarks.bench_packed [--rounds N]

Engines take turns, round by round; figures are medians. Every engine's outputs are first compared with
the reference executor's. Slow engines run a part of a batch of 256; their images a second hardly depend
on the batch beyond that. On one thread the processor time of the process counts, which neighbours on the
machine disturb little; on two it is the time on the wall. (qonnx chooses its threads itself: the
smaller of both times counts.)
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

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
from hw_tests.networks import cnv, mlp, pruned_vgg_small, vgg_small

NETWORKS: dict[str, Callable[[], IntegerGraph]] = {
    "VGG-Small": vgg_small,
    "pruned VGG-Small": pruned_vgg_small,
    "CNV": cnv,
    "TFC": mlp,
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
"""Images that a measurement takes at least."""


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


def measure(
    runs: dict[str, Run], threads: int, batch: int, x: np.ndarray, rounds: int, many: bool
) -> dict[str, float]:
    """Images a second of each engine: medians over rounds in which all take their turn."""
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            images = x[: batch if name == "packed" or many else min(batch, SLOW)]
            repeats = max(1, REPEATS[name] // len(images))
            wall, cpu = time.perf_counter(), time.process_time()
            for _ in range(repeats):
                run(images)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            seconds = min(wall, cpu) if name == "qonnx" else cpu if threads == 1 else wall
            rates[name].append(repeats * len(images) / seconds)
    return {name: median(values) for name, values in rates.items()}


def main(rounds: int = 3) -> None:
    console = Console(width=130)
    limits = {kernel.name: kernel.macs_a_cycle for kernel in KERNELS}
    table = Table(title="images a second, and how many times slower than packed (medians)")
    for column in ("network", "threads", "batch"):
        table.add_column(column)
    header = False
    cycles = Table(title="packed kernel on one thread")
    for column in (
        "network",
        "kernel",
        "batch",
        "clock GHz",
        "MMAC/image",
        "MAC/cycle",
        "of limit",
        "ready in s",
    ):
        cycles.add_column(column, justify="right")
    for name, make in NETWORKS.items():
        graph = make()
        x = np.random.default_rng(0).integers(0, 256, (256, *graph.input.shape), dtype=np.uint8)
        for threads in (1, 2):
            runs = engines(graph, threads)
            check(graph, runs, x[:3])
            if not header:
                for engine in runs:
                    table.add_column(engine, justify="right")
                header = True
            for batch in (1, 256):
                rates = measure(runs, threads, batch, x, rounds, many=x.ndim == 2)
                packed = rates["packed"]
                others = [f"{rate:,.0f} ({packed / rate:.1f}x)" for rate in list(rates.values())[1:]]
                table.add_row(name, str(threads), str(batch), f"{packed:,.0f}", *others)
                if threads == 1:
                    cycles.add_row(*_cycles(name, graph, x[:batch], limits))
    console.print(table)
    console.print(cycles)
    _test_set(console)


def _test_set(console: Console) -> None:
    """A test set of CIFAR-10's size, streamed."""
    piece = np.random.default_rng(0).integers(0, 256, (500, 3, 32, 32), dtype=np.uint8)
    processor = time.process_time()
    report = simulate(vgg_small(), (piece for _ in range(20)), threads=2)
    processor = time.process_time() - processor
    console.print(
        f"{report.images:,} images of 3x32x32 through VGG-Small, simulate() on two threads: "
        f"{report.seconds:.1f} s on the wall, {processor:.1f} s of processor time"
    )


def _cycles(name: str, graph: IntegerGraph, x: np.ndarray, limits: dict[str, int]) -> list[str]:
    executor = PackedExecutor(graph)
    samples = []
    repeats = max(1, 40 // len(x))
    for _ in range(7):
        hertz = clock_hz(2)
        start = time.process_time()
        for _ in range(repeats):
            executor.run(x)
        seconds = (time.process_time() - start) / repeats
        hertz = max(hertz, clock_hz(2))
        samples.append((macs(graph) * len(x) / seconds / hertz, hertz))
    rate, hertz = sorted(samples)[len(samples) // 2]
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
    parser.add_argument("--rounds", type=int, default=3)
    main(parser.parse_args().rounds)
