"""``Evolution(model, etb.budget(...))``: any network is cut until its own design fits."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import etb_hw as etb
from etb_hw.config import BuildConfig
from etb_hw.dataflow.design import design
from etb_hw.dataflow.folding import Weights
from etb_hw.errors import BadInput, InfeasibleTarget
from etb_hw.integer import DataType
from etb_hw.qonnx_io import import_model
from etb_hw.qonnx_io.export import exported_model

FPS = 20000
generator = torch.Generator().manual_seed(0)
X = torch.randint(0, 256, (64, 1, 8, 8), generator=generator).float()
Y = torch.randint(0, 10, (64,), generator=generator)


def prepared():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1, bias=False), nn.BatchNorm2d(12), nn.ReLU(),
        nn.Conv2d(12, 16, 3, bias=False), nn.BatchNorm2d(16), nn.MaxPool2d(2), nn.ReLU(),
        nn.Flatten(), nn.Linear(144, 24, bias=False), nn.BatchNorm1d(24), nn.ReLU(), nn.Linear(24, 10),
    )  # fmt: skip
    return etb.prepare(net, X[:4])


def takes(slim):
    """LUTs of the network's own design, block RAMs counted as 190."""
    graph = import_model(exported_model(slim, (1, 8, 8), DataType.parse("UINT8")))
    made = design(graph, BuildConfig(target_fps=FPS))
    return Weights().of(made.graph.cost(made.target.model))


def evolved(target, slim_early, steps=24):
    model = prepared()
    evolution = etb.Evolution(model, target, steps=steps)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(model(X), Y).backward()
        optimizer.step()
        evolution.step()
        if slim_early and evolution.slimmable and not evolution.hard:
            evolution.slim(optimizer)
    return etb.slim(model, X), evolution


@pytest.mark.parametrize("slim_early", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_the_design_of_an_own_network_fits_its_budget(slim_early):
    whole = takes(evolved(0.0, False, steps=2)[0])
    slim, evolution = evolved(etb.budget(FPS, 0.75 * whole), slim_early)
    assert 0 < evolution.pruned < 1
    assert 0.55 * whole < takes(slim) <= 0.75 * whole


def test_errors_come_before_training():
    narrowest = r"Evolution: target: .* narrowest network .* of 100 LUTs at 20,000 frames/s"
    with pytest.raises(InfeasibleTarget, match=narrowest) as caught:
        etb.Evolution(prepared(), etb.budget(FPS, 100), steps=10)
    assert caught.value.remedy == "raise the budget or caps, or lower fps, floor or multiple"
    with pytest.raises(BadInput, match="either LUTs or a device"):
        etb.budget(FPS)
    with pytest.raises(BadInput, match="device 'Pink'"):
        etb.budget(FPS, device="Pink")
    with pytest.raises(BadInput, match="greater than 0"):
        etb.budget(0, 1000)
    with pytest.raises(BadInput, match="for flow files"):
        etb.Evolution(prepared(), 0.5, steps=10, target_luts=1000)
