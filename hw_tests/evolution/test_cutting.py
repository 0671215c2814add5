"""Whatever channels a network loses, what is left of it computes the same."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import etb_hw as etb
from etb_hw.evolution.cut import cut
from etb_hw.evolution.kept_values import keep_values
from etb_hw.evolution.net import PreparedNet
from etb_hw.quantizers import EvolvingWeightQuant
from hw_tests.evolution.user_networks import NETWORKS


def lively(name: str, seed: int) -> tuple[nn.Module, torch.Tensor]:
    """A hard network whose normalisations, shifts and slopes are anything."""
    build, shape = NETWORKS[name]
    torch.manual_seed(seed)
    x = torch.randint(0, 256, (6, *shape)) / 256
    model = etb.prepare(build(), x).train()
    for _ in range(2):
        model(x)
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            if parameter.ndim == 1 and "threshold" not in parameter_name:
                parameter.add_(torch.randn_like(parameter) * 0.3)
            elif parameter_name.endswith(("move1.bias", "move2.bias", "move3.bias")):
                parameter.normal_(0, 0.5)
    return model.eval(), x


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", NETWORKS)
def test_any_channels_may_leave(name, seed):
    model, x = lively(name, seed)
    net = PreparedNet(model)
    generator = torch.Generator().manual_seed(seed)
    for group in net.plan.prunable:
        alive = (torch.rand(net.plan.widths[group], generator=generator) < 0.6).float()
        alive[0] = 1
        net.set_alive(group, alive)
    net.set_hard()
    with torch.no_grad():
        before = model(x)
        keep = net.keep()
        small = cut(net, keep)
        after = model(x)
    if name == "react":  # adds up floats in its classifier
        torch.testing.assert_close(after, before, rtol=1e-5, atol=1e-6)
    else:
        assert torch.equal(after, before)
    assert small.plan.widths == {**net.note.original.widths, **{g: len(c) for g, c in keep.items()}}
    etb.slim(model, x)


@pytest.mark.parametrize("name", NETWORKS)
def test_dead_channels_are_zero_wherever_they_are_read(name):
    """Not only the outputs agree: what every layer with weights reads of a dead channel is zero."""
    model, x = lively(name, 0)
    net = PreparedNet(model)
    for group in net.plan.prunable:
        alive = torch.ones(net.plan.widths[group])
        alive[::2] = 0
        net.set_alive(group, alive)
    net.set_hard()
    dead = {group: torch.arange(0, net.plan.widths[group], 2) for group in net.plan.prunable}
    seen = []

    def look(layer):
        def hook(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            for segment, start, stop in net.plan.spans(layer.inputs):
                if segment.group in dead:
                    part = inputs[0][:, start:stop].reshape(len(x), -1, segment.repeat, *inputs[0].shape[2:])
                    seen.append(layer.name)
                    assert not part[:, dead[segment.group]].any(), layer.name

        return hook

    for layer in net.plan.layers:
        net.module.get_submodule(layer.name).register_forward_pre_hook(look(layer))
    model(x)
    assert len(seen) >= 2


@pytest.mark.parametrize("hard", [False, True])
def test_filters_of_few_inputs_keep_their_values(hard: bool) -> None:
    """Weights close to each other and far from those that are gone: no zone of zeros had parted them."""
    for seed in range(150):
        rng = torch.Generator().manual_seed(seed)
        inputs, left = (int(torch.randint(*ends, (), generator=rng)) for ends in ((3, 9), (1, 4)))
        latent = 10.0 ** (seed % 5 - 3) * torch.randn(6, inputs, 1, 1, generator=rng)
        if seed % 3 == 0:  # some are equal but for rounding
            latent[:, 1] = latent[:, 0] * (1 + 1e-6 * torch.randn(6, 1, 1, generator=rng))
        before, after = EvolvingWeightQuant(6), EvolvingWeightQuant(6)
        before.threshold.data.uniform_(generator=rng)
        before.offset.normal_(0, 0.3, generator=rng)
        after.load_state_dict(before.state_dict())
        if hard:
            before.set_hard()
            after.set_hard()
        keep = torch.randperm(inputs, generator=rng)[:left]
        wanted = before(latent).detach()[:, keep]
        sliced = latent[:, keep].clone()
        keep_values(latent, before.offset.clone(), sliced, after, wanted, "conv")
        assert torch.equal(after(sliced), wanted)
        assert (sliced - latent[:, keep]).abs().max() <= 10 * latent.abs().max()
