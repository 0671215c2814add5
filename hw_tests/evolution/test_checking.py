"""``check`` says before training what ``etb-hw build`` would say after it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import etb_hw as etb
from etb_hw.dataflow.lower import lower
from etb_hw.errors import BadInput, UnsupportedNode
from etb_hw.flow.proofs import prove_dataflow, prove_export
from etb_hw.qonnx_io import import_model
from etb_hw.qonnx_io.export import exported_model


def network(between: nn.Module) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False),
        between,
        nn.ReLU(),
        nn.Conv2d(8, 12, 3, stride=2, bias=False),
        nn.BatchNorm2d(12),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(12 * 9, 4),
    )


PIXELS = torch.arange(128).reshape(2, 1, 8, 8).float()


def test_what_can_be_built_is_left_as_it_is() -> None:
    model = etb.prepare(network(nn.BatchNorm2d(8)), PIXELS)
    before = copy.deepcopy(model.state_dict())
    drawn = torch.random.get_rng_state()
    etb.check(model)
    assert torch.equal(torch.random.get_rng_state(), drawn)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert etb.Evolution(model, 0.3, steps=8).hard is False


class Twice(nn.Sequential):
    """Its second layer is applied twice."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self[2](self[1](self[0](x)))
        for _ in range(2):
            x = self[5](self[4](self[3](x)))
        return self[7](self[6](x))


def test_a_layer_that_is_applied_twice_becomes_two_blocks() -> None:
    again = [nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU()]
    layers = [*network(nn.BatchNorm2d(8))[:3], *again, nn.Flatten(), nn.Linear(8 * 64, 4)]
    etb.check(etb.prepare(Twice(*layers), PIXELS))


@pytest.mark.parametrize("norm", [nn.GroupNorm(2, 8), nn.InstanceNorm2d(8), nn.LayerNorm([8, 8, 8])])
def test_norms_by_each_input_are_named(norm: nn.Module) -> None:
    model = etb.prepare(network(norm), PIXELS)
    with pytest.raises(UnsupportedNode, match=rf"'1' \({type(norm).__name__}\)(.|\n)*BatchNorm"):
        etb.check(model)


def test_a_file_with_such_a_norm_is_refused_by_its_name() -> None:
    """The exporter wraps it in reshapes, which would be refused first."""
    model = exported_model(nn.Sequential(nn.GroupNorm(2, 8), nn.Flatten()).eval(), (8, 4, 4))
    with pytest.raises(UnsupportedNode, match=r"InstanceNormalization(.|\n)*BatchNorm"):
        import_model(model)


def test_only_prepared_networks() -> None:
    with pytest.raises(BadInput, match="prepare"):
        etb.check(network(nn.BatchNorm2d(8)))


def bottleneck() -> nn.Sequential:
    """Its second layer reads normalised sums, with no activation in between."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, bias=False),
        nn.BatchNorm2d(8),
        nn.Conv2d(8, 12, 1, bias=False),
        nn.BatchNorm2d(12),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(12 * 36, 4),
    )


def test_a_linear_bottleneck_is_refused_before_training() -> None:
    """A fresh batch normalisation has one slope for all channels; a trained one has not."""
    with pytest.raises(UnsupportedNode, match=r"different scales(.|\n)*additions='stream'"):
        etb.check(etb.prepare(bottleneck(), PIXELS))


def evolved(model: nn.Module, ratio: float = 0.1) -> nn.Module:
    """Evolved to its end, each channel with a slope of its own."""
    evolution = etb.Evolution(model, ratio, steps=4)
    for _ in range(4):
        model(PIXELS).square().mean().backward()
        evolution.step()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 1.5)
    return model


def prove_to_blocks(slim: nn.Module, folder: Path) -> None:
    """A slim network, its file and its blocks compute the same."""
    path, x = folder / "model.qonnx.onnx", PIXELS.numpy().astype(np.int64)
    etb.export(slim, path, "uint8")
    graph = import_model(path)
    assert prove_export(graph, path, x, slim(PIXELS).detach().numpy())
    assert prove_dataflow(lower(graph), graph, x)


def test_a_linear_bottleneck_becomes_integers_where_asked() -> None:
    torch.manual_seed(0)
    model = etb.prepare(bottleneck(), PIXELS, additions="stream")
    etb.check(model)
    graph = import_model(exported_model(etb.slim(evolved(model, 0.3)), (1, 8, 8)))
    assert graph.input.shape == (1, 8, 8)


@pytest.mark.parametrize(
    ("between", "pixels", "inputs"),
    [
        pytest.param([nn.Identity()], 64, 8, id="identity"),
        pytest.param([nn.Dropout(0.1)], 64, 8, id="dropout"),
        pytest.param([nn.MaxPool2d(2), nn.Upsample(scale_factor=2)], 64, 8, id="pool"),
        pytest.param([nn.PixelShuffle(2)], 256, 2, id="shuffle"),
    ],
)
def test_floats_are_rounded_also_where_they_are_handed_on_first(
    between: list[nn.Module], pixels: int, inputs: int, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    padded, norm = nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
    net = nn.Sequential(
        padded, norm, *between, nn.Conv2d(inputs, 12, 3, padding=1, bias=False), nn.BatchNorm2d(12),
        nn.ReLU(), nn.Flatten(), nn.Linear(12 * pixels, 4),
    )  # fmt: skip
    model = etb.prepare(net, PIXELS, additions="stream")
    etb.check(model)
    prove_to_blocks(etb.slim(evolved(model)), tmp_path)


class TwiceNormalised(nn.Module):
    """The end of XNOR-Net's network in network: a layer reads a normalised activation."""

    def __init__(self) -> None:
        super().__init__()
        self.act, self.norm = nn.ReLU(), nn.BatchNorm2d(8)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.act(x))


class Ways(nn.Module):
    """Normalised sums that a layer gets by way of other ops."""

    def __init__(self, way: Callable[[Tensor], Tensor], pools: bool = False) -> None:
        super().__init__()
        self.conv, self.pool = nn.Conv2d(1, 8, 3, bias=False), nn.MaxPool2d(2) if pools else nn.Identity()
        self.norm, self.way = nn.BatchNorm2d(8), way
        values = way(torch.zeros(1, 8, *(3, 3) if pools else (6, 6))).numel()
        self.layer, self.last = nn.Linear(values, 12, bias=False), nn.Linear(12, 4)
        self.inner = nn.BatchNorm1d(12)

    def forward(self, x: Tensor) -> Tensor:
        x = self.way(self.norm(self.pool(self.conv(x))))
        return self.last(F.relu(self.inner(self.layer(x.flatten(1)))))


@pytest.mark.parametrize(
    ("way", "pools"),
    [
        pytest.param(lambda x: x.mean((2, 3)), False, id="mean"),
        pytest.param(lambda x: F.avg_pool2d(x, 2), False, id="avg_pool"),
        pytest.param(lambda x: F.dropout(x, 0.5, False), False, id="dropout"),
        pytest.param(lambda x: torch.cat([x, F.relu(x)], 1), False, id="cat"),
        pytest.param(lambda x: x, True, id="XNOR-Net's order"),
        pytest.param(TwiceNormalised(), False, id="activation"),
    ],
)
def test_such_floats_are_found_behind_averages_and_joins(
    way: Callable[[Tensor], Tensor], pools: bool, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    with pytest.raises(UnsupportedNode, match="additions='stream'"):
        etb.check(etb.prepare(Ways(way, pools), PIXELS))
    model = etb.prepare(Ways(way, pools), PIXELS, additions="stream")
    etb.check(model)
    prove_to_blocks(etb.slim(evolved(model)), tmp_path)


class Heads(nn.Module):
    """Two outputs, in a tuple and by name."""

    def __init__(self) -> None:
        super().__init__()
        self.body = network(nn.BatchNorm2d(8))
        self.more = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        made = self.body(x)
        return made, {"more": self.more(made)}


def test_a_network_with_several_heads_evolves_and_is_refused_by_hardware() -> None:
    model = etb.prepare(Heads(), PIXELS)
    with pytest.raises(BadInput, match="several outputs"):
        etb.check(model)
    evolution = etb.Evolution(model, 0.3, steps=4)
    for _ in range(4):
        model(PIXELS)[0].square().mean().backward()
        evolution.step()
    slim = etb.slim(model)
    logits, others = slim(PIXELS)
    expected, of_model = model.eval()(PIXELS)
    assert torch.equal(logits, expected)
    assert torch.equal(others["more"], of_model["more"])


class Shift(nn.Module):
    """Adds a value a channel, which is a parameter of some shape."""

    def __init__(self, sizes: tuple[int, ...], form: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.value, self.form = nn.Parameter(torch.linspace(-1, 1, 8).reshape(sizes)), form

    def forward(self, x: Tensor) -> Tensor:
        return x + self.form(self.value, x)


class Shifted(nn.Module):
    """A residual addition; in front of its sign values are shifted, as in ReActNet."""

    def __init__(self, shift: nn.Module) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.shift, self.sign = shift, nn.Hardtanh()
        self.conv, self.norm2 = nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.last = nn.Sequential(nn.Hardtanh(), nn.Flatten(), nn.Linear(8 * 64, 4))

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.stem(x))
        return self.last(x + self.norm2(self.conv(self.sign(self.shift(x)))))


CHANNELS = (1, 8, 1, 1)
SHIFTS: dict[str, tuple[tuple[int, ...], Callable[[Tensor, Tensor], Tensor]]] = {
    "ReActNet's": (CHANNELS, lambda value, x: value.expand_as(x)),
    "expand": (CHANNELS, lambda value, x: value.expand(x.shape[0], -1, 8, 8)),
    "view": ((8,), lambda value, x: value.view(1, -1, 1, 1)),
    "reshape": ((8,), lambda value, x: value.reshape((1, x.shape[1], 1, 1)).expand_as(x)),
    "index": ((8,), lambda value, x: value[None, :, None, None]),
    "unsqueeze": ((8,), lambda value, x: value.unsqueeze(-1).unsqueeze(-1)),
}


@pytest.mark.parametrize("name", SHIFTS)
def test_a_shift_is_one_however_it_is_broadcast(name: str, tmp_path: Path) -> None:
    """It is no branch that would be rounded, and its channels are cut with the others."""
    made = {}
    for sizes, form in [(CHANNELS, lambda value, x: value), SHIFTS[name]]:
        torch.manual_seed(0)
        made[form] = etb.prepare(Shifted(Shift(sizes, form)), PIXELS, additions="stream")
    plain, found = made.values()
    torch.testing.assert_close(found(PIXELS), plain(PIXELS), rtol=0, atol=0)
    assert etb.groups(found) == etb.groups(plain)
    slim = etb.slim(evolved(found, 0.3), PIXELS)
    assert slim.get_submodule("shift").value.numel() < 8
    prove_to_blocks(slim, tmp_path)


@pytest.mark.parametrize(
    "form", [lambda value, x: value.view(1, 8, 1, 1), lambda value, x: value.view(-1, 1, 1).expand(8, 8, 8)]
)
def test_a_shift_that_tells_its_channels_keeps_them(form: Callable[[Tensor, Tensor], Tensor]) -> None:
    made = etb.prepare(Shifted(Shift((8,), form)), PIXELS, additions="stream")
    kept = "stem: 8 channels of stem, conv  stays whole: shift.value is no value a channel"
    assert kept in etb.groups(made)


class Added(Shifted):
    """Its sum is written into a branch."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.stem(x))
        y = self.norm2(self.conv(self.sign(self.shift(x))))
        return self.last(y.add_(x))


def test_a_sum_in_place_is_rounded_as_any() -> None:
    made = []
    for kind in (Shifted, Added):
        torch.manual_seed(0)
        made.append(etb.prepare(kind(nn.Identity()), PIXELS, additions="stream"))
    torch.testing.assert_close(made[0](PIXELS), made[1](PIXELS), rtol=0, atol=0)
    etb.check(made[1])
    evolved(made[1], 0.3)


class Steep(nn.Module):
    """An activation of the user's own."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.exp(x)


class Opened(nn.Sequential):
    """Its third part is no module."""

    def forward(self, x: Tensor) -> Tensor:
        x = torch.nn.functional.hardshrink(self[1](self[0](x)))
        for layer in list(self)[3:]:
            x = layer(x)
        return x


@pytest.mark.parametrize("act", [Steep(), nn.Hardshrink()])
def test_an_unknown_activation_is_told_the_rule_that_makes_it_a_sign(act: nn.Module) -> None:
    layers = list(network(nn.BatchNorm2d(8)))
    net = nn.Sequential(nn.Sequential(*layers[:2], act), *layers[3:])
    with pytest.raises(UnsupportedNode) as refused:
        etb.check(etb.prepare(net, PIXELS))
    assert "rules={'0.2': etb_hw.Rule(activation='bipolar')}" in refused.value.remedy
    etb.check(etb.prepare(net, PIXELS, {"0.2": etb.Rule(activation="bipolar")}))
    with pytest.raises(UnsupportedNode) as refused:
        etb.check(etb.prepare(Opened(*layers), PIXELS))
    assert "in a module of its own" in refused.value.remedy


class Optional(nn.Module):
    """A forward with one input, and arguments that have defaults."""

    def __init__(self) -> None:
        super().__init__()
        self.net = network(nn.BatchNorm2d(8))


class Features(Optional):
    def forward(self, x: Tensor, return_features: bool = False) -> Tensor:
        features = x
        for layer in list(self.net)[:-1]:
            features = layer(features)
        return features if return_features else self.net[-1](features)


class Masked(Optional):
    def forward(self, x: Tensor, mask: Tensor | None = None, *others: Tensor) -> Tensor:
        if mask is not None:
            x = x * mask
        return self.net(x)


class Tempered(Optional):
    def forward(self, x: Tensor, *, temperature: float = 4.0) -> Tensor:
        return self.net(x) / temperature


@pytest.mark.parametrize("kind", [Features, Masked, Tempered])
def test_optional_arguments_hold_their_defaults(kind: type[Optional], tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = kind()
    plain = etb.prepare(model.net, PIXELS).eval()(PIXELS)
    made = etb.prepare(model, PIXELS)
    etb.check(made)
    expected = plain / 4 if kind is Tempered else plain
    torch.testing.assert_close(made.eval()(PIXELS), expected, rtol=0, atol=0)
    prove_to_blocks(etb.slim(evolved(made.train())), tmp_path)


class Ended(nn.Module):
    """Two layers with something of the user's behind them."""

    def __init__(self, end: Callable[[Tensor, Tensor], Tensor], width: int = 8) -> None:
        super().__init__()
        torch.manual_seed(0)
        layers = list(network(nn.BatchNorm2d(8)))[:3]
        self.first, self.end, self.last = nn.Sequential(*layers), end, nn.Linear(width, 4)
        again = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.second = nn.Sequential(again, nn.BatchNorm2d(8), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        x = self.end(x, self.second(x))
        return self.last(F.avg_pool2d(x, x.shape[2]).flatten(1) if x.ndim > 2 else x)


Join: TypeAlias = Callable[[Tensor, Tensor], Tensor]


@pytest.mark.parametrize(
    ("short", "full", "width"),
    [
        (lambda x, y: torch.hstack([x, y]), lambda x, y: torch.cat([x, y], 1), 16),
        (
            lambda x, y: F.avg_pool2d(y, y.size()[2:]).flatten(1),
            lambda x, y: F.avg_pool2d(y, 8).flatten(1),
            8,
        ),
        (
            lambda x, y: F.avg_pool2d(y, kernel_size=(y.size(2), y.size(3))).flatten(1),
            lambda x, y: F.avg_pool2d(y, 8).flatten(1),
            8,
        ),
    ],
)
def test_calls_without_a_word_in_files_are_written_in_full(short: Join, full: Join, width: int) -> None:
    made, expected = (etb.prepare(Ended(end, width), PIXELS) for end in (short, full))
    etb.check(made)
    assert etb.groups(made) == etb.groups(expected)
    torch.testing.assert_close(made(PIXELS), expected(PIXELS), rtol=0, atol=0)


@pytest.mark.parametrize("act", [lambda y: y, F.relu])
def test_what_drops_in_evaluation_is_told(act: Callable[[Tensor], Tensor]) -> None:
    made = etb.prepare(Ended(lambda x, y: F.dropout(act(y), 0.25)), PIXELS)
    with pytest.raises(UnsupportedNode, match=r"dropout.*line \d+.*in evaluation, too") as refused:
        etb.check(made)
    assert "self.training" in refused.value.remedy
