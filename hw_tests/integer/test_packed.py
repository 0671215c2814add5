"""The packed executor equals the reference bit for bit: logits and every intermediate tensor."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from etb_hw.errors import BadInput
from etb_hw.integer import (
    BIPOLAR,
    Add,
    ChannelAffine,
    Conv,
    DataType,
    Dense,
    Input,
    IntegerGraph,
    Node,
    Threshold,
)
from etb_hw.integer.packed import PackedExecutor, host_features
from etb_hw.integer.packed.kernel import KERNELS, Choice, Kernel
from etb_hw.integer.reference import execute
from hw_tests.integer.random_graphs import integers, random_batch, random_graph
from hw_tests.networks import cnv, mlp, pruned_vgg_small, resnet18, vgg_small


def _where_it_runs(kernel: Kernel) -> Any:
    lacking = sorted(set(kernel.features) - host_features())
    reason = f"this CPU, or what numba may use of it, lacks {', '.join(lacking)}"
    return pytest.param(kernel.name, marks=pytest.mark.skipif(bool(lacking), reason=reason))


EVERY_KERNEL = pytest.mark.parametrize("kernel", [_where_it_runs(kernel) for kernel in KERNELS])


@EVERY_KERNEL
@pytest.mark.parametrize("block", range(4))
def test_random_graphs_equal_the_reference(kernel: Choice, block: int) -> None:
    for seed in range(block * 60, block * 60 + 60):
        graph = random_graph(seed)
        x = random_batch(graph, 1 + seed % 3)
        expected: dict[str, np.ndarray] = {}
        logits = execute(graph, x, expected.__setitem__)
        executor = PackedExecutor(graph, kernel=kernel)
        np.testing.assert_array_equal(executor.run(x), logits, err_msg=f"seed {seed}")
        if seed % 2:
            continue
        traced: dict[str, np.ndarray] = {}
        executor.run(x, traced.__setitem__)
        assert list(traced) == list(expected)
        for name, tensor in expected.items():
            np.testing.assert_array_equal(traced[name], tensor, err_msg=f"seed {seed}, {name}")


@pytest.mark.slow
@EVERY_KERNEL
def test_many_random_graphs_equal_the_reference(kernel: Choice) -> None:
    for seed in range(1000, 3000):
        graph = random_graph(seed)
        x = random_batch(graph, 1 + seed % 3)
        got = PackedExecutor(graph, kernel=kernel).run(x)
        np.testing.assert_array_equal(got, execute(graph, x), err_msg=f"seed {seed}")


@EVERY_KERNEL
@pytest.mark.parametrize(
    "graph",
    [
        mlp(),
        vgg_small((32, 41, 70, 71, 130, 200), size=16),
        resnet18((16, 21, 40, 70), size=16),
        cnv(),
    ],
    ids=["tfc", "vgg", "resnet", "cnv"],
)
def test_networks_equal_the_reference(kernel: Choice, graph: IntegerGraph) -> None:
    x = random_batch(graph, 3).astype(np.uint8)
    got = PackedExecutor(graph, kernel=kernel).run(x)
    np.testing.assert_array_equal(got, execute(graph, x))


@EVERY_KERNEL
@pytest.mark.parametrize("channels", [1, 3, 7, 8, 9, 63, 64, 65, 127, 129, 191])
def test_every_channel_count(channels: int, kernel: Choice) -> None:
    rng = np.random.default_rng(channels)
    for outputs in (1, channels, 130 - channels % 3):
        weights = integers(rng, BIPOLAR, (outputs, channels, 3, 3))
        graph = IntegerGraph(
            (
                Input(name="x", shape=(channels, 5, 4), dtype=BIPOLAR),
                Conv(
                    name="conv",
                    inputs=("x",),
                    weights=weights,
                    weight_dtype=BIPOLAR,
                    pads=(1, 1, 1, 1),
                    pad_value=-1,
                ),
                Threshold(
                    name="act",
                    inputs=("conv",),
                    thresholds=rng.integers(-3, 4, size=(outputs, 1)),
                    dtype=BIPOLAR,
                ),
                Conv(
                    name="out",
                    inputs=("act",),
                    weights=integers(rng, BIPOLAR, (3, outputs, 1, 1)),
                    weight_dtype=BIPOLAR,
                ),
            ),
            "out",
        )
        x = random_batch(graph, 2)
        np.testing.assert_array_equal(PackedExecutor(graph, kernel=kernel).run(x), execute(graph, x))


@EVERY_KERNEL
@pytest.mark.parametrize("value", [-1, 1])
@pytest.mark.parametrize("inputs", [255, 256, 1200, 4096, 65_534, 65_535, 70_000])
def test_counts_at_the_edge_of_a_counter(inputs: int, value: int, kernel: Choice) -> None:
    """All inputs mismatch, or none does; thresholds just reached and just not reached."""
    weights = np.full((4, inputs), -1, dtype=np.int8)
    graph = IntegerGraph(
        (
            Input(name="x", shape=(inputs,), dtype=BIPOLAR),
            Dense(name="fc", inputs=("x",), weights=weights, weight_dtype=BIPOLAR),
            Threshold(
                name="act",
                inputs=("fc",),
                thresholds=np.array([[inputs], [inputs + 1], [-inputs], [1 - inputs]]),
                dtype=BIPOLAR,
            ),
        ),
        "act",
    )
    x = np.full((1, inputs), value)
    got = PackedExecutor(graph, kernel=kernel).run(x)
    np.testing.assert_array_equal(got, execute(graph, x))


@EVERY_KERNEL
def test_windows_of_every_length(kernel: Choice) -> None:
    """Words that meet in threes, the rest of one or two, tiles of all sizes, outputs that fill no vector."""
    rng = np.random.default_rng(0)
    for words in range(1, 11):
        inputs, outputs = words * 64 - int(rng.integers(64)), int(rng.integers(1, 80))
        graph = IntegerGraph(
            (
                Input(name="x", shape=(inputs,), dtype=BIPOLAR),
                Dense(
                    name="fc",
                    inputs=("x",),
                    weights=integers(rng, BIPOLAR, (outputs, inputs)),
                    weight_dtype=BIPOLAR,
                ),
            ),
            "fc",
        )
        x = random_batch(graph, words)
        np.testing.assert_array_equal(PackedExecutor(graph, kernel=kernel).run(x), execute(graph, x))


@EVERY_KERNEL
def test_borders_of_several_convolutions(kernel: Choice) -> None:
    """One tensor, read by convolutions with borders of other widths and values; their sums are added."""
    rng = np.random.default_rng(0)
    nodes: list[Node] = [
        Input(name="x", shape=(9, 6, 5), dtype=DataType.unsigned(8)),
        Threshold(name="act", inputs=("x",), thresholds=rng.integers(100, 156, size=(9, 1)), dtype=BIPOLAR),
    ]
    total = ""
    for i, (pads, value) in enumerate(
        [((1,) * 4, -1), ((1,) * 4, 1), ((2, 0, 0, 2), -1), ((0, 1, 2, 1), -1)]
    ):
        nodes.append(
            Conv(
                name=f"conv{i}",
                inputs=("act",),
                weights=integers(rng, BIPOLAR, (70, 9, 3, 3)),
                weight_dtype=BIPOLAR,
                pads=pads,
                pad_value=value,
            )
        )
        if total:
            nodes.append(Add(name=f"add{i}", inputs=(total, f"conv{i}")))
        total = nodes[-1].name
    graph = IntegerGraph(tuple(nodes), total)
    x = random_batch(graph, 3)
    np.testing.assert_array_equal(PackedExecutor(graph, kernel=kernel).run(x), execute(graph, x))


def test_a_node_may_have_the_name_that_a_tensor_got() -> None:
    """The packed forms of a tensor are named after it: ``x:ints``."""
    rng = np.random.default_rng(0)
    ints = ChannelAffine(name="x:ints", inputs=("x",), mul=np.array([3]), add=np.array([1]))
    graph = IntegerGraph(
        (
            Input(name="x", shape=(1, 2, 2), dtype=DataType.unsigned(8)),
            ints,
            Add(name="sum", inputs=("x", "x:ints")),
        ),
        "sum",
    )
    x = rng.integers(0, 256, size=(2, 1, 2, 2))
    np.testing.assert_array_equal(PackedExecutor(graph).run(x), 4 * x + 1)


@EVERY_KERNEL
def test_extreme_bytes_do_not_saturate(kernel: Choice) -> None:
    """255 * 64 twice is the largest sum that sixteen bits hold; larger weights take another way."""
    for largest in (1, 63, 64, 65, 127, -128):
        weights = np.full((3, 600), largest, dtype=np.int8)
        weights[1] *= -1 if largest != -128 else 1
        graph = IntegerGraph(
            (
                Input(name="x", shape=(600,), dtype=DataType.unsigned(8)),
                Dense(name="fc", inputs=("x",), weights=weights, weight_dtype=DataType.integer(8)),
            ),
            "fc",
        )
        x = np.stack([np.full(600, 255), np.arange(600) % 256]).astype(np.uint8)
        got = PackedExecutor(graph, kernel=kernel).run(x)
        np.testing.assert_array_equal(got, execute(graph, x))


@pytest.mark.parametrize("batch", [0, 1, 2, 15, 16, 17, 50])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_batches_and_threads(batch: int, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etb_hw.integer.packed.executor.MACS_A_THREAD", 1)  # a small net counts as work
    graph = vgg_small((16, 20, 33, 35, 40, 50), size=8)
    executor = PackedExecutor(graph, threads=threads)
    x = random_batch(graph, batch).astype(np.uint8)
    expected = execute(graph, x) if batch else np.empty((0, 10))
    for _ in range(2):
        np.testing.assert_array_equal(executor.run(x), expected)


def test_one_executor_serves_batches_of_changing_size() -> None:
    graph = vgg_small((16, 20, 33, 35, 40, 50), size=8)
    executor = PackedExecutor(graph)
    x = random_batch(graph, 20).astype(np.uint8)
    expected = execute(graph, x)
    for size in (20, 3, 17, 1, 5, 20, 2, 3):
        np.testing.assert_array_equal(executor.run(x[:size]), expected[:size])


def test_inputs_are_checked() -> None:
    graph = mlp(20, (8,))
    executor = PackedExecutor(graph)
    with pytest.raises(BadInput, match="shape"):
        executor.run(np.zeros((2, 21), dtype=np.uint8))
    with pytest.raises(BadInput, match="integers"):
        executor.run(np.zeros((2, 20), dtype=np.float32))
    with pytest.raises(BadInput, match="range"):
        executor.run(np.full((2, 20), 256))


def test_a_kernel_that_this_cpu_lacks_is_refused() -> None:
    with pytest.raises(BadInput, match="cannot run on this CPU"):
        PackedExecutor(mlp(20, (8,)), kernel="sse9")  # type: ignore[arg-type]


def test_numba_told_to_avoid_vector_extensions_is_obeyed() -> None:
    """Emitting AVX2 then would abort the process."""
    code = "from etb_hw.integer.packed.kernel import choose; print(*[k.name for k in choose()])"
    for narrow in ({"NUMBA_CPU_FEATURES": "", "NUMBA_CPU_NAME": "generic"}, {"NUMBA_ENABLE_AVX": "0"}):
        done = subprocess.run(
            [sys.executable, "-c", code], env=narrow, capture_output=True, text=True, check=True
        )
        assert done.stdout.split() == ["generic", "plain"]


@pytest.mark.slow
@pytest.mark.parametrize("graph", [vgg_small(), pruned_vgg_small()], ids=["vgg", "pruned"])
@EVERY_KERNEL
def test_full_size_networks_equal_the_reference(graph: IntegerGraph, kernel: Choice) -> None:
    x = random_batch(graph, 4).astype(np.uint8)
    np.testing.assert_array_equal(PackedExecutor(graph, kernel=kernel).run(x), execute(graph, x))


def test_threads_of_the_caller_may_share_an_executor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etb_hw.integer.packed.executor.MACS_A_THREAD", 1)
    graph = vgg_small((16, 20, 33, 35, 40, 50), size=8)
    executor = PackedExecutor(graph, threads=2)
    batches = [random_batch(graph, 5 + seed, seed).astype(np.uint8) for seed in range(12)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(executor.run, batches))
    for x, result in zip(batches, results, strict=True):
        np.testing.assert_array_equal(result, execute(graph, x))
