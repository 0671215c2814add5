"""Reshapes by numbers that count channels, and linear layers over the last of several axes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import etb_hw as etb
from etb_hw.evolution.note import note_of
from hw_tests.evolution.loop import train_to_the_end


class Flat(nn.Module):
    def __init__(self, flat: Callable[[Tensor], Tensor], functional: bool) -> None:
        super().__init__()
        self.conv, self.norm, self.act = nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()
        self.flat, self.functional = flat, functional
        self.fc = nn.Linear(64, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(F.max_pool2d(self.conv(x), 2))
        return self.fc(self.flat(F.relu(x) if self.functional else self.act(x)))


FLATS = {
    "view": lambda x: x.view(-1, 64),
    "view of the batch": lambda x: x.view(x.size(0), 64),
    "keyword": lambda x: x.view(size=(-1, 64)),
    "reshape": lambda x: x.reshape((-1, 16 * 2 * 2)),
    "torch.reshape": lambda x: torch.reshape(x, (-1, 64)),
}


@pytest.mark.parametrize("functional", [False, True], ids=["modules", "functions"])
@pytest.mark.parametrize("flat", FLATS.values(), ids=FLATS)
def test_filters_leave_in_front_of_a_flattening_by_a_number(
    flat: Callable[[Tensor], Tensor], functional: bool
) -> None:
    """``x.view(-1, 16 * 5 * 5)``, as tutorials have it."""
    torch.manual_seed(0)
    x = torch.rand(4, 1, 4, 4)
    model = etb.prepare(Flat(flat, functional), x)
    assert "conv" not in note_of(model).plan.whole
    train_to_the_end(model, etb.Evolution(model, target=0.4, steps=8), x)
    slim = etb.slim(model, x)
    kept = len(slim.get_submodule("conv").weight)
    assert kept < 16
    assert slim.get_submodule("fc").weight.shape == (4, 4 * kept)
    assert torch.equal(slim(x), model.eval()(x))


def test_other_numbers_of_channels_keep_them(caplog: pytest.LogCaptureFixture) -> None:
    x = torch.rand(4, 1, 4, 4)
    model = etb.prepare(Flat(lambda x: x.view(-1, 16, 2, 2).flatten(1), False), x)
    assert "says how many channels there are" in note_of(model).plan.whole["conv"]
    train_to_the_end(model, etb.Evolution(model, target=0.0, steps=4), x)
    etb.slim(model, x)


class OverTime(nn.Module):
    """A layer over the last axis of (N, T, C)."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.each, self.act, self.last = nn.Linear(8, 6), nn.Hardtanh(), nn.Linear(6 * steps, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.act(self.each(x)).flatten(1))


@pytest.mark.parametrize("steps", [5, 6])
def test_a_bias_lies_along_the_axis_that_a_linear_layer_makes(steps: int) -> None:
    """Also where there are as many steps as features: it had been added a step."""
    torch.manual_seed(0)
    x = torch.rand(4, steps, 8)
    model = etb.prepare(OverTime(steps), x).eval()
    layer = model.get_submodule("each")
    with torch.no_grad():
        layer.shift.zero_()
        without = layer(x)
        layer.shift.copy_(torch.arange(6.0))
    added = (layer(x) - without) / layer.scale
    torch.testing.assert_close(added, torch.arange(6.0).expand(4, steps, 6))
    train_to_the_end(model.train(), etb.Evolution(model, target=0.0, steps=4), x)
    slim = etb.slim(model, x)
    assert torch.equal(slim(x), model.eval()(x))
