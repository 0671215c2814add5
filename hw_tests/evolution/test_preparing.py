"""Groups of channels, rules, and networks that cannot be prepared: nothing of the user's model changes."""

from __future__ import annotations

import copy
import logging
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import etb_hw as etb
from etb_hw.errors import BadInput
from etb_hw.evolution.note import note_of
from etb_hw.models.layers import Evolving, EvolvingAct
from hw_tests.evolution.user_networks import Branches, ReAct, ResNet, Twice

X = torch.rand(2, 3, 8, 8)


def plan(model: nn.Module, x: Tensor = X, rules: dict[str, etb.Rule] | None = None):
    return note_of(etb.prepare(model, x, rules)).plan


def together(model: nn.Module, x: Tensor = X) -> set[frozenset[str]]:
    """The layers with binary weights, by shared group of outputs."""
    found: dict[str, set[str]] = {}
    for layer in plan(model, x).layers:
        found.setdefault(layer.group, set()).add(layer.name)
    return {frozenset(names) for names in found.values()}


def test_channels_that_are_added_go_together():
    assert together(ResNet()) == {
        frozenset({"conv1", "layer1.0.conv2", "layer1.1.conv2"}),
        frozenset({"layer1.0.conv1"}),
        frozenset({"layer1.1.conv1"}),
        frozenset({"layer2.0.conv1"}),
        frozenset({"layer2.0.conv2", "layer2.0.downsample.0"}),
        frozenset({"fc"}),
    }
    assert frozenset({"stem.0", "blocks.0.conv", "blocks.1.conv"}) in together(
        ReAct(), torch.rand(2, 3, 12, 12)
    )


def test_concatenated_channels_stay_apart_and_depthwise_ones_follow():
    groups = together(Branches())
    assert frozenset({"a.0"}) in groups
    assert frozenset({"b.0"}) in groups
    assert frozenset({"mix.0", "depth"}) in groups
    layers = {layer.name: layer for layer in plan(Branches()).layers}
    assert [segment.group for segment in layers["mix.0"].inputs] == ["a.0", "b.0"]
    assert layers["fc"].inputs[0].repeat == 16


def test_a_layer_that_is_used_twice_ties_its_ends():
    assert frozenset({"stem.0", "again"}) in together(Twice())


def conv(i: int, o: int, **options: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(i, o, 3, padding=1, bias=False, **options), nn.BatchNorm2d(o), nn.Hardtanh()
    )


class Around(nn.Module):
    """Two layers with something in between."""

    def __init__(self, between: object, middle: int = 8) -> None:
        super().__init__()
        self.first, self.last = conv(3, 8), nn.Conv2d(middle, 4, 3, bias=False)
        self.between = between

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.between(self.first(x))).mean((2, 3))


@pytest.mark.parametrize(
    ("between", "reason"),
    [
        (nn.Conv2d(8, 8, 3, padding=1, groups=2, bias=False), "in 2 groups"),
        (nn.GroupNorm(2, 8), "GroupNorm"),
        (lambda x: x + 1, "adds a constant"),
        (lambda x: x.permute(0, 1, 3, 2), "permute"),
        (lambda x: F.softmax(x, 1), "softmax"),
        (lambda x: x + x.mean((2, 3), keepdim=True), "different"),
        (lambda x: x - x.sum(1, keepdim=True), "runs over channels"),
    ],
)
def test_what_is_not_safe_stays_whole_and_the_log_says_why(between, reason, caplog):
    with caplog.at_level(logging.INFO, "etb_hw"):
        found = plan(Around(between))
    if reason == "different":  # broadcast over pixels: the same channels
        assert "first.0" in found.prunable or reason in found.whole["first.0"]
        return
    assert reason in found.whole["first.0"]
    assert any("first.0" in message and reason in message for message in caplog.messages)


def test_rules_decide_a_layer():
    rules = {
        "first.0": etb.Rule(weights="keep"),
        "first.2": etb.Rule(activation="uint2"),
        "between.0": etb.Rule(prune=False),
    }
    model = etb.prepare(Around(conv(8, 8)), X, rules)
    assert type(model.first[0]) is nn.Conv2d
    assert isinstance(model.first[2], EvolvingAct)
    assert model.first[2].kind.name == "uint2"
    assert isinstance(model.between[0], Evolving)
    found = note_of(model).plan
    assert "keeps its own weights" in found.whole["first.0"]
    assert "a rule keeps between.0" in found.whole["between.0"]
    few = etb.prepare(Around(conv(8, 8)), X, {"*": etb.Rule(activation="uint2")})
    kinds = [module.kind.name for module in few.modules() if isinstance(module, EvolvingAct)]
    assert kinds == ["uint2", "uint2"]
    assert isinstance(few.first[0], Evolving)
    blocks = etb.prepare(ResNet(), X, {"*": etb.Rule(activation="uint2")})
    assert {m.kind.name for m in blocks.modules() if isinstance(m, EvolvingAct)} == {"uint2"}
    assert len(note_of(blocks).plan.layers) == 9
    with pytest.raises(BadInput, match="an activation of a Conv2d"):
        etb.prepare(Around(conv(8, 8)), X, {"first.0": etb.Rule(activation="uint2")})
    for other in (nn.PixelShuffle(2), nn.Upsample(scale_factor=2), nn.AdaptiveMaxPool2d(4), nn.Identity()):
        around = Around(nn.Sequential(conv(8, 8), other), 2 if isinstance(other, nn.PixelShuffle) else 8)
        assert type(etb.prepare(around, X, {"*": etb.Rule(activation="uint2")}).between[1]) is type(other)
    around = Around(nn.Sequential(conv(8, 8), nn.PixelShuffle(2)), 2)
    with pytest.raises(BadInput, match="an activation of a PixelShuffle"):
        etb.prepare(around, X, {"between.1": etb.Rule(activation="uint2")})
    for made in (etb.Network, lambda model, **options: etb.prepare(model, X, **options)):
        with pytest.raises(BadInput, match=r"additions: 'steam' is unknown(.|\n)*'keep' or 'stream'"):
            made(Around(conv(8, 8)), additions="steam")
    with pytest.raises(BadInput, match="matches no module"):
        etb.prepare(Around(conv(8, 8)), X, {"fist.*": etb.Rule()})
    with pytest.raises(BadInput, match="uint3"):
        etb.Rule(activation="uint3")


class Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Around(nn.Identity())
        self.picky = nn.Sequential(Picky())

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(self.picky(x))


class Picky(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Identity(), nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.a(x) if x.sum() > 0 else self.b(x)


class Own(nn.Module):
    """ReActNet's HardBinaryConv: a convolution with weights of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(8, 3, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight.sign())


class Modal(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 8, 3, bias=False), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.sign(self.conv(x))
        if self.training:
            x = x + torch.rand_like(x)
        return self.fc(x.mean((2, 3)))


def hooked(model: nn.Sequential) -> nn.Sequential:
    """The last layer's output is doubled by no module."""
    model[-1].register_forward_hook(lambda module, args, output: 2 * output)
    return model


class Between(nn.Module):
    """A user's own few lines between two layers, with a layer that they may call."""

    def __init__(self, between: Callable[[Between, Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.middle, self.last = conv(3, 8), conv(8, 8), nn.Conv2d(8, 4, 3, bias=False)
        self.between = between

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.between(self, self.first(x))).mean((2, 3))


def assigned(net: Between, x: Tensor) -> Tensor:
    x = net.middle(x)
    x[:, 0] = 0
    return x


def looped(net: Between, x: Tensor) -> Tensor:
    return torch.stack([net.middle(image[None])[0] for image in x])


def made_there(net: Between, x: Tensor) -> Tensor:
    return nn.Conv2d(8, 8, 1)(x)


class Masked(nn.Module):
    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return x * mask


FORWARDS: dict[str, tuple[Callable[[Between, Tensor], Tensor], str]] = {
    "if": (lambda net, x: net.middle(x) if x.mean() > 0 else x, r"decides by the values.*line \d+"),
    "float": (lambda net, x: net.middle(x) * float(x.mean()), r"by float\(\).*line \d+"),
    "int": (lambda net, x: net.middle(x) * int(x.mean()), r"by int\(\)"),
    "length": (lambda net, x: net.middle(x) / len(x), "length of a batch"),
    "count": (lambda net, x: sum(net.middle(x) for _ in range(x.shape[0])), "a number that only the batch"),
    "numpy": (lambda net, x: net.middle(torch.from_numpy(np.array(x))), "to numpy"),
    "assigned": (assigned, r"assigns to a part.*`x\[:, 0\] = 0`"),
    "looped": (looped, "loops over a tensor"),
    "made there": (made_there, "calls a Conv2d that is no part.*\n.*__init__"),
    "of its own": (lambda net, x: net.midle(x), "AttributeError.*midle.*line .*\n.*fails by itself"),
}


@pytest.mark.parametrize("name", FORWARDS)
def test_what_no_graph_can_hold_is_told_with_the_users_line(name):
    between, message = FORWARDS[name]
    with pytest.raises(BadInput, match=f"(?s){message}") as error:
        etb.prepare(Between(between), X)
    assert "test_preparing.py line" in str(error.value)
    for inner in ("Proxy", "proxy", "symbolically", "torch.fx"):
        assert inner not in str(error.value)


def shapes_only(net: Between, x: Tensor) -> Tensor:
    assert x.shape[1] == 8, "eight channels"
    if x.dim() == 3 or x.size(-1) > 100 or x.dtype == torch.float64:
        return x
    for _ in range(sum(size // 4 for size in x.shape[2:]) // 2):
        x = net.middle(x)
    return x[..., : len(x.shape), :]


def test_what_shapes_decide_is_decided_by_the_example():
    model = Between(shapes_only)
    prepared = etb.prepare(model, X)
    assert prepared(X).shape == model(X).shape
    found = note_of(prepared).plan
    assert [layer.name for layer in found.layers] == ["first.0", "middle.0", "last"]
    assert found.prunable  # slices of rows keep channels apart
    assert etb.prepare(model, X[:1])(X).shape == model(X).shape


def test_a_group_that_stays_whole_is_told_with_the_users_line(caplog):
    etb.prepare(Between(lambda net, x: net.middle(x).permute(0, 1, 3, 2)), X)
    assert any("middle.0 stays whole: permute (test_preparing.py line" in m for m in caplog.messages)
    assert not any("group permute" in message for message in caplog.messages)


class Dropped(nn.Module):
    """Drop-path in training, with activations that are modules, and something in front of its end."""

    def __init__(self, made: Callable[[Tensor], Tensor] = torch.neg, name: str = "act") -> None:
        super().__init__()
        self.stem, self.conv, self.norm = conv(3, 8), nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.add_module(name, nn.ReLU())
        self.place, self.last, self.made, self.name = nn.Identity(), nn.Linear(8, 4), made, name

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.norm(self.conv(x))
        if self.training:
            y = y * torch.rand_like(y[:, :1, :1, :1]).round()
        return self.last(self.made(self.get_submodule(self.name)(x + self.place(y)).mean((2, 3))))


def test_what_needs_no_graph_may_be_other_in_training_and_have_any_names():
    for name in ("act", "class"):
        etb.prepare(Dropped(name=name), X, {"place": etb.Rule(activation="stream")}, "stream")
    with pytest.raises(BadInput, match=r"(?s)in training.*additions='stream' rounds") as refused:
        etb.prepare(Dropped(), X, None, "stream")
    assert "nn.Identity" in refused.value.remedy
    assert "activation a module" not in refused.value.remedy
    with pytest.raises(BadInput, match=r"(?s)in training.*calls activations as functions"):
        etb.prepare(Dropped(F.relu), X)
    with pytest.raises(BadInput, match=r"module 'class'.*word of Python.*calls activations as functions"):
        etb.prepare(Dropped(F.relu, "class"), X)


class Keyed(nn.Module):
    """Calls layers by torch's name of their argument."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.act, self.next, self.last = nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(input=self.norm(input=self.conv(input=x)))
        return self.last(input=self.next(input=x).mean((2, 3)))


class Placed(Keyed):
    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.next(self.act(self.norm(self.conv(x)))).mean((2, 3)))


def test_layers_may_be_called_by_the_name_of_their_argument():
    keyed, placed = etb.prepare(Keyed(), X), etb.prepare(Placed(), X)
    assert etb.groups(keyed).splitlines() == etb.groups(placed).splitlines()
    evolution = etb.Evolution(keyed, 0.3, steps=2)
    for _ in range(2):
        keyed(X).square().sum().backward()
        evolution.step()
    etb.slim(keyed, X)


BAD = {
    "two inputs": (Masked, X, "takes 2 inputs"),
    "picky": (Branching, X, r"picky\.0.*cannot be traced"),
    "own": (lambda: nn.Sequential(Own(), nn.Flatten(), nn.Linear(8 * 36, 4)), X, "module '0'.*conv2d on"),
    "transposed": (
        lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.ConvTranspose2d(8, 8, 3)), X, "module '1'.*Transpose2d"
    ),
    "modal": (Modal, X, "training than in evaluation"),
    "shape": (ResNet, torch.rand(2, 4, 8, 8), "does not run"),
    "nothing": (lambda: nn.Sequential(nn.ReLU()), X, "no layer with weights"),
    "statistics": (
        lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8, track_running_stats=False)),
        X,
        "module '1'",
    ),
    "hooked": (
        lambda: hooked(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3))),
        X,
        "module '2'.*hooks",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_prepared_is_named_and_left_alone(name):
    build, x, message = BAD[name]
    model = build()
    before = copy.deepcopy(model)
    modes = [module.training for module in model.modules()]
    with pytest.raises(BadInput, match=message):
        etb.prepare(model, x)
    assert repr(model) == repr(before)
    assert [module.training for module in model.modules()] == modes
    after, known = model.state_dict(), before.state_dict()
    assert after.keys() == known.keys()
    assert all(torch.equal(after[key], known[key]) for key in known)


class ScaledConv(nn.Conv2d):
    """Computes more than a convolution, as XNOR-Net's and those with standardised weights do."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(torch.sign(x)) * 0.5 + 3.0


class Standardised(nn.Conv2d):
    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return super()._conv_forward(x, weight - weight.mean(), bias)


class NormAct(nn.BatchNorm2d):
    """As in timm: the activation is within."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).relu()


class Plain(nn.Conv2d):
    """A class of the user's that computes what its base does."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, padding=1, bias=False)


def patched() -> nn.Module:
    conv = Plain(8, 8)
    conv.forward = lambda x: 2 * x  # type: ignore[method-assign]
    return conv


def own_layer(layer: nn.Module) -> nn.Module:
    return nn.Sequential(Plain(3, 8), nn.ReLU(), layer, nn.ReLU(), nn.Conv2d(8, 4, 3))


@pytest.mark.parametrize(
    ("build", "remedy"),
    [
        (lambda: ScaledConv(8, 8, 3), r"plain Conv2d.*weights='binary'"),
        (lambda: Standardised(8, 8, 3), "plain Conv2d"),
        (lambda: NormAct(8), "plain BatchNorm2d$"),
        (patched, "plain Conv2d"),
    ],
)
def test_what_a_class_of_the_users_computes_is_not_lost(build, remedy):
    with pytest.raises(BadInput, match=r"module '2'.*of its own") as refused:
        etb.prepare(own_layer(build()), X)
    assert re.search(remedy, refused.value.remedy)
    with pytest.raises(BadInput, match=r"module '2'.*of its own"):  # a pattern means the activations alone
        etb.prepare(own_layer(build()), X, {"*": etb.Rule(activation="uint2")})


@pytest.mark.parametrize("weights", ["binary", "keep"])
def test_rules_say_what_becomes_of_such_a_class(weights):
    prepared = etb.prepare(own_layer(ScaledConv(8, 8, 3)), X, {"2": etb.Rule(weights=weights)})
    assert isinstance(prepared[2], Evolving if weights == "binary" else ScaledConv)
    assert isinstance(prepared[0], Evolving)


def test_preparing_changes_neither_the_model_nor_random_numbers():
    model = ResNet()
    before = copy.deepcopy(model.state_dict())
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    prepared = etb.prepare(model, X)
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not {id(p) for p in prepared.parameters()} & {id(p) for p in model.parameters()}
    assert prepared.training


class Activated(nn.Module):
    """Two layers, with an activation as a function."""

    def __init__(self, act: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Conv2d(3, 8, 3, bias=False), nn.Conv2d(8, 8, 3, bias=False)
        self.norm, self.act, self.last = nn.BatchNorm2d(8), act, nn.Linear(8 * 16, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.norm(self.first(x)))
        x = self.act(self.second(x) / 4)
        return self.last(x.flatten(1))


def acts(model: nn.Module, rules: dict[str, etb.Rule] | None = None) -> int:
    """The activations of a network when it is prepared."""
    return sum(isinstance(part, EvolvingAct) for part in etb.prepare(model, X, rules).modules())


@pytest.mark.parametrize(
    "act",
    [
        lambda x: x.clamp(-1, 1),
        lambda x: torch.clip(x, min=-2, max=2),
        lambda x: x.clamp(min=0),
        lambda x: x.clamp_(-1.0, 1.0),
        lambda x: torch.sign(x.clamp(-1, 1)),
        lambda x: F.hardtanh(x).sign(),
        lambda x: (x.sign() - x.clamp(-1, 1)).detach() + x.clamp(-1, 1),
        lambda x: x.clamp(-1, 1) + (torch.sign(x) - x.clamp(-1, 1)).detach(),
        lambda x: torch.sign(x).detach() - torch.tanh(x).detach() + torch.tanh(x),
    ],
)
def test_a_clip_is_an_activation_and_around_a_sign_it_is_passed_by(act):
    """All become what a sign alone becomes: one activation a place, and groups that can be cut."""
    signs, found = etb.prepare(Activated(torch.sign), X), etb.prepare(Activated(act), X)
    assert sum(isinstance(part, EvolvingAct) for part in found.modules()) == 2
    assert set(note_of(found).plan.whole) == set(note_of(signs).plan.whole)
    torch.testing.assert_close(found(X), signs(X), rtol=0, atol=0)
    found(X).square().sum().backward()
    assert all(part.latent.grad.any() for part in found.modules() if isinstance(part, Evolving))


@pytest.mark.parametrize(
    "act",
    [
        F.hardtanh_, F.relu_, F.leaky_relu_, F.elu_, F.selu, F.selu_, F.mish, F.softplus, F.softsign, F.celu,
        F.rrelu, torch.relu_, torch.tanh_, torch.sgn, F.logsigmoid,
        lambda x: x.sign_(), lambda x: x.tanh_(), lambda x: x.sigmoid_(), lambda x: x.relu_(),
        lambda x: F.threshold(x, 0, 0), lambda x: torch.clamp_min(x, 0), lambda x: x.clamp_min_(0),
        lambda x: F.hardtanh_(x, -2, 2).sign_(),
        nn.CELU(), nn.RReLU(), nn.Threshold(0, 0), nn.LogSigmoid(),
    ],
)  # fmt: skip
def test_an_activation_is_one_however_it_is_called(act):
    signs, found = etb.prepare(Activated(torch.sign), X), etb.prepare(Activated(act), X)
    assert sum(isinstance(part, EvolvingAct) for part in found.modules()) == 2
    torch.testing.assert_close(found(X), signs(X), rtol=0, atol=0)
    found(X).square().sum().backward()
    assert all(part.latent.grad.any() for part in found.modules() if isinstance(part, Evolving))


class Sloped(Activated):
    """The slopes of its activations are a parameter of its own."""

    def __init__(self) -> None:
        super().__init__(F.relu)
        self.slopes = nn.Parameter(torch.full((8,), 0.25))

    def forward(self, x: Tensor) -> Tensor:
        x = F.prelu(self.norm(self.first(x)), self.slopes)
        x = F.prelu(self.second(x) / 4, self.slopes)
        return self.last(x.flatten(1))


def test_the_slopes_of_an_activation_leave_with_it():
    found = etb.prepare(Sloped(), X)
    torch.testing.assert_close(found(X), etb.prepare(Activated(torch.sign), X)(X), rtol=0, atol=0)
    found(X).square().sum().backward()
    without = {name for name, value in found.named_parameters() if value.grad is None}
    assert "slopes" not in dict(found.named_parameters())
    assert not without


@pytest.mark.parametrize(
    "act", [lambda x: x.clamp(min=1e-3), lambda x: (x.round() - x).detach() + x, lambda x: x.clamp(1, 2)]
)
def test_other_clips_and_roundings_stay_what_they_are(act):
    assert acts(Activated(act)) == 0


def test_a_hardtanh_in_front_of_a_sign_is_no_second_activation():
    class Sign(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.sign(x)

    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Hardtanh(), Sign(), nn.Flatten(), nn.Linear(144, 2))
    assert acts(net) == 1
    assert acts(net, {"1": etb.Rule(activation="uint2")}) == 2


def changed_twice(x: Tensor) -> Tensor:
    x.clamp_(-1, 1)
    y = x
    x += 1
    x *= 2.0
    return (y + x) / 4


def changed_by_view(x: Tensor) -> Tensor:
    x.view(-1).clamp_(-1, 1)
    return x


def anew(x: Tensor) -> Tensor:
    x = (x.clamp(-1, 1) + 1) * 2
    return (x + x) / 4


def test_what_is_changed_in_place_is_changed_for_all_who_read_it():
    model, other = Activated(changed_twice), Activated(anew)
    torch.testing.assert_close(model.eval()(X), other.eval()(X), rtol=0, atol=0)
    made, expected = etb.prepare(model, X), etb.prepare(other, X)
    torch.testing.assert_close(made(X), expected(X), rtol=0, atol=0)
    made.train()(X).square().sum().backward()
    with pytest.raises(BadInput, match=r"clamp_ .*line \d+.*in place.*by way of a view") as refused:
        etb.prepare(Activated(changed_by_view), X)
    assert "go on with its result" in refused.value.remedy


class Inplace(nn.Module):
    """What an activation has changed in place is read again, as in torch by those who come after it."""

    def __init__(self, inplace: bool) -> None:
        super().__init__()
        self.first, self.norm, self.act = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=inplace)
        self.middle, self.last = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 4, 1)
        self.inplace = inplace

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.first(x))
        y = self.act(x)
        if not self.inplace:
            x = y
        return self.last(self.middle(y) + x)


def test_what_a_module_changes_in_place_is_changed_for_all_who_read_it():
    model = Inplace(True)
    other = Inplace(False)
    other.load_state_dict(model.state_dict())
    torch.testing.assert_close(model.eval()(X), other.eval()(X), rtol=0, atol=0)
    made, expected = etb.prepare(model, X), etb.prepare(other, X)
    torch.testing.assert_close(made(X), expected(X), rtol=0, atol=0)
    made.train()(X).square().sum().backward()
    assert model.act.inplace, "the user's network stays as it was"


@pytest.mark.parametrize("act", [nn.Hardtanh, nn.ReLU6, nn.Hardswish])
def test_a_dropout_in_place_behind_a_sign_trains(act):
    """As torchvision's MobileNetV3 has it; nn.Hardtanh keeps its input, a sign what it gives."""
    dropout = nn.Dropout(0.5, inplace=True)
    net = nn.Sequential(nn.Flatten(), nn.Linear(X[0].numel(), 16), act(), dropout, nn.Linear(16, 4))
    made = etb.prepare(net, X).train()
    made(X).square().sum().backward()
    made.eval()
    etb.check(made)


WRAPPED: dict[str, tuple[Callable[[nn.Module], Any], str]] = {
    "data parallel": (nn.DataParallel, "module 'DataParallel': wraps a network"),
    "compiled": (
        lambda net: torch.compile(net, backend="eager"),
        "module 'OptimizedModule': wraps a network",
    ),
    "scripted": (
        lambda net: nn.Sequential(nn.Identity(), torch.jit.script(net)),
        r"module '1': is compiled by torch\.jit",
    ),
    "narrowed": (
        lambda net: nn.Sequential(net, nn.Conv2d(4, 0, 1), nn.Conv2d(0, 4, 1)),
        r"module '1': has no channels: its weight has shape \(0, 4, 1, 1\)",
    ),
}


@pytest.mark.filterwarnings("ignore:.*torch.jit|Initializing zero-element:")
@pytest.mark.parametrize("kind", WRAPPED)
def test_what_hides_the_layers_or_has_none_is_named(kind):
    wrap, said = WRAPPED[kind]
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 1))
    with pytest.raises(BadInput, match=said):
        etb.prepare(wrap(net), X)


def test_a_norm_over_all_processes_is_cut_as_any():
    torch.manual_seed(2)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 1))
    synced = etb.prepare(nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(net)), X)
    assert isinstance(synced[1], nn.SyncBatchNorm)
    plain = etb.prepare(net, X)
    for made in (synced, plain):
        evolution = etb.Evolution(made, target=0.3, steps=4)
        for _ in range(4):
            made(X).square().sum().backward()
            evolution.step()
    slim, other = etb.slim(synced, X), etb.slim(plain, X)
    assert slim[0].out_channels == other[0].out_channels < 8
    torch.testing.assert_close(slim(X), other(X), rtol=0, atol=0)


class Counting(nn.Module):
    """Numbers, other than tensors, are nobody else's; nor does preparing change the example."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 8, 3, bias=False), nn.Conv2d(8, 4, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x -= 0.5
        rows = x.shape[2]
        wider = rows
        wider += 2
        return self.last(torch.sign(self.first(x)))[:, :, : rows + wider - 15].mean((2, 3))


def test_numbers_are_not_changed_in_place():
    x = torch.rand(2, 3, 8, 8)
    model = Counting()
    made = etb.prepare(model, before := x.clone())
    assert torch.equal(before, x)
    assert made(x.clone()).shape == model(x.clone()).shape
    assert "rows" not in str(made.graph)


class Made(nn.Module):
    """A forward that makes a tensor, in front of an activation that is a function."""

    def __init__(self, made: Callable[[], Tensor]) -> None:
        super().__init__()
        self.first, self.last, self.made = nn.Conv2d(3, 8, 3, bias=False), nn.Linear(8, 4), made

    def forward(self, x: Tensor) -> Tensor:
        return self.last(F.relu(self.first(x) * self.made()).mean((2, 3)))


def test_a_tensor_that_a_forward_makes_is_the_same_in_both_modes():
    net = etb.prepare(Made(lambda: torch.tensor([2.0, float("nan")])[:1]), X)
    assert sum(isinstance(part, EvolvingAct) for part in net.modules()) == 1
    assert len([name for name in net.state_dict() if "constant" in name]) == 1
    with pytest.raises(BadInput, match="something else in training"):
        etb.prepare(Made(lambda: torch.rand(1)), X)


class Joined(nn.Module):
    """A padded convolution that reads two branches."""

    def __init__(self, other: nn.Module) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(1, 3, 1, bias=False), nn.BatchNorm2d(3), other)
        self.last = nn.Conv2d(7, 2, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(torch.cat([self.first(x), self.second(x)], 1))


def test_signs_that_are_joined_are_padded_as_signs() -> None:
    """A border of zeros would make a stream of them one of three values."""
    x = torch.arange(32).reshape(2, 1, 4, 4).float()
    joined = etb.prepare(Joined(nn.Hardtanh()), x).get_submodule("last")
    assert joined.pad is not None
    assert joined.pad.value == -1
    wider = etb.prepare(Joined(nn.Hardtanh()), x, {"second.2": etb.Rule(activation="uint2")})
    pad = wider.get_submodule("last").pad
    assert pad is None or pad.value == 0


@pytest.mark.parametrize(
    ("rule", "border"), [("uint2", 0), ("uint4", 0), ("stream", 0), ("keep", 0), ("bipolar", -1)]
)
def test_a_border_is_one_of_the_values_that_a_rule_makes(rule: str, border: int) -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 2, 3, padding=1),
    )
    made = etb.prepare(model, torch.ones(2, 1, 8, 8), {"2": etb.Rule(activation=rule)})
    pad = made.get_submodule("4").pad
    assert (0 if pad is None else pad.value) == border


class Picked(nn.Module):
    """A padded convolution that reads some channels of another's."""

    def __init__(self, pick: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.pick = pick
        self.last = nn.LazyConv2d(2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.pick(self.first(x)))


@pytest.mark.parametrize(
    ("pick", "border"),
    [
        (lambda x: x[:, 2:6], -1),
        (lambda x: x.chunk(2, 1)[1], -1),
        (lambda x: torch.split(x, [3, 5], 1)[0], -1),
        (lambda x: x.chunk(4, 1)[1:3][0], -1),
        (lambda x: F.channel_shuffle(x, 2), -1),
        (nn.ChannelShuffle(4), -1),
        (lambda x: torch.index_select(x, 1, torch.tensor([3, 1])), -1),
        (lambda x: x.view(-1, 2, 4, 4, 4).transpose(1, 2).contiguous().view(-1, 8, 4, 4), -1),
        (lambda x: x.view(-1, 2, 4, 4, 4).permute(0, 2, 1, 3, 4).reshape(-1, 8, 4, 4), -1),
        (lambda x: x.unsqueeze(1).squeeze(1).narrow(1, 2, 4), -1),
        (lambda x: torch.aminmax(x, dim=0, keepdim=True)[0] * 0.5, 0),
        (lambda x: torch.std_mean(x, 1, keepdim=True)[0], 0),  # deviations are no signs
    ],
)
def test_channels_that_are_picked_stay_what_they_are(
    pick: Callable[[Tensor], Tensor], border: int, caplog
) -> None:
    x = torch.arange(32).reshape(2, 1, 4, 4).float()
    model = Picked(pick)
    model(x)  # tells the lazy layer its inputs
    made = etb.prepare(model, x)
    pad = made.get_submodule("last").pad
    assert (0 if pad is None else pad.value) == border
    assert "group first.0 stays whole" in caplog.text


class Dropping(nn.Module):
    """Dropouts as functions: of rows, by default, and in both modes."""

    def __init__(self, always: bool = False) -> None:
        super().__init__()
        self.conv, self.fc, self.always = nn.Conv2d(3, 8, 3, bias=False), nn.Linear(8, 4), always

    def forward(self, x: Tensor) -> Tensor:
        x = F.dropout2d(torch.sign(self.conv(x)), 0.25, self.training)
        x = F.dropout(x, training=self.training)
        return self.fc(F.dropout(x.mean((2, 3)), 0.5, self.always))


def test_dropouts_may_be_functions() -> None:
    torch.manual_seed(0)
    model = etb.prepare(Dropping(), X)
    found = [module for module in model.modules() if isinstance(module, nn.modules.dropout._DropoutNd)]
    assert [(type(module), module.p) for module in found] == [(nn.Dropout2d, 0.25), (nn.Dropout, 0.5)]
    assert "conv" not in note_of(model).plan.whole
    assert not torch.equal(model.train()(X), model(X))
    assert torch.equal(model.eval()(X), model(X))
    always = etb.prepare(Dropping(True), X).eval()
    assert not torch.equal(always(X), always(X))


class Ending(nn.Module):
    def __init__(self, ending: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.last, self.ending = conv(3, 8), nn.Conv2d(8, 4, 3, bias=False), ending

    def forward(self, x: Tensor) -> Tensor:
        return self.ending(self.last(self.first(x)).mean((2, 3)))


@pytest.mark.parametrize("ending", [nn.Sigmoid(), torch.sigmoid, nn.Softmax(1), lambda x: x.log_softmax(1)])
def test_what_ends_a_network_is_no_activation(ending: Callable[[Tensor], Tensor]) -> None:
    torch.manual_seed(0)
    model = etb.prepare(Ending(ending), X, {"*": etb.Rule(activation="bipolar")}).eval()
    torch.manual_seed(0)
    logits = etb.prepare(Ending(nn.Identity()), X).eval()
    assert torch.equal(model(X), ending(logits(X)))
    assert note_of(model).plan.whole["last"] == "it is the network's output"


@pytest.mark.parametrize(
    "ending",
    [
        lambda x: torch.sigmoid(x).view(-1),
        lambda x: x.sigmoid().unsqueeze(1).squeeze(1),
        lambda x: torch.cat([x[:, :1], torch.sigmoid(x[:, 1:])], 1),  # a head of a detector
        lambda x: 2 * torch.sigmoid(x),
        F.logsigmoid,
        nn.LogSigmoid(),
    ],
)
def test_nor_is_what_stands_in_a_head(ending: Callable[[Tensor], Tensor]) -> None:
    torch.manual_seed(0)
    model = etb.prepare(Ending(ending), X).eval()
    torch.manual_seed(0)
    logits = etb.prepare(Ending(nn.Identity()), X).eval()
    assert torch.equal(model(X), ending(logits(X)))


def test_a_rule_may_make_a_sign_of_the_end() -> None:
    model = etb.prepare(Ending(nn.Sigmoid()), X, {"ending": etb.Rule(activation="bipolar")})
    assert isinstance(model.ending, EvolvingAct)


class Padded(nn.Module):
    def __init__(self, border: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.border = conv(3, 8), border
        self.last = nn.Conv2d(border(torch.zeros(1, 8, 4, 4)).shape[1], 4, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.border(self.first(x))).mean((2, 3))


def prepared_with(border: Callable[[Tensor], Tensor]) -> nn.Module:
    torch.manual_seed(0)
    return etb.prepare(Padded(border), X)


@pytest.mark.parametrize(
    ("border", "module"),
    [
        (lambda x: F.pad(x, (1, 1, 1, 1), value=-1.0), nn.ConstantPad2d(1, -1.0)),
        (lambda x: F.pad(x, [1, 2], "constant", -1), nn.ConstantPad2d((1, 2, 0, 0), -1.0)),
        (lambda x: F.pad(x, (1, 1, 1, 1)), nn.ZeroPad2d(1)),
    ],
)
def test_a_border_may_be_a_function(border: Callable[[Tensor], Tensor], module: nn.Module) -> None:
    function, other = prepared_with(border), prepared_with(module)
    assert "first.0" not in note_of(function).plan.whole
    assert note_of(function).plan.widths == note_of(other).plan.widths
    assert torch.equal(function.eval()(X), other.eval()(X))


@pytest.mark.parametrize(
    "border",
    [
        lambda x: F.pad(x, (0, 0, 0, 0, 1, 1), value=-1.0),
        lambda x: F.pad(x, (1, 1, 1, 1), "reflect"),
    ],
)
def test_borders_that_mix_channels_or_pixels_keep_them_whole(border: Callable[[Tensor], Tensor]) -> None:
    assert "first.0" in note_of(prepared_with(border)).plan.whole


class Sliced(nn.Module):
    """Parts of a Sequential, and modules without weights that are made on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(*conv(3, 8), *conv(8, 8))
        self.fc = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.net[3:](nn.MaxPool2d(2)(self.net[:3](x)))
        return self.fc(nn.Flatten()(x.mean((2, 3))))


def test_parts_of_containers_and_modules_of_a_forward_are_looked_through() -> None:
    model = etb.prepare(Sliced(), X)
    assert {"net.0", "net.3"} <= {layer.name for layer in note_of(model).plan.layers}
    assert not {"net.0", "net.3"} & note_of(model).plan.whole.keys()
    etb.check(model)


class OddlyNamed(nn.Module):
    """A forward whose module is not called self."""

    def __init__(this) -> None:
        super().__init__()
        this.conv = nn.Conv2d(3, 8, 3)

    def forward(this, x: Tensor) -> Tensor:
        x = this.conv(x)
        if x.mean() > 0:
            x = x * 2
        return x


def test_the_line_of_a_refusal_is_found_whatever_the_module_is_called() -> None:
    with pytest.raises(BadInput, match=r"test_preparing\.py line \d+: `if x\.mean\(\) > 0:`"):
        etb.prepare(OddlyNamed(), X)
