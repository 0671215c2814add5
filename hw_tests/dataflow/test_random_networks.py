"""Random networks of every kind of node: lowered, folded, written, read and simulated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from etb_hw.dataflow import Effort, Target, finn, fold, lower
from etb_hw.dataflow.simulation import size_fifos
from etb_hw.errors import InfeasibleTarget
from etb_hw.integer import reference
from hw_tests.integer.random_graphs import random_batch, random_graph


@pytest.mark.parametrize("seed", range(100))
def test_design_equals_reference_at_the_estimated_interval(seed: int, tmp_path: Path) -> None:
    graph = random_graph(seed)
    x = random_batch(graph, 2, seed)
    expected = reference.execute(graph, x)
    frames = x.transpose(0, 2, 3, 1) if x.ndim == 4 else x
    expected = expected.transpose(0, 2, 3, 1) if expected.ndim == 4 else expected
    lowered = lower(graph)
    assert np.array_equal(lowered.execute(frames), expected)
    if seed % 3:
        return
    faster = int(np.random.default_rng(seed).integers(1, 9))
    try:
        cycles = max(1, lowered.bottleneck.cycles // faster)
        design = fold(lowered, Target(cycles=cycles), Effort(pad_channels=seed % 2 == 0)).graph
    except InfeasibleTarget:
        return
    assert np.array_equal(design.execute(frames), expected)
    finn.write(design, tmp_path)
    assert np.array_equal(finn.read(tmp_path / "dataflow.onnx").execute(frames), expected)
    assert size_fifos(design, minimal=False).report.interval == design.bottleneck.cycles
