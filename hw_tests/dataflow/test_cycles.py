"""Every block's cycles are the initiation interval that its machine (and RTL) really has."""

from __future__ import annotations

import numpy as np
import pytest

from etb_hw.dataflow import DataflowGraph
from etb_hw.dataflow.blocks import (
    DepthToSpace,
    LabelSelect,
    MaxPool,
    Padding,
    SelectChannels,
    SlidingWindow,
    SumPool,
    Upsample,
    WidthConverter,
    WindowPool,
)
from etb_hw.dataflow.simulation import simulate_streams
from etb_hw.integer import BIPOLAR, DataType

NAME = {"name": "block", "layer": "layer"}


def interval(block: object) -> int:
    return simulate_streams(DataflowGraph((block,), ()), frames=6).interval  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(150))
def test_sliding_windows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    kernel = (int(rng.integers(1, 5)), int(rng.integers(1, 5)))
    dilation = (int(rng.choice([1, 1, 2])), int(rng.choice([1, 1, 2])))
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    window = SlidingWindow(
        **NAME,
        size=(int(rng.integers(reach[0], reach[0] + 9)), int(rng.integers(reach[1], reach[1] + 9))),
        channels=int(rng.choice([1, 2, 3, 4])),
        kernel=kernel,
        stride=(int(rng.integers(1, 4)), int(rng.integers(1, 4))),
        dilation=dilation,
        depthwise=bool(rng.integers(2)),
        dtype=BIPOLAR,
    )
    assert interval(window) == window.cycles
    for fold in (*window.folds, *window.pixel_folds):
        assert interval(window.folded(fold)) == window.folded(fold).cycles


@pytest.mark.parametrize("seed", range(20))
def test_several_pixels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, top, left, bottom = (int(n) for n in (rng.integers(1, 5), *rng.integers(0, 6, 3)))
    kernel = (int(rng.integers(1, 4)), int(rng.choice([1, 2, 3, 4, 6])))
    signs, row = DataType.unsigned(2), 12
    blocks = [
        Padding(
            **NAME, size=(rows, row), channels=2, pads=(top, left, bottom, row - left), value=1, dtype=signs
        ),
        MaxPool(**NAME, size=(rows * kernel[0], row), channels=3, kernel=kernel, dtype=BIPOLAR),
        WindowPool(**NAME, size=(rows, row), channels=3, kernel=kernel, dtype=BIPOLAR),
    ]
    for block in blocks:
        assert len(block.pixel_folds) >= 3
        for fold in block.pixel_folds:
            assert interval(block.folded(fold)) == block.folded(fold).cycles, fold


def test_other_blocks() -> None:
    blocks = [
        Padding(**NAME, size=(4, 5), channels=6, pads=(1, 0, 2, 1), value=-1, dtype=BIPOLAR, simd=2),
        MaxPool(**NAME, size=(4, 6), channels=6, kernel=(2, 3), dtype=BIPOLAR, pe=2),
        WindowPool(**NAME, size=(3, 3), channels=4, kernel=(3, 3), dtype=BIPOLAR, pe=2),
        SumPool(**NAME, size=(4, 4), channels=6, dtype=BIPOLAR, output_dtype=DataType.integer(6), pe=3),
        Upsample(**NAME, size=(2, 3), channels=6, factors=(3, 2), dtype=BIPOLAR, simd=2),
        Upsample(**NAME, size=(1, 5), channels=4, factors=(1, 2), dtype=BIPOLAR, simd=4),
        DepthToSpace(**NAME, size=(2, 3), channels=6, block=2, dtype=BIPOLAR, simd=2),
        DepthToSpace(**NAME, size=(4, 1), channels=3, block=3, dtype=BIPOLAR, simd=1),
        SelectChannels(**NAME, shape=(2, 3, 6), chosen=(5, 0, 0, 3), dtype=BIPOLAR),
        SelectChannels(**NAME, shape=(2, 4, 6), chosen=(1, 4), dtype=BIPOLAR, m=2),
        LabelSelect(**NAME, labels=10, dtype=DataType.integer(8), pe=2),
        WidthConverter(**NAME, shape=(4, 12), dtype=BIPOLAR, lanes_in=2, lanes_out=6),
        WidthConverter(**NAME, shape=(4, 12), dtype=BIPOLAR, lanes_in=6, lanes_out=2),
    ]
    for block in blocks:
        assert interval(block) == block.cycles, block.op
