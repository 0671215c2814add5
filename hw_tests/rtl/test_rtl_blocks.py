"""Every block in Verilator against its Python behaviour: chosen and random parameters, data, backpressure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from etb_hw.dataflow.block import Block
from etb_hw.dataflow.blocks import (
    AddStreams,
    BorderMvau,
    Channelwise,
    Concat,
    DepthToSpace,
    DuplicateStreams,
    Fifo,
    LabelSelect,
    MaxPool,
    Mvau,
    Padding,
    SelectChannels,
    SlidingWindow,
    SumPool,
    Thresholding,
    Upsample,
    WidthConverter,
    WindowPool,
)
from etb_hw.dataflow.stream import Stream
from etb_hw.integer.datatype import BIPOLAR, DataType
from hw_tests.rtl.block_bench import BlockBench, build_bench, random_frames, wrong
from hw_tests.rtl.random_blocks import draws

FRAMES = 6
u, i = DataType.unsigned, DataType.integer
rng = np.random.default_rng(7)


def mvau(
    mh: int,
    mw: int,
    pe: int,
    simd: int,
    w: DataType = BIPOLAR,
    x: DataType = BIPOLAR,
    out: DataType | None = BIPOLAR,
    pixels: tuple[int, ...] = (2, 3),
    style: str = "auto",
) -> Mvau:
    """Random weights; thresholds around the sums, with one never and one always reached."""
    weights = w.min + w.step * rng.integers(0, w.levels, (mh, mw))
    largest = mw * max(-x.min, x.max) * max(-w.min, w.max)
    steps = 0 if out is None else out.levels - 1
    spread = int(largest / mw**0.5) + 2
    thresholds = np.sort(rng.integers(-spread, spread, (mh, steps)), axis=1)
    if steps and mh > 2:
        thresholds[0, -1], thresholds[1] = 10**7, -(10**7)
    return Mvau(
        name="",
        layer="",
        weights=weights,
        weight_dtype=w,
        input_dtype=x,
        output_dtype=out or DataType.smallest(-largest, largest),
        thresholds=thresholds if steps else None,
        pixels=pixels,
        pe=pe,
        simd=simd,
        ram_style=style,
    )


def window(
    size: tuple[int, int], c: int, kernel: tuple[int, int], simd: int, **more: object
) -> SlidingWindow:
    dtype = more.pop("dtype", BIPOLAR)
    return SlidingWindow(  # type: ignore[arg-type]
        name="", layer="", size=size, channels=c, kernel=kernel, simd=simd, dtype=dtype, **more
    )


def thresholding(
    c: int, pe: int, x: DataType, out: DataType, pixels: tuple[int, ...] = (2, 2)
) -> Thresholding:
    values = np.sort(rng.integers(x.min - 3, x.max + 4, (c, out.levels - 1)), axis=1)
    return Thresholding(
        name="", layer="", thresholds=values, input_dtype=x, output_dtype=out, pixels=pixels, pe=pe
    )


def channelwise(func: str, c: int, pe: int, x: DataType, p: DataType) -> Channelwise:
    values = np.array([p.min, p.max, *rng.integers(p.min, p.max + 1, c - 2)])
    ends = np.array([[v * e if func == "mul" else v + e for e in (x.min, x.max)] for v in values])
    return Channelwise(  # type: ignore[arg-type]
        name="",
        layer="",
        func=func,
        parameters=values,
        input_dtype=x,
        output_dtype=DataType.smallest(int(ends.min()), int(ends.max())),
        pixels=(2, 2),
        pe=pe,
    )


def converter(lanes_in: int, lanes_out: int) -> WidthConverter:
    return WidthConverter(
        name="", layer="", shape=(3, 12), dtype=u(2), lanes_in=lanes_in, lanes_out=lanes_out
    )


def max_pool(h: int, w: int, c: int, kernel: tuple[int, int], dtype: DataType, pe: int) -> MaxPool:
    return MaxPool(name="", layer="", size=(h, w), channels=c, kernel=kernel, dtype=dtype, pe=pe)


def sum_pool(dtype: DataType, pe: int) -> SumPool:
    out = DataType.smallest(12 * dtype.min, 12 * dtype.max)
    return SumPool(name="", layer="", size=(3, 4), channels=6, dtype=dtype, output_dtype=out, pe=pe)


def upsample(
    size: tuple[int, int], channels: int, factors: tuple[int, int], simd: int, dtype: DataType = BIPOLAR
) -> Upsample:
    return Upsample(name="", layer="", size=size, channels=channels, factors=factors, simd=simd, dtype=dtype)


def to_space(
    size: tuple[int, int], channels: int, block: int, simd: int, dtype: DataType = BIPOLAR
) -> DepthToSpace:
    return DepthToSpace(name="", layer="", size=size, channels=channels, block=block, simd=simd, dtype=dtype)


def chosen(
    shape: tuple[int, ...], channels: tuple[int, ...], dtype: DataType = BIPOLAR, m: int = 1
) -> SelectChannels:
    return SelectChannels(name="", layer="", shape=shape, chosen=channels, dtype=dtype, m=m)


def bordered(
    size: tuple[int, int],
    channels: int,
    mh: int,
    fold: tuple[int, int],
    *,
    kernel: tuple[int, int] = (3, 3),
    pads: tuple[int, int, int, int] = (1, 1, 1, 1),
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
    w: DataType = BIPOLAR,
    out: DataType | None = BIPOLAR,
) -> BorderMvau:
    """Windows of a padded image; the stream's border holds anything."""
    plain = mvau(mh, channels * kernel[0] * kernel[1], 1, 1, w=w, out=out)
    pixels = tuple(
        (n + pads[i] + pads[i + 2] - d * (k - 1) - 1) // s + 1
        for i, (n, k, s, d) in enumerate(zip(size, kernel, stride, dilation, strict=True))
    )
    given = {
        name: getattr(plain, name) for name in ("weights", "weight_dtype", "input_dtype", "output_dtype")
    }
    return BorderMvau(
        name="", layer="", **given, thresholds=plain.thresholds, pixels=pixels, pe=fold[0], simd=fold[1],
        size=size, kernel=kernel, stride=stride, dilation=dilation, pads=pads,
    )  # fmt: skip


def window_pool(
    size: tuple[int, int], c: int, kernel: tuple[int, int], dtype: DataType, pe: int, m: int = 1
) -> WindowPool:
    return WindowPool(name="", layer="", size=size, channels=c, kernel=kernel, dtype=dtype, pe=pe, m=m)


def join(
    channels: tuple[int, int],
    dtypes: tuple[DataType, DataType],
    simd: int,
    pixels: tuple[int, ...] = (2, 3),
    m: int = 1,
) -> Concat:
    both = dtypes[0]
    if dtypes[0] != dtypes[1]:
        both = DataType.smallest(min(d.min for d in dtypes), max(d.max for d in dtypes))
    return Concat(
        name="", layer="", channels=channels, dtypes=dtypes, output_dtype=both, pixels=pixels, simd=simd, m=m
    )


def padding(c: int, pads: tuple[int, int, int, int], dtype: DataType, simd: int) -> Padding:
    value = dtype.min
    return Padding(name="", layer="", size=(4, 5), channels=c, pads=pads, value=value, dtype=dtype, simd=simd)


def fifo(depth: int, style: str = "auto", pixels: tuple[int, int] = (3, 3)) -> Fifo:
    return Fifo(name="", layer="", stream=Stream((*pixels, 4), u(3), 2), depth=depth, ram_style=style)


MVAUS: list[Block] = [
    mvau(4, 18, 2, 9),
    mvau(6, 40, 3, 40),
    mvau(6, 40, 6, 8),
    mvau(1, 7, 1, 1),
    mvau(5, 93, 1, 31, style="block"),
    mvau(5, 6, 5, 6, pixels=()),
    mvau(3, 200, 3, 200),
    mvau(3, 74, 1, 37, style="distributed"),
    mvau(10, 32, 5, 8, out=None, pixels=()),
    mvau(4, 27, 2, 3, x=u(8)),
    mvau(4, 27, 4, 9, x=i(4)),
    mvau(6, 12, 1, 1, x=u(2), out=u(2)),
    mvau(7, 35, 7, 35, x=u(8), out=None, pixels=()),
    mvau(6, 12, 3, 4, w=i(3), x=u(2), out=i(2)),
    mvau(6, 12, 2, 6, w=i(2)),
    mvau(4, 8, 2, 4, w=u(2), x=i(3), out=None),
    mvau(4, 8, 4, 2, w=DataType.parse("TERNARY"), x=BIPOLAR, out=u(2)),
]
BORDERS: list[Block] = [
    bordered((4, 5), 6, 4, (2, 3)),
    bordered((4, 4), 4, 6, (3, 4), stride=(2, 2)),
    bordered((5, 4), 2, 3, (1, 1), pads=(0, 2, 1, 0), out=None),
    bordered((3, 3), 20, 4, (4, 20), kernel=(1, 3), pads=(0, 1, 0, 1), out=u(2)),
    bordered((6, 5), 10, 2, (1, 5), dilation=(2, 1), pads=(2, 1, 2, 1)),
    bordered((4, 3), 3, 4, (2, 3), w=i(2)),
    bordered((4, 3), 3, 4, (2, 1), w=DataType.parse("TERNARY"), out=None),
    bordered((2, 2), 2, 2, (2, 2), kernel=(1, 1), out=u(2)),
    # whole windows
    bordered((4, 5), 3, 4, (4, 27)),
    bordered((5, 4), 2, 6, (3, 18), pads=(0, 2, 1, 0), out=u(2)),
    bordered((6, 6), 2, 6, (2, 50), kernel=(5, 5), pads=(2, 2, 2, 2), stride=(2, 1), out=None),
    bordered((6, 5), 2, 4, (1, 18), dilation=(2, 1), pads=(2, 1, 2, 1), w=i(2)),
    bordered((2, 2), 3, 2, (2, 27), w=DataType.parse("TERNARY"), out=None),
]
WINDOWS: list[Block] = [
    window((6, 7), 4, (3, 3), 2),
    window((6, 7), 5, (3, 3), 5, dtype=u(8)),
    window((7, 7), 4, (3, 3), 1, stride=(2, 2)),
    window((6, 5), 4, (1, 1), 2, stride=(2, 2)),
    window((9, 8), 4, (3, 2), 2, dtype=i(3), dilation=(2, 3), stride=(1, 2), ram_style="block"),
    window((7, 8), 6, (2, 3), 2, depthwise=True),
    window((1, 9), 2, (1, 3), 1, dtype=u(2)),
    window((9, 9), 2, (2, 2), 1, dtype=u(2), stride=(3, 3)),
    window((7, 7), 1, (5, 5), 1, dtype=u(8)),
    window((6, 7), 4, (3, 3), 4, parallel_window=1),
    window(
        (9, 8), 3, (3, 2), 3, dtype=i(3), dilation=(2, 3), stride=(1, 2), parallel_window=1, ram_style="block"
    ),
    window((9, 9), 2, (2, 2), 2, dtype=u(2), stride=(3, 3), parallel_window=1),
    window((5, 2), 2, (4, 1), 2, stride=(1, 1), parallel_window=1),
    window((8, 8), 1, (1, 1 + 2), 1, stride=(3, 2), parallel_window=1),
    window((1, 9), 2, (1, 3), 2, dtype=u(2), parallel_window=1),
]
# several pixels a cycle
PIXELS: list[Block] = [
    window((5, 8), 3, (3, 3), 3, parallel_window=1, m=2),
    window((7, 8), 2, (5, 5), 2, dtype=u(2), parallel_window=1, m=4),
    window((6, 12), 2, (3, 5), 2, dtype=u(2), stride=(3, 1), dilation=(2, 2), parallel_window=1, m=4),
    window((7, 8), 2, (3, 3), 2, stride=(2, 2), parallel_window=1, m=2, ram_style="block"),
    window((5, 12), 2, (2, 2), 2, stride=(1, 2), parallel_window=1, m=4, ram_style="block"),
    window((4, 9), 2, (1, 4), 2, dtype=i(3), parallel_window=1, m=3),
    window((1, 12), 2, (1, 1 + 2), 2, dtype=u(2), parallel_window=1, m=2),
    window((5, 8), 3, (1, 1), 3, dtype=i(3), stride=(2, 2), m=4),
    window((4, 6), 2, (1, 1), 2, stride=(1, 3), m=3),
    replace(mvau(6, 18, 6, 18, pixels=(2, 6)), m=3),
    replace(mvau(5, 20, 5, 20, out=None, pixels=(3, 2)), m=2),
    replace(mvau(4, 27, 4, 27, x=u(8), pixels=(2, 4)), m=2),
    replace(mvau(6, 12, 6, 12, x=u(2), out=u(2), pixels=(3, 4), style="block"), m=4),
    replace(mvau(3, 8, 3, 8, w=i(3), x=u(2), out=i(2), pixels=(2, 4)), m=2, register=True),
    replace(bordered((4, 8), 3, 4, (4, 27)), m=4),
    replace(bordered((3, 6), 2, 3, (3, 18), out=None), m=3),
    replace(bordered((6, 6), 2, 4, (4, 18), stride=(2, 1), w=i(2), out=u(2)), m=2),
    replace(bordered((2, 4), 2, 2, (2, 50), kernel=(5, 5), pads=(2, 2, 2, 2)), m=4, register=True),
    replace(max_pool(4, 8, 3, (2, 2), BIPOLAR, 3), m=2),
    replace(max_pool(4, 8, 3, (2, 2), i(4), 3), m=4),
    replace(max_pool(6, 8, 2, (3, 4), u(2), 2), m=2),
    replace(max_pool(3, 4, 2, (3, 1), i(3), 2), m=4),
    *(
        Padding(
            name="", layer="", size=(3, 8), channels=2, pads=tuple(pads), value=1, dtype=u(2), simd=2, m=m
        )
        for *pads, m in ((1, 1, 1, 1, 2), (0, 2, 2, 2, 4), (2, 3, 0, 5, 4), (1, 5, 0, 3, 8), (1, 2, 1, 0, 2))
    ),
    replace(thresholding(3, 3, i(7), BIPOLAR, (2, 4)), m=2),
    replace(thresholding(2, 2, u(4), u(2), (3, 6)), m=3),
    AddStreams(name="", layer="", shape=(2, 6, 3), dtypes=(BIPOLAR, i(4)), output_dtype=i(5), pe=3, m=2),
    DuplicateStreams(name="", layer="", shape=(2, 6, 2), dtype=i(3), copies=3, pe=2, m=3),
    chosen((2, 6, 4), (3, 0, 1), u(2), m=3),
    chosen((3, 4, 2), (1, 0, 1), m=4),
    window((5, 8), 3, (3, 3), 3, depthwise=True, parallel_window=1, m=2),
    window((7, 6), 2, (3, 3), 2, dtype=u(2), stride=(2, 2), depthwise=True, parallel_window=1),
    window_pool((3, 2), 6, (3, 2), i(4), 36),
    window_pool((2, 4), 4, (3, 3), BIPOLAR, 36, m=2),
    window_pool((3, 6), 2, (2, 3), u(3), 12, m=3),
    window_pool((3, 4), 3, (1, 1), i(2), 3, m=4),
    join((4, 2), (BIPOLAR, BIPOLAR), 6),
    join((3, 5), (u(2), i(4)), 8, (2, 4), m=2),
    join((2, 1), (i(3), i(3)), 3, (2, 6), m=3),
    join((7, 3), (i(5), u(4)), 10, ()),
    replace(channelwise("add", 4, 4, i(6), i(5)), pixels=(2, 6), m=2),
    replace(channelwise("mul", 3, 3, BIPOLAR, u(5)), pixels=(3, 4), m=4),
    *(
        WidthConverter(name="", layer="", shape=(2, 6, 4), dtype=u(2), lanes_in=a, lanes_out=b)
        for a, b in ((8, 2), (4, 8), (8, 12))
    ),
]
OTHERS: list[Block] = [
    padding(6, (1, 2, 0, 1), BIPOLAR, 3),
    padding(3, (0, 0, 2, 0), u(8), 1),
    max_pool(4, 6, 6, (2, 2), BIPOLAR, 2),
    max_pool(6, 6, 3, (3, 2), i(4), 3),
    max_pool(4, 4, 1, (4, 4), u(4), 1),
    window_pool((3, 2), 6, (3, 2), i(4), 2),
    window_pool((2, 2), 4, (3, 3), BIPOLAR, 4),
    thresholding(6, 2, i(7), BIPOLAR),
    thresholding(6, 6, u(4), u(2)),
    thresholding(5, 1, i(9), i(3)),
    thresholding(4, 2, BIPOLAR, BIPOLAR),
    thresholding(3, 1, BIPOLAR, u(1), ()),
    *(converter(a, b) for a, b in ((2, 6), (6, 2), (4, 6), (6, 4), (1, 12), (12, 1), (3, 3))),
    *(LabelSelect(name="", layer="", labels=10, dtype=i(6), pe=pe) for pe in (1, 5, 10)),
    AddStreams(name="", layer="", shape=(2, 2, 6), dtypes=(BIPOLAR, i(4)), output_dtype=i(5), pe=2),
    AddStreams(name="", layer="", shape=(6,), dtypes=(u(3), u(3)), output_dtype=u(4), pe=6),
    join((4, 2), (BIPOLAR, BIPOLAR), 2),
    join((2, 6), (u(2), i(4)), 1),
    join((3, 9), (i(3), i(3)), 3),
    *(DuplicateStreams(name="", layer="", shape=(2, 2, 6), dtype=i(3), copies=n, pe=3) for n in (2, 3)),
    channelwise("add", 6, 2, i(6), i(5)),
    channelwise("mul", 6, 3, i(6), i(3)),
    channelwise("mul", 4, 4, u(6), u(3)),
    channelwise("add", 6, 1, BIPOLAR, i(5)),
    *(replace(channelwise("mul", 6, 2, x, u(5)), parameters=np.full(6, 8)) for x in (u(4), i(3), BIPOLAR)),
    channelwise("mul", 6, 1, BIPOLAR, u(5)),
    *(sum_pool(dtype, pe) for dtype, pe in ((BIPOLAR, 2), (i(4), 6), (u(3), 1))),
    upsample((3, 4), 6, (2, 2), 2),
    upsample((2, 3), 4, (3, 2), 4, i(3)),
    upsample((3, 2), 6, (1, 3), 3, u(2)),
    upsample((3, 1), 5, (2, 1), 1, u(2)),
    upsample((1, 1), 2, (2, 3), 2),
    to_space((3, 4), 6, 2, 2),
    to_space((2, 3), 2, 3, 1, i(3)),
    to_space((3, 1), 4, 2, 4, u(2)),
    to_space((1, 5), 3, 2, 3),
    chosen((2, 3, 6), (5, 0, 3)),
    chosen((2, 2, 3), (2, 1, 0, 1), i(3)),
    chosen((7,), (4,), u(2)),
    fifo(2),
    fifo(3),
    fifo(17, "distributed"),
    fifo(40, "block"),
]


# deep enough for weights in three banks of block RAM
DEEP = mvau(220, 180, 1, 36, pixels=(), style="block")
# buffers in parts, the last one of a word, and in block RAM; FIFOs and pools likewise, read ahead of time
BUFFERS: list[Block] = [
    max_pool(4, 26, 10, (2, 2), u(2), 2),
    max_pool(3, 99, 2, (3, 3), BIPOLAR, 1),
    max_pool(2, 33, 6, (2, 1), i(3), 2),
    window((6, 9), 8, (3, 3), 2),
    window((5, 31), 2, (3, 3), 1, dtype=u(3), stride=(1, 2)),
    window((6, 7), 4, (3, 3), 2, stride=(2, 1), ram_style="block"),
    fifo(66, "distributed", (9, 9)),
    fifo(67, "distributed", (9, 9)),
    fifo(140, "distributed", (9, 9)),
    fifo(40, "block"),
]
# trees of comparisons: none, one with a branch that is short by two levels, whole ones
LABELS = [
    LabelSelect(name="", layer="", labels=labels, dtype=dtype, pe=pe)
    for labels, pe, dtype in ((10, 1, i(6)), (10, 5, u(6)), (10, 10, i(6)), (8, 2, i(3)), (16, 8, i(4)))
]
REGISTERED = [
    block.registered() for block in (*MVAUS[::2], *BORDERS[::2], BORDERS[3], DEEP, *BUFFERS, *LABELS)
]
RANDOM = draws(seed=1, each=1, most_cycles=1500)


@pytest.fixture(scope="module")
def bench(simulator_cache: Path) -> BlockBench:
    return build_bench(
        [*MVAUS, *BORDERS, *REGISTERED, *WINDOWS, *PIXELS, *OTHERS, *RANDOM, OTHERS[-1]],
        cache_dir=simulator_cache,
    )


def check(bench: BlockBench, seed: int, stalls: float, reset_at: int | None = None) -> None:
    data = np.random.default_rng(seed)
    frames = [random_frames(block, FRAMES, data) for block in bench.blocks]
    runs = bench.run(frames, stalls=stalls, seed=seed, reset_at=reset_at)
    differences = {
        f"{k} {type(bench.blocks[k]).__name__}": what for k, what in wrong(runs, bench, frames).items()
    }
    assert not differences


@pytest.mark.parametrize("stalls", [0.0, 0.1, 0.5, 0.9])
def test_blocks_compute_what_python_says(bench: BlockBench, stalls: float) -> None:
    for seed in range(3):
        check(bench, seed, stalls)


@pytest.mark.parametrize("reset_at", [1, 40, 333])
def test_reset_in_mid_stream_leaves_no_trace(bench: BlockBench, reset_at: int) -> None:
    check(bench, reset_at, 0.3, reset_at)


def test_measured_intervals_are_the_estimates(bench: BlockBench) -> None:
    data = np.random.default_rng(0)
    runs = bench.run([random_frames(block, FRAMES, data) for block in bench.blocks])
    for number, (block, run) in enumerate(zip(bench.blocks, runs, strict=True)):
        where = f"{number} {type(block).__name__}"
        assert run.ii is not None
        assert run.ii == block.cycles, where


def test_the_popcount_that_is_synthesised_agrees(simulator_cache: Path) -> None:
    """The other tests run the simulator's own population count."""
    binary = [block for block in (*MVAUS, *BORDERS, *REGISTERED) if isinstance(block, Mvau) and block.xnor]
    check(build_bench(binary, cache_dir=simulator_cache, defines=()), 11, 0.2)


def test_a_wrong_constant_is_found(bench: BlockBench) -> None:
    """The comparison itself: inputs that differ from what was sent must show."""
    data = np.random.default_rng(3)
    frames = [random_frames(block, FRAMES, data) for block in bench.blocks]
    runs = bench.run(frames)
    frames[-1][0][0] = (frames[-1][0][0] + 1) % 8
    assert list(wrong(runs, bench, frames)) == [len(bench.blocks) - 1]
