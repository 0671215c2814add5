"""Transposed convolutions whose windows do not overlap: a 1x1 convolution, and pixels of its channels.

With a stride as large as the kernel every output pixel is one product, so that the layer is a 1x1 convolution
with a filter for each place in a window, and nn.PixelShuffle behind it. That is how hardware does it, and its
filters evolve like any.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from brevitas.nn.quant_layer import QuantWeightBiasInputOutputLayer
from torch import nn

from etb_hw.evolution.rules import USUAL, Rule, Rules, bits_of, rule_of


def spread(model: nn.Module, rules: Rules) -> Rules:
    """Put such pairs in the places of a model's transposed convolutions; the rules are theirs then, too."""
    more: dict[str, Rule] = {}
    for path, module in list(model.named_modules()):
        rule = rule_of(rules, path)
        if path and _is_such(module) and rule.weights != "keep":
            assert isinstance(module, nn.ConvTranspose2d)
            model.set_submodule(path, _pair(module))
            if rule is not USUAL:
                more[f"{path}.0"] = replace(rule, activation=None)
    return {**more, **rules}


def _is_such(module: nn.Module) -> bool:
    if not isinstance(module, nn.ConvTranspose2d):
        return False
    if isinstance(module, QuantWeightBiasInputOutputLayer) and bits_of(module.weight_quant) not in (None, 1):
        return False
    square = module.kernel_size == module.stride and len(set(module.kernel_size)) == 1
    alone = (module.padding, module.output_padding, module.dilation) == ((0, 0), (0, 0), (1, 1))
    return square and alone and module.groups == 1


@torch.no_grad()
def _pair(old: nn.ConvTranspose2d) -> nn.Sequential:
    """Filters are numbered (channel, y, x), as PixelShuffle has them."""
    block = old.kernel_size[0]
    count = old.out_channels * block**2
    conv = nn.Conv2d(old.in_channels, count, 1, bias=old.bias is not None).to(old.weight)
    conv.weight.copy_(old.weight.permute(1, 2, 3, 0).reshape(count, old.in_channels, 1, 1))
    if old.bias is not None:
        assert conv.bias is not None
        conv.bias.copy_(old.bias.repeat_interleave(block**2))
    pair = nn.Sequential(conv, nn.PixelShuffle(block))
    pair.train(old.training)
    for parameter in pair.parameters():
        parameter.requires_grad_(old.weight.requires_grad)
    return pair
