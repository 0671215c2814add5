"""The float network of a specification: the same topology in real weights, a teacher for the BNN."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from etb_hw.models.norm import ChannelNorm
from etb_hw.models.spec import INPUT, LayerSpec, NetSpec


class FloatTwin(nn.Module):
    """Evaluates the layers of a NetSpec in float arithmetic. Input: pixels (N, C, H, W); output: logits.

    Convolutions and dense layers are followed by pooling, batch normalisation and, where the binary network
    has signs, a ReLU; residual streams are added as they are.
    """

    def __init__(self, spec: NetSpec) -> None:
        super().__init__()
        self.spec = spec
        self.cores = nn.ModuleDict({layer.name: _core(spec, layer) for layer in spec.weighted})
        self.norms = nn.ModuleDict(
            {
                layer.name: ChannelNorm(spec.widths[layer.group])
                for layer in spec.layers
                if layer.op in ("conv", "dense", "sign")
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        # pixels of about unit size; the first normalisation takes out the rest
        pixels = x.float().div(64).contiguous(memory_format=torch.channels_last)
        tensors = {INPUT: pixels}
        for layer in self.spec.layers:
            tensors[layer.name] = self._evaluate(layer, *(tensors[name] for name in layer.inputs))
        return tensors[self.spec.layers[-1].name]

    def _evaluate(self, layer: LayerSpec, x: Tensor, *more: Tensor) -> Tensor:
        match layer.op:
            case "add":
                y = x + more[0]
            case "sumpool":
                y = x.mean((2, 3), keepdim=True)
            case "sign":
                y = F.relu(self.norms[layer.name](x))
            case "classifier":
                y = self.cores[layer.name](x.flatten(1))
            case "dense":
                y = F.relu(self.norms[layer.name](self.cores[layer.name](x.flatten(1))))
                y = y.unsqueeze(-1).unsqueeze(-1)
            case "conv":
                y = self.cores[layer.name](x)
                y = self.norms[layer.name](F.max_pool2d(y, layer.pool) if layer.pool > 1 else y)
                y = y if layer.kind.residual else F.relu(y)
        return y


def _core(spec: NetSpec, layer: LayerSpec) -> nn.Module:
    size = spec.geometry(layer)
    if layer.op == "conv":
        return nn.Conv2d(size.inputs, size.outputs, layer.kernel, layer.stride, layer.padding, bias=False)
    return nn.Linear(size.fan_in, size.outputs, bias=layer.op == "classifier")
