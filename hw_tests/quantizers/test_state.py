"""What a quantizer mirrors of its state follows when a state is loaded."""

import torch
from torch import nn

from etb_hw.models.layers import EvolvingAct, EvolvingConv2d, equipped
from etb_hw.quantizers import BIPOLAR


def layers() -> nn.Sequential:
    return nn.Sequential(
        equipped(EvolvingConv2d(3, 5, 3, bias=False), integers=True), EvolvingAct(5, BIPOLAR)
    )


def test_state_survives_loading():
    torch.manual_seed(0)
    net, other = layers(), layers()
    weights, act = net[0].quant, net[1].quant
    weights.alive[2] = 0
    weights.offset[1] = 0.25
    act.set_alive(torch.tensor([1.0, 0.0, 1.0, 1.0, 1.0]))
    weights.set_hard()
    other.load_state_dict(net.state_dict())
    x = torch.randn(2, 3, 6, 6)
    assert torch.equal(net(x), other(x))
    loaded = other[0].quantized()
    assert set(loaded.unique().tolist()) == {-1.0, 0.0, 1.0}
    assert not loaded[2].any()
    assert not other(x)[:, 1].any()
    assert other[0].quant.is_hard
    assert not other[1].quant.is_hard
