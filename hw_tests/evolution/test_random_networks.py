"""Random networks of users: whatever leaves, nothing that remains changes."""

from __future__ import annotations

import random

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import etb_hw as etb
from etb_hw.evolution.cut import cut
from etb_hw.evolution.net import PreparedNet
from hw_tests.evolution.step_net import StepNet


class RandomNet(StepNet):
    """Of tensors (N, C, 8, 8)."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        draw = random.Random(seed)
        channels = [3]

        def add(op: str, inputs: tuple[int, ...], width: int, module: nn.Module | None = None) -> int:
            name = f"m{len(self.steps)}"
            if module is not None:
                self.parts[name] = module
            self.steps.append((op, inputs, name))
            channels.append(width)
            return len(channels) - 1

        def pick() -> int:
            return draw.choice(range(max(1, len(channels) - 3), len(channels)))

        add("part", (0,), 6, nn.Conv2d(3, 6, 3, padding=1, bias=False))
        add("part", (1,), 6, nn.BatchNorm2d(6))
        for _ in range(draw.randint(6, 14)):
            x = pick()
            width = channels[x]
            same = [i for i in range(1, len(channels)) if channels[i] == width]
            match draw.randrange(12):
                case 0 | 1 | 2:
                    kernel, out = draw.choice([1, 3]), draw.choice([4, 6, 6, 9])
                    conv = nn.Conv2d(width, out, kernel, padding=kernel // 2, bias=draw.random() < 0.3)
                    y = add("part", (x,), out, conv)
                    if draw.random() < 0.8:
                        y = add("part", (y,), out, nn.BatchNorm2d(out))
                    add("part", (y,), out, nn.Hardtanh())
                case 3:
                    add(draw.choice(["sign", "relu"]), (x,), width)
                case 4:
                    add("add", (x, draw.choice(same)), width)
                case 5:
                    add("mul", (x, draw.choice(same)), width)
                case 6:
                    y = pick()
                    add("cat", (x, y), width + channels[y])
                case 7:
                    conv = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
                    y = add("part", (x,), width, conv)
                    add("part", (y,), width, nn.BatchNorm2d(width))
                case 8:
                    add("part", (x,), width, nn.PReLU(width))
                case 9:
                    self.shifts[f"m{len(self.steps)}"] = nn.Parameter(torch.randn(1, width, 1, 1))
                    add("shifted", (x,), width)
                case 10:
                    fitting = [
                        n
                        for n, m in self.parts.items()
                        if isinstance(m, nn.Conv2d) and m.in_channels == width
                    ]
                    if fitting:  # a layer once more
                        name = draw.choice(fitting)
                        self.steps.append(("part", (x,), name))
                        channels.append(self.parts[name].out_channels)
                case 11:
                    pad = draw.choice([nn.ConstantPad2d(1, -1.0), nn.ZeroPad2d(1)])
                    add("part", (x,), width, nn.Sequential(pad, nn.AvgPool2d(3, 1)))
        self.last = channels[-1]
        self.flat = draw.random() < 0.5
        self.head = nn.Linear(self.last * (64 if self.flat else 1), 5)


@pytest.mark.parametrize("seed", range(30))
def test_random_networks_lose_any_channels(seed):
    torch.manual_seed(seed)
    x = torch.rand(4, 3, 8, 8)
    model = etb.prepare(RandomNet(seed), x).train()
    model(x)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1 and "threshold" not in name:
                parameter.add_(torch.randn_like(parameter) * 0.3)
    # in float64 the order of additions decides no sign
    model.double().eval()
    net = PreparedNet(model)
    for group in net.plan.prunable:
        alive = (torch.rand(net.plan.widths[group]) < 0.6).double()
        alive[0] = 1
        net.set_alive(group, alive)
    net.set_hard()
    with torch.no_grad():
        before = model(x.double())
        keep = net.keep()
        small = cut(net, keep)
        after = model(x.double())
    torch.testing.assert_close(after, before, rtol=1e-9, atol=1e-9)
    for layer in small.plan.layers:
        weight = model.get_submodule(layer.name).weight
        assert weight.shape[0] == small.plan.size(layer.outputs)
        assert layer.grouped or weight.shape[1] == small.plan.size(layer.inputs)


@pytest.mark.parametrize("seed", [*range(8), 1037, 1039, 1063])
def test_random_networks_evolve_and_get_slim_with_the_same_bits(seed):
    draw = random.Random(seed)
    torch.manual_seed(seed)
    x = torch.randint(0, 256, (6, 3, 8, 8)) / 256
    rules = draw.choice([None, {"*": etb.Rule(activation="uint2")}])
    model = etb.prepare(RandomNet(seed), x, rules, draw.choice(["keep", "stream"])).train()
    evolution = etb.Evolution(model, 0.3, steps=8)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for step in range(8):
        optimizer.zero_grad()
        F.cross_entropy(model(x), torch.arange(6) % 5).backward()
        optimizer.step()
        evolution.step()
        if step == 5 and draw.random() < 0.5:
            evolution.slim(optimizer)
    etb.slim(model)  # compares
    assert evolution.pruned >= 0.29
