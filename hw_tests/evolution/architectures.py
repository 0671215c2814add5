"""Small networks of well-known topologies, in plain torch, as their authors write them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from etb_hw.evolution.rewrite import Additions


@dataclass(frozen=True)
class Architecture:
    """What is built, of images, signals or features of a ``shape``, and how it is prepared."""

    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    additions: Additions = "keep"


def block(
    inputs: int,
    outputs: int,
    kernel: int = 3,
    stride: int = 1,
    act: type[nn.Module] = nn.ReLU,
    groups: int = 1,
) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), act())


class UNet(nn.Module):
    """Down twice and up again, with skips that are joined: gives an image of three classes a pixel."""

    def __init__(self, inputs: int = 1) -> None:
        super().__init__()
        self.first, self.second, self.inner = block(inputs, 8), block(8, 12), block(12, 16)
        self.right, self.last = block(16 + 12, 12), block(12 + 8, 8)
        self.head = nn.Conv2d(8, 3, 1)
        self.down, self.up = nn.MaxPool2d(2), nn.Upsample(scale_factor=2)

    def forward(self, x: Tensor) -> Tensor:
        whole = self.first(x)
        half = self.second(self.down(whole))
        quarter = self.inner(self.down(half))
        half = self.right(torch.cat([self.up(quarter), half], 1))
        return self.head(self.last(torch.cat([self.up(half), whole], 1)))


class TransposedUNet(nn.Module):
    """Its way up is a transposed convolution, as in Ronneberger et al., 2015, and pixels out of channels."""

    def __init__(self) -> None:
        super().__init__()
        self.enc, self.pool, self.mid = block(1, 8), nn.MaxPool2d(2), block(8, 16)
        self.up = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.act = nn.Sequential(nn.BatchNorm2d(8), nn.ReLU())
        self.dec, self.out = block(16, 8), nn.Conv2d(8, 12, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        e = self.enc(x)
        u = self.act(self.up(self.mid(self.pool(e))))
        made: Tensor = F.pixel_shuffle(self.out(self.dec(torch.cat([e, u], 1))), 2)
        return made


class InvertedResidual(nn.Module):
    """Sandler et al., MobileNetV2, 2018: a linear bottleneck, added where it keeps the shape."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        inner = 3 * inputs
        self.body = nn.Sequential(
            block(inputs, inner, 1, act=nn.ReLU6),
            block(inner, inner, 3, stride, nn.ReLU6, groups=inner),
            nn.Conv2d(inner, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.adds else self.body(x)


def mobilenet_v2() -> nn.Module:
    return nn.Sequential(
        block(1, 8, act=nn.ReLU6),
        InvertedResidual(8, 8), InvertedResidual(8, 12, 2), InvertedResidual(12, 12),
        block(12, 24, 1, act=nn.ReLU6), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 10),
    )  # fmt: skip


class DenseNet(nn.Module):
    """Huang et al., 2017: every layer reads all before it, normalised anew."""

    def __init__(self, growth: int = 6, layers: int = 3) -> None:
        super().__init__()
        widths = [8 + growth * layer for layer in range(layers + 1)]
        self.stem = nn.Conv2d(1, 8, 3, padding=1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in widths)
        self.convs = nn.ModuleList(
            nn.Conv2d(width, growth, 3, padding=1, bias=False) for width in widths[:-1]
        )
        self.fc = nn.Linear(widths[-1], 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for norm, conv in zip(self.norms, self.convs, strict=False):
            x = torch.cat([x, conv(F.relu(norm(x)))], 1)
        return self.fc(F.avg_pool2d(F.relu(self.norms[-1](x)), 8).flatten(1))


class Inception(nn.Module):
    """Szegedy et al., 2015: four branches, one of them behind an overlapping pool."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = block(1, 12)
        self.one = block(12, 6, 1)
        self.three = nn.Sequential(block(12, 6, 1), block(6, 8, 3))
        self.five = nn.Sequential(block(12, 4, 1), block(4, 6, 5))
        self.pooled = nn.Sequential(nn.MaxPool2d(3, 1, 1), block(12, 6, 1))
        self.end = block(26, 16, 3, 2)
        self.fc = nn.Linear(16 * 16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = torch.cat([self.one(x), self.three(x), self.five(x), self.pooled(x)], 1)
        return self.fc(torch.flatten(self.end(x), 1))


class TemporalConvNet(nn.Module):
    """Bai et al., 2018: causal, dilated convolutions over signals, with residual sums of signs."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv1d(3, 16, 1, bias=False), nn.BatchNorm1d(16), nn.ReLU())
        self.convs = nn.ModuleList(nn.Conv1d(16, 16, 3, dilation=2**k, bias=False) for k in range(3))
        self.norms = nn.ModuleList(nn.BatchNorm1d(16) for _ in range(3))
        self.fc = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for k, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            x = F.relu(norm(conv(F.pad(x, (2 * 2**k, 0))))) + x
        return self.fc(x.mean(2))


def detector() -> nn.Module:
    """YOLO's grid of cells: leaky activations, and an output that is an image."""
    stages = [(3, 8), (8, 16)]
    layers = [part for i, o in stages for part in (block(i, o, act=nn.LeakyReLU), nn.MaxPool2d(2))]
    return nn.Sequential(*layers, block(16, 24, act=nn.LeakyReLU), nn.Conv2d(24, 10, 1))


class ResNeXt(nn.Module):
    """Xie et al., 2017: grouped convolutions within a residual block."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = block(1, 16)
        self.body = nn.Sequential(
            block(16, 16, 1), block(16, 16, 3, groups=4), nn.Conv2d(16, 16, 1, bias=False), nn.BatchNorm2d(16)
        )
        self.end = block(16, 32, 3, 2)
        self.fc = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = self.end(F.relu(x + self.body(x)))
        return self.fc(F.adaptive_avg_pool2d(x, (1, 1)).squeeze(-1).squeeze(-1))


def without_norms() -> nn.Module:
    """As before batch normalisation: biases, and dropout."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 24, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(24 * 4, 32), nn.ReLU(), nn.Dropout(), nn.Linear(32, 10),
    )  # fmt: skip


def autoencoder() -> nn.Module:
    """MLPerf Tiny's anomaly detection: features in, features out."""
    widths = [64, 32, 32, 8, 32, 32]
    layers = [part for i, o in pairwise(widths) for part in (nn.Linear(i, o), nn.BatchNorm1d(o), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(32, 64))


def keyword_spotter() -> nn.Module:
    """Zhang et al., DS-CNN, 2017: a first window that is no square, then depthwise and pointwise layers."""
    return nn.Sequential(
        nn.Conv2d(1, 16, (10, 4), (2, 2), (5, 1), bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        block(16, 16, 3, groups=16), block(16, 16, 1), nn.AvgPool2d((13, 5)), nn.Flatten(), nn.Linear(16, 12),
    )  # fmt: skip


def smooth_activations() -> nn.Module:
    """Activations that do not rise everywhere; all become signs."""
    return nn.Sequential(
        block(1, 12, act=nn.Hardswish), block(12, 12, act=nn.SiLU), block(12, 12, act=nn.GELU),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 10),
    )  # fmt: skip


class WithoutWeights(nn.Module):
    """He et al.'s shortcut A for CIFAR: every second pixel, and channels of zeros; none of it has weights."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)
        self.more, self.stride = (outputs - inputs) // 2, stride

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        x = x[:, :, :: self.stride, :: self.stride]
        y += F.pad(x, (0, 0, 0, 0, self.more, self.more), "constant", 0)
        return F.relu(y)


def resnet_of_cifar() -> nn.Module:
    return nn.Sequential(
        block(1, 8), WithoutWeights(8, 8, 1), WithoutWeights(8, 12, 2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 3),
    )  # fmt: skip


class BinaryConv(nn.Module):
    """XNOR-Net's order: normalise, take signs, drop some, convolve, and a ReLU behind."""

    def __init__(self, inputs: int, outputs: int, kernel: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.bn, self.dropout = nn.BatchNorm2d(inputs), dropout
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.dropout(torch.sign(self.bn(x)), self.dropout, self.training)
        return F.relu(self.conv(x))


def network_in_network() -> nn.Module:
    """XNOR-Net's for CIFAR: averages over a border, and a layer that reads a normalised activation."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 5, padding=2), nn.BatchNorm2d(8, affine=False), nn.ReLU(), BinaryConv(8, 8, 1),
        nn.MaxPool2d(3, 2, 1), BinaryConv(8, 12, 3, 0.2), nn.AvgPool2d(3, 2, 1), BinaryConv(12, 12, 3, 0.2),
        nn.BatchNorm2d(12, affine=False), nn.Conv2d(12, 3, 1), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(),
    )  # fmt: skip


def shuffled(x: Tensor, groups: int) -> Tensor:
    """As the authors of ShuffleNet's ports write it."""
    batch, channels, height, width = x.size()
    x = x.view(batch, groups, channels // groups, height, width)
    return x.transpose(1, 2).contiguous().view(batch, -1, height, width)


class ShuffleUnit(nn.Module):
    """Ma et al., ShuffleNet V2, 2018: half of the channels pass, half are convolved, and all are mixed."""

    def __init__(self, channels: int, stride: int, named: bool) -> None:
        super().__init__()
        inner = channels if stride > 1 else channels // 2
        half = [block(inner, inner, 3, stride, nn.Identity, inner), block(inner, inner, 1)]
        self.body = nn.Sequential(block(inner, inner, 1), *half)
        self.left = nn.Sequential(
            block(channels, channels, 3, stride, nn.Identity, channels), block(channels, channels, 1)
        )
        self.halves, self.shuffle = stride == 1, nn.ChannelShuffle(2) if named else None

    def forward(self, x: Tensor) -> Tensor:
        a, b = x.chunk(2, dim=1) if self.halves else (self.left(x), x)
        x = torch.cat((a, self.body(b)), dim=1)
        return shuffled(x, 2) if self.shuffle is None else self.shuffle(x)


def shuffle_net() -> nn.Module:
    return nn.Sequential(
        block(1, 6), ShuffleUnit(6, 2, True), ShuffleUnit(12, 1, False), ShuffleUnit(12, 1, True),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 3),
    )  # fmt: skip


class Improvement(nn.Module):
    """Bethge et al., MeliusNet, 2020: new channels behind the others, and a sum with the new ones alone."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.growth = growth
        self.dense = nn.Sequential(
            nn.Hardtanh(), nn.Conv2d(channels, growth, 3, 1, 1, bias=False), nn.BatchNorm2d(growth)
        )
        both = channels + growth
        self.better = nn.Sequential(
            nn.Hardtanh(), nn.Conv2d(both, growth, 3, 1, 1, bias=False), nn.BatchNorm2d(growth)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([x, self.dense(x)], 1)
        return torch.cat([x[:, : -self.growth], x[:, -self.growth :] + self.better(x)], 1)


def melius_net() -> nn.Module:
    return nn.Sequential(
        block(1, 24), nn.Conv2d(24, 8, 3, 1, 1, bias=False), nn.BatchNorm2d(8), Improvement(8, 4),
        Improvement(12, 4), nn.BatchNorm2d(16), nn.Hardtanh(),
        nn.AvgPool2d(4), nn.Flatten(), nn.Linear(64, 3),
    )  # fmt: skip


ARCHITECTURES: Mapping[str, Architecture] = {
    "U-Net": Architecture(UNet, (1, 8, 8)),
    "U-Net, transposed": Architecture(TransposedUNet, (1, 8, 8)),
    "MobileNetV2": Architecture(mobilenet_v2, (1, 8, 8), "stream"),
    "DenseNet": Architecture(DenseNet, (1, 8, 8)),
    "Inception": Architecture(Inception, (1, 8, 8)),
    "TCN": Architecture(TemporalConvNet, (3, 32)),
    "YOLO's grid": Architecture(detector, (3, 16, 16)),
    "ResNeXt": Architecture(ResNeXt, (1, 8, 8)),
    "no batch normalisation": Architecture(without_norms, (1, 8, 8)),
    "autoencoder": Architecture(autoencoder, (64,)),
    "ResNet, shortcut A": Architecture(resnet_of_cifar, (1, 8, 8), "stream"),
    "XNOR-Net's NIN": Architecture(network_in_network, (1, 8, 8), "stream"),
    "ShuffleNet V2": Architecture(shuffle_net, (1, 8, 8), "stream"),
    "MeliusNet": Architecture(melius_net, (1, 8, 8), "stream"),
    "DS-CNN": Architecture(keyword_spotter, (1, 25, 10)),
    "Hardswish, SiLU, GELU": Architecture(smooth_activations, (1, 8, 8)),
}
