"""Whole networks in Verilator: bits, timing, resets, stalls, and where a planted difference is found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from etb_hw.config import BuildConfig
from etb_hw.dataflow import DataflowGraph, Effort, Target, fold, lower
from etb_hw.dataflow.blocks import (
    AddStreams,
    Concat,
    DuplicateStreams,
    LabelSelect,
    Mvau,
    SlidingWindow,
    WindowPool,
)
from etb_hw.dataflow.calibrated import load_calibration
from etb_hw.dataflow.design import design as built
from etb_hw.dataflow.finn.onnx_reader import from_onnx
from etb_hw.dataflow.finn.onnx_writer import to_onnx
from etb_hw.dataflow.simulation import FifoSizing, simulate_streams, size_fifos
from etb_hw.errors import BadInput
from etb_hw.integer import IntegerGraph
from etb_hw.integer.datatype import DataType
from etb_hw.integer.reference import execute
from etb_hw.rtl import RtlRun, first_difference, simulate
from etb_hw.rtl.verilator import SimulationError
from hw_tests.networks import (
    POOL,
    cnv,
    conv_net,
    dense_net,
    depthwise_net,
    mlp,
    pruned_vgg_small,
    resnet18,
    vgg_small,
)

Case = tuple[DataflowGraph, NDArray[np.int64], NDArray[np.int64]]


def case_of(network: IntegerGraph, cycles: int, frames: int = 5) -> Case:
    """A folded design with sized FIFOs, frames (N, H, W, C), and what the reference executor says."""
    design = size_fifos(fold(lower(network), Target(cycles=cycles), Effort(time_limit_s=3)).graph).graph
    x = np.random.default_rng(5).integers(0, 256, (frames, *network.input.shape))
    expected = execute(network, x)
    hardware = np.moveaxis(x, 1, -1) if x.ndim == 4 else x
    return design, hardware, expected.reshape(frames, -1)


@pytest.fixture(scope="module")
def odd() -> Case:
    """A pruned conv net: prime channel counts, pools, two dense layers."""
    return case_of(conv_net([7, 9, POOL, 11], [13], (3, 8, 8)), 1500)


@pytest.fixture(scope="module")
def residual() -> Case:
    return case_of(resnet18((5, 6), size=8, blocks=1), 1500)


def test_odd_channels_full_speed(odd: Case, simulator_cache: Path) -> None:
    design, frames, expected = odd
    run = simulate(design, frames, cache_dir=simulator_cache)
    np.testing.assert_array_equal(run.outputs.reshape(expected.shape), expected)
    report = size_fifos(design).report
    assert run.ii is not None
    assert run.ii == report.interval
    assert run.ii <= design.bottleneck.cycles
    assert run.latency == report.latency


@pytest.mark.parametrize("stalls", [0.1, 0.6])
def test_stalls_change_no_bit(odd: Case, simulator_cache: Path, stalls: float) -> None:
    design, frames, expected = odd
    run = simulate(design, frames, stalls=stalls, seed=3, cache_dir=simulator_cache)
    np.testing.assert_array_equal(run.outputs.reshape(expected.shape), expected)


@pytest.mark.parametrize("reset_at", [2, 1000, 4321])
def test_reset_in_mid_stream(odd: Case, simulator_cache: Path, reset_at: int) -> None:
    design, frames, expected = odd
    run = simulate(design, frames, stalls=0.2, reset_at=reset_at, cache_dir=simulator_cache)
    np.testing.assert_array_equal(run.outputs.reshape(expected.shape), expected)


def test_weights_are_data(odd: Case, simulator_cache: Path) -> None:
    """Other weights of the same shapes run on the same simulator and give other, right results."""
    design, frames, expected = odd
    builds = len(list((simulator_cache / "verilator").iterdir()))
    blocks = tuple(replace(b, weights=-b.weights) if isinstance(b, Mvau) else b for b in design.blocks)
    other = replace(design, blocks=blocks)
    run = simulate(other, frames, cache_dir=simulator_cache)
    np.testing.assert_array_equal(
        run.outputs.reshape(expected.shape), other.execute(frames).reshape(expected.shape)
    )
    assert (run.outputs.reshape(expected.shape) != expected).any()
    assert len(list((simulator_cache / "verilator").iterdir())) == builds


def test_residual_network(residual: Case, simulator_cache: Path) -> None:
    """Integer shortcuts, a stride, a global pool; traced, so every stream is compared as well."""
    design, frames, expected = residual
    run = simulate(design, frames, stalls=0.1, trace=True, cache_dir=simulator_cache)
    np.testing.assert_array_equal(run.outputs.reshape(expected.shape), expected)
    assert first_difference(design, frames, run.traces) is None


def test_joined_channels(simulator_cache: Path) -> None:
    """Every layer reads all tensors before it, of two types: bits, cycles, and FIFOs of the branches."""
    design, frames, expected = case_of(dense_net(few_bits=True), 600)
    assert sum(isinstance(block, Concat) for block in design.blocks) == 3
    run = simulate(design, frames, trace=True, cache_dir=simulator_cache)
    np.testing.assert_array_equal(run.outputs.reshape(expected.shape), expected)
    assert first_difference(design, frames, run.traces) is None
    assert run.ii == size_fifos(design).report.interval == design.bottleneck.cycles


def test_registers_behind_memories(simulator_cache: Path) -> None:
    """They cost a cycle a layer and flip-flops, change no bit and no interval, and outlive the file."""
    network = conv_net([6, POOL], [8], (3, 6, 6))
    plain, made = (
        built(network, BuildConfig(target_fps=400_000, memory_registers=on)).graph for on in (False, True)
    )
    assert [block.fold for block in made.blocks] == [block.fold for block in plain.blocks]
    model = load_calibration("xc7")
    added = made.cost(model).ff - plain.cost(model).ff
    assert added == pytest.approx(
        sum(block.registers for block in (*made.blocks, *made.fifos.values())), rel=0.05
    )
    made = from_onnx(to_onnx(made))
    frames = np.random.default_rng(5).integers(0, 256, (5, 6, 6, 3))
    run, before = (simulate(graph, frames, trace=True, cache_dir=simulator_cache) for graph in (made, plain))
    np.testing.assert_array_equal(run.outputs, plain.execute(frames))
    assert first_difference(made, frames, run.traces) is None
    assert run.ii == before.ii == plain.bottleneck.cycles
    assert run.latency == size_fifos(made).report.latency == before.latency + 3


@pytest.mark.parametrize("pe", [1, 5, 10])
def test_registers_between_comparisons(simulator_cache: Path, pe: int) -> None:
    """A cycle later for each level of the tree: the same labels and interval; they outlive the file."""
    block = LabelSelect(name="LabelSelect_hls_0", layer="l", labels=10, dtype=DataType.parse("INT9"), pe=pe)
    plain, made = DataflowGraph((block,), ()), DataflowGraph((block.registered(),), ())
    made = from_onnx(to_onnx(made))
    frames = np.random.default_rng(pe).integers(-9, 9, (7, 10))
    run, before = (simulate(graph, frames, cache_dir=simulator_cache) for graph in (made, plain))
    np.testing.assert_array_equal(run.outputs.reshape(-1), frames.argmax(axis=1))
    assert run.ii == before.ii == 10 // pe
    levels = (pe - 1).bit_length()
    assert run.latency == size_fifos(made).report.latency == before.latency + levels
    assert (made.blocks[0].registers > 0) == (levels > 0)


def test_registers_behind_deep_buffers(simulator_cache: Path) -> None:
    """Windows from block RAM come a cycle later; what FIFOs read ahead of time comes when it came."""
    network = conv_net([6, POOL], [8], (3, 12, 12))
    plain, made = (
        built(network, BuildConfig(target_fps=50_000, memory_registers=on)).graph for on in (False, True)
    )
    plain, made = (
        replace(
            graph,
            blocks=tuple(
                replace(block, ram_style="block") if isinstance(block, SlidingWindow) else block
                for block in graph.blocks
            ),
            edges=tuple(replace(edge, depth=70) for edge in graph.edges),
        )
        for graph in (plain, made)
    )
    made = from_onnx(to_onnx(made))
    assert all(fifo.reads_ahead for fifo in made.fifos.values())
    frames = np.random.default_rng(5).integers(0, 256, (5, 12, 12, 3))
    run, before = (simulate(graph, frames, trace=True, cache_dir=simulator_cache) for graph in (made, plain))
    np.testing.assert_array_equal(run.outputs, plain.execute(frames))
    assert first_difference(made, frames, run.traces) is None
    assert run.ii == before.ii == plain.bottleneck.cycles
    assert run.latency == simulate_streams(made).latency
    assert before.latency == simulate_streams(plain).latency < run.latency


@pytest.mark.parametrize("reset_at", [3, 777])
def test_residual_network_after_a_reset(residual: Case, simulator_cache: Path, reset_at: int) -> None:
    """Both branches of every join start anew, whatever was in their FIFOs."""
    design, frames, expected = residual
    run = simulate(
        design, frames, stalls=0.2, seed=4, reset_at=reset_at, trace=True, cache_dir=simulator_cache
    )
    np.testing.assert_array_equal(run.outputs.reshape(expected.shape), expected)


def test_the_first_block_that_errs_is_named(residual: Case, simulator_cache: Path) -> None:
    """One flipped weight in the RTL: that block, frame, beat and lane, with both values."""
    design, frames, _ = residual
    victim = [block for block in design.blocks if isinstance(block, Mvau)][2]
    weights = victim.weights.copy()
    weights[3, 1] *= -1
    broken = replace(
        design, blocks=tuple(replace(b, weights=weights) if b is victim else b for b in design.blocks)
    )
    run = simulate(broken, frames, stalls=0.1, trace=True, cache_dir=simulator_cache)
    found = first_difference(design, frames, run.traces)
    assert found is not None
    assert found.block == victim.name
    assert found.layer == victim.layer
    assert found.lane + victim.pe * (found.beat % (victim.mh // victim.pe)) == 3
    assert found.got != found.expected
    assert victim.name in str(found)


def test_a_branch_without_room_is_reported(residual: Case, simulator_cache: Path) -> None:
    design, frames, _ = residual
    join = next(block for block in design.blocks if isinstance(block, AddStreams))
    small = replace(design, edges=tuple(replace(e, depth=2) for e in design.edges))
    with pytest.raises(SimulationError, match="no beat moved"):
        simulate(small, frames, cache_dir=simulator_cache)
    assert join.name


def test_wrong_frames_are_refused(odd: Case) -> None:
    with pytest.raises(BadInput, match="have shape"):
        simulate(odd[0], np.zeros((1, 3, 8, 8), dtype=np.int64))


def _at_full_speed(
    network: IntegerGraph, cycles: int, cache: Path, frames: int = 5, goal: int = 0
) -> DataflowGraph:
    """The bits, and that many cycles a frame where ``goal``, or the same, was asked for."""
    design, images, expected = case_of(network, goal or cycles, frames)
    run = simulate(design, images, cache_dir=cache)
    np.testing.assert_array_equal(run.outputs.reshape(expected.shape), expected)
    report = simulate_streams(design)
    assert run.ii == design.bottleneck.cycles == report.interval == cycles
    assert run.latency == report.latency
    return design


def test_a_pixel_a_cycle(simulator_cache: Path) -> None:
    """Padded, 10 x 10 pixels pass the first window: it is the line buffers that make this possible."""
    _at_full_speed(conv_net([7, 9, POOL, 11], [13], (3, 8, 8)), 100, simulator_cache)


def test_several_pixels_a_cycle(simulator_cache: Path) -> None:
    """The same network, twice as fast, in words of two pixels from its input to the pool."""
    design = _at_full_speed(conv_net([7, 9, POOL, 11], [13], (3, 8, 8)), 50, simulator_cache)
    assert design.input_stream.m == 2
    assert [block.fold["M"] for block in design.blocks if "M" in block.fold] == [2] * 7


def test_shortcuts_of_several_pixels_a_cycle(simulator_cache: Path) -> None:
    """Sums, copies and a strided 1x1 shortcut of two pixels a cycle; a pixel at a time takes 100 cycles."""
    network = resnet18((5, 6), size=8, blocks=1)
    design = _at_full_speed(network, 50, simulator_cache)
    two = {(type(block), getattr(block, "kernel", None)) for block in design.blocks if "M" in block.fold}
    assert {(AddStreams, None), (DuplicateStreams, None), (SlidingWindow, (1, 1))} < two
    frames = np.random.default_rng(2).integers(0, 256, (4, 8, 8, 3))
    run = simulate(design, frames, stalls=0.3, cache_dir=simulator_cache)
    np.testing.assert_array_equal(run.outputs, design.execute(frames))


@pytest.mark.parametrize(("cycles", "pixels"), [(100, 1), pytest.param(50, 2, marks=pytest.mark.slow)])
def test_joined_channels_at_full_speed(cycles: int, pixels: int, simulator_cache: Path) -> None:
    """Whole pixels of both streams at once, and two of each; lanes that divide them take 192 cycles."""
    design = _at_full_speed(dense_net(few_bits=True), cycles, simulator_cache)
    joins = [block for block in design.blocks if isinstance(block, Concat)]
    assert [block.m for block in joins] == [pixels] * 3
    frames = np.random.default_rng(2).integers(0, 256, (4, 8, 8, 3))
    run = simulate(design, frames, stalls=0.3, cache_dir=simulator_cache)
    np.testing.assert_array_equal(run.outputs, design.execute(frames))


@pytest.mark.parametrize(("cycles", "pixels"), [(100, [1, 1]), (50, [2, 2])])
def test_depthwise_windows_at_full_speed(cycles: int, pixels: list[int], simulator_cache: Path) -> None:
    """Pools that overlap read whole windows, and those of two pixels; a tap a cycle takes 591 cycles."""
    design = _at_full_speed(depthwise_net(), cycles, simulator_cache)
    windows = [block for block in design.blocks if isinstance(block, SlidingWindow) and block.depthwise]
    assert [(block.parallel_window, block.m) for block in windows] == [(1, m) for m in pixels]
    pools = [block for block in design.blocks if isinstance(block, WindowPool)]
    assert [block.cycles for block in pools] == [64 // pixels[0], 16]
    frames = np.random.default_rng(2).integers(0, 256, (4, 8, 8, 3))
    run = simulate(design, frames, stalls=0.3, cache_dir=simulator_cache)
    np.testing.assert_array_equal(run.outputs, design.execute(frames))


def test_pixels_side_by_side_and_one_at_a_time(simulator_cache: Path) -> None:
    """Between two rates only some blocks take several pixels; converters stand where they meet the others."""
    design = _at_full_speed(conv_net([4, 5], [], (2, 8, 8), pad=0), 40, simulator_cache)
    assert {"M" in block.fold for block in design.blocks if isinstance(block, SlidingWindow)} == {True, False}


def test_an_image_a_cycle(simulator_cache: Path) -> None:
    """FIFOs are sized also where a frame is one beat, and much shorter than the pipeline."""
    _at_full_speed(mlp(49, (24, 17), 10), 1, simulator_cache, frames=30)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "cycles"),
    [(cnv(), 1024), (cnv(), 512), (mlp(), 1)],
    ids=["cnv, a pixel", "cnv, two pixels", "tfc"],
)
def test_published_networks_as_fast_as_they_go(
    network: IntegerGraph, cycles: int, simulator_cache: Path
) -> None:
    _at_full_speed(network, cycles, simulator_cache)


@pytest.mark.slow
def test_a_hundred_thousand_frames_of_cnv_a_second(simulator_cache: Path) -> None:
    """At 100 MHz; only the first window needs two pixels a cycle, a matrix takes its windows one by one."""
    design = _at_full_speed(cnv(), 919, simulator_cache, goal=1000)
    assert [block.name for block in design.blocks if "M" in block.fold] == ["ConvolutionInputGenerator_rtl_0"]


@pytest.mark.slow
def test_mlp_at_every_fold(simulator_cache: Path) -> None:
    for cycles in (50, 500, 5000):
        design, frames, expected = case_of(mlp(49, (24, 17), 10), cycles)
        run = simulate(design, frames, stalls=0.2, cache_dir=simulator_cache)
        np.testing.assert_array_equal(run.outputs.reshape(expected.shape), expected)


def through(graph: IntegerGraph, count: int, cache: Path) -> tuple[RtlRun, FifoSizing, int]:
    """CIFAR-sized frames through a whole network: bits and latency as predicted. Also the folded interval."""
    folded = fold(lower(graph), Target(cycles=600_000), Effort(time_limit_s=20)).graph
    sized = size_fifos(folded, frames=max(2, count), precision=0.5)
    frames = np.random.default_rng(1).integers(0, 256, (count, 32, 32, 3))
    run = simulate(sized.graph, frames, cache_dir=cache)
    np.testing.assert_array_equal(run.outputs, sized.graph.execute(frames))
    assert run.latency == sized.report.latency
    return run, sized, folded.bottleneck.cycles


@pytest.mark.slow
def test_a_pruned_vgg_small_to_the_cycle(simulator_cache: Path) -> None:
    """Three frames, so that the interval between them is measured too."""
    run, sized, interval = through(pruned_vgg_small(), 3, simulator_cache)
    assert run.ii == sized.report.interval == interval


@pytest.mark.slow
def test_one_frame_through_the_whole_vgg_small(simulator_cache: Path) -> None:
    """The unpruned network, 4.6 million weights: half a minute, most of it FIFO sizing and compilation."""
    through(vgg_small(), 1, simulator_cache)
