"""Dense beside pruned, and what FIFOs cost."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from etb_hw.dataflow import (
    compare,
    fifo_blocks,
    fifo_cost,
    find_device,
    fold,
    lower,
)
from etb_hw.report.design_comparison import comparison_picture, comparison_table
from etb_hw.report.design_table import design_table
from hw_tests import networks


def test_pruned_is_smaller_at_equal_rate_and_faster_on_equal_device() -> None:
    designs = {
        "dense": lower(networks.vgg_small((16, 16, 24, 24, 32, 32), 8)),
        "pruned": lower(networks.vgg_small((12, 10, 14, 12, 16, 16), 8)),
    }
    found = compare(designs, target_fps=5_000, device=find_device("Zybo-Z7-10"), max_utilization=0.3)
    at, on = found.at_equal_fps, found.on_equal_device
    assert at["pruned"].resources["lut"] < at["dense"].resources["lut"]
    assert at["pruned"].weight_bytes < at["dense"].weight_bytes
    assert on["pruned"].fps > on["dense"].fps
    file = io.StringIO()
    console = Console(file=file, width=120)
    console.print(comparison_table(found))
    text = file.getvalue()
    assert "5,000 frames/s" in text
    assert "xc7z010" in text
    panels = comparison_picture(found).axes
    assert len(panels) == 2
    assert [label.get_text() for label in panels[0].get_legend().get_texts()] == ["dense", "pruned"]


def test_targets_out_of_reach_are_said() -> None:
    found = compare({"dense": lower(networks.mlp(36, (8,)))}, target_fps=1e12)
    assert found.at_equal_fps == {"dense": None}
    file = io.StringIO()
    console = Console(file=file, width=120)
    console.print(comparison_table(found))
    assert "cannot be met" in file.getvalue()


def test_fifos_take_the_cheaper_memory() -> None:
    design = fold(lower(networks.mlp(64, (32, 16))), target_fps=100_000).graph
    shallow = fifo_cost(design)
    deep = replace(design, edges=tuple(replace(edge, depth=4096) for edge in design.edges))
    assert shallow.bram_18k == 0
    assert fifo_cost(deep).lut > shallow.lut or fifo_cost(deep).bram_18k > 0
    assert {fifo.depth for fifo in fifo_blocks(deep)} == {4096}
    file = io.StringIO()
    console = Console(file=file, width=160)
    console.print(design_table(deep))
    assert "FIFOs" in file.getvalue()
    assert design.bottleneck.cycles == pytest.approx(1e9 / (design.clk_ns * design.fps))
