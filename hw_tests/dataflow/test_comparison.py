"""Dense beside pruned, and what FIFOs cost."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from etb_hw.config import BuildConfig
from etb_hw.dataflow import (
    Target,
    compare,
    find_device,
    finn_model,
    fold,
    lower,
)
from etb_hw.dataflow.calibrated import load_calibration
from etb_hw.dataflow.design import compare_networks
from etb_hw.errors import BadInput
from etb_hw.report.design_comparison import comparison_picture, comparison_table
from etb_hw.report.design_table import design_table
from etb_hw.rtl.generator import TOP, generate
from etb_hw.rtl.instance import parameter_text
from hw_tests import networks


@pytest.mark.parametrize("other", [{"builder": "finn"}, {"pad_channels": True}])
def test_weights_that_are_written_are_compared_as_they_are_built(other: dict[str, object]) -> None:
    build = BuildConfig.model_validate({"target_fps": 1000, "weights": "writable", **other})
    with pytest.raises(BadInput, match="writable weights"):
        compare_networks({"one": networks.mlp(16, (6,), 3)}, build)


def test_pruned_is_smaller_at_equal_rate_and_faster_on_equal_device() -> None:
    designs = {
        "dense": lower(networks.vgg_small((16, 16, 24, 24, 32, 32), 8)),
        "pruned": lower(networks.vgg_small((12, 10, 14, 12, 16, 16), 8)),
    }
    found = compare(designs, Target(fps=5_000, device=find_device("Zybo-Z7-10"), share=0.3))
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
    found = compare({"dense": lower(networks.mlp(36, (8,)))}, Target(fps=1e12))
    assert found.at_equal_fps == {"dense": None}
    file = io.StringIO()
    console = Console(file=file, width=120)
    console.print(comparison_table(found))
    assert "cannot be met" in file.getvalue()


def test_deep_fifos_cost_more_and_are_in_the_table() -> None:
    design = fold(lower(networks.mlp(64, (32, 16))), Target(fps=100_000)).graph
    shallow = design.fifo_cost(finn_model)
    deep = replace(design, edges=tuple(replace(edge, depth=4096) for edge in design.edges))
    assert shallow.bram_18k == 0
    deeper = deep.fifo_cost(finn_model)
    assert deeper.lut > shallow.lut or deeper.bram_18k > 0
    assert {fifo.depth for fifo in deep.fifos.values()} == {4096}
    file = io.StringIO()
    console = Console(file=file, width=160)
    console.print(design_table(deep))
    assert "FIFOs" in file.getvalue()
    assert design.bottleneck.cycles == pytest.approx(1e9 / (design.clk_ns * design.fps))


@pytest.mark.parametrize("depth", [1, 2, 33, 200, 1500, 4096])
@pytest.mark.parametrize("fps", [1_000, 1_000_000])
def test_the_fifo_that_is_priced_is_the_fifo_that_is_built(fps: int, depth: int) -> None:
    graph = fold(lower(networks.mlp(64, (32, 16))), Target(fps=fps)).graph
    graph = replace(graph, edges=tuple(replace(edge, depth=depth) for edge in graph.edges))
    top = generate(graph)[f"{TOP}.sv"]
    model = load_calibration()
    assert top.count("etb_fifo") == len(graph.fifos) == len(graph.edges)
    for fifo in graph.fifos.values():
        built = fifo.rtl().parameters
        style = parameter_text(built["RAM_STYLE"])
        wanted = rf"\.WIDTH\({built['WIDTH']}\),\s*\.DEPTH\({max(2, depth)}\),\s*\.RAM_STYLE\({style}\)"
        assert re.search(wanted, top)
        assert (model(fifo).bram_18k > 0) == (built["RAM_STYLE"] == "block")
