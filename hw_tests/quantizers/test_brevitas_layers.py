"""The quantizers inside Brevitas layers: state survives loading, which re-creates quantizers."""

import torch
from brevitas.nn import QuantConv2d

from etb_hw.quantizers import EvolvingWeight


def _conv() -> QuantConv2d:
    return QuantConv2d(3, 5, 3, bias=False, weight_quant=EvolvingWeight.let(channels=5))


def test_state_survives_loading():
    torch.manual_seed(0)
    conv, other = _conv(), _conv()
    quantizer = conv.weight_quant.tensor_quant
    quantizer.alive[2] = 0
    quantizer.offset[1] = 0.25
    quantizer.set_hard()
    other.load_state_dict(conv.state_dict())
    other.weight_quant.tensor_quant.read_mirrors()
    x = torch.randn(2, 3, 6, 6)
    assert torch.equal(conv(x), other(x))
    loaded = other.weight_quant.tensor_quant(other.weight)[0]
    assert set(loaded.unique().tolist()) == {-1.0, 0.0, 1.0}
    assert not loaded[2].any()


def test_bit_width_is_two_while_ternary_and_one_when_binary():
    conv = _conv()
    assert conv.weight_quant.bit_width() == 2
    conv.weight_quant.tensor_quant.set_hard()
    assert conv.weight_quant.bit_width() == 1
