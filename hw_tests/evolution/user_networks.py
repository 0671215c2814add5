"""Networks as users write them, none of ours: each with the shape of its input."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from brevitas_examples.bnn_pynq.models.CNV import CNV
from brevitas_examples.bnn_pynq.models.FC import FC
from torch import Tensor, nn


class Block(nn.Module):
    """torchvision's BasicBlock: one ReLU module in two places, an addition in place."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.downsample is not None:
            x = self.downsample(x)
        y += x
        return self.relu(y)


class ResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = nn.Sequential(Block(8, 8), Block(8, 8))
        self.layer2 = nn.Sequential(Block(8, 12, 2))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(12, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer2(self.layer1(self.relu(self.bn1(self.conv1(x)))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class LearnableBias(nn.Module):
    """ReActNet's shift a channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias.expand_as(x)


class ReActBlock(nn.Module):
    """Bi-Real's shortcut around every convolution; ReActNet's RSign and RPReLU; the sign is a function."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.move1 = LearnableBias(channels)
        self.conv = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn = nn.BatchNorm2d(channels)
        self.move2 = LearnableBias(channels)
        self.prelu = nn.PReLU(channels)
        self.move3 = LearnableBias(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn(self.conv(torch.sign(self.move1(x)))) + x
        return self.move3(self.prelu(self.move2(y)))


class ReAct(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8))
        self.blocks = nn.Sequential(ReActBlock(8), ReActBlock(8))
        self.fc = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.stem(x))
        return self.fc(x.mean((2, 3)))


def keywords() -> nn.Module:
    """A Conv1d net for keyword spotting: 40 features over 30 frames."""
    return nn.Sequential(
        nn.Conv1d(40, 16, 3, padding=1, bias=False), nn.BatchNorm1d(16), nn.Hardtanh(), nn.MaxPool1d(2),
        nn.Conv1d(16, 16, 3, bias=False), nn.BatchNorm1d(16), nn.Hardtanh(),
        nn.Conv1d(16, 12, 3, bias=False), nn.BatchNorm1d(12), nn.Hardtanh(),
        nn.Flatten(), nn.Linear(12 * 11, 10),
    )  # fmt: skip


class Branches(nn.Module):
    """Concatenation, a depthwise convolution, biases without a normalisation, and borders of -1."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.Hardtanh())
        self.b = nn.Sequential(nn.Conv2d(3, 6, 1, bias=True), nn.Hardtanh())
        self.pad = nn.ConstantPad2d(1, -1.0)
        self.mix = nn.Sequential(nn.Conv2d(14, 10, 3, bias=False), nn.BatchNorm2d(10), nn.Hardtanh())
        self.depth = nn.Conv2d(10, 10, 3, padding=1, groups=10, bias=False)
        self.norm = nn.BatchNorm2d(10)
        self.act = nn.Hardtanh()
        self.fc = nn.Linear(10 * 16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([self.a(x), self.b(x)], 1)
        x = F.max_pool2d(self.mix(self.pad(x)), 2)
        x = self.act(self.norm(self.depth(x)))
        return self.fc(x.flatten(1))


class Twice(nn.Module):
    """One convolution used twice, as in a recurrent network."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.Hardtanh())
        self.again = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(8), nn.BatchNorm2d(8)])
        self.acts = nn.ModuleList([nn.Hardtanh(), nn.Hardtanh()])
        self.fc = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for norm, act in zip(self.norms, self.acts, strict=True):
            x = act(norm(self.again(x)))
        return self.fc(x.mean((2, 3)))


class Xnor(nn.Module):
    """XNOR-Net's order (norm, sign, conv, pool), a clip for the gradient, pools that say their outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(8), nn.BatchNorm2d(12), nn.BatchNorm2d(12)])
        self.convs = nn.ModuleList([nn.Conv2d(8, 12, 3, padding=1), nn.Conv2d(12, 12, 3, padding=1)])
        self.pool, self.fc = nn.AdaptiveMaxPool2d(4), nn.Linear(48, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for norm, conv in zip(self.norms, self.convs, strict=False):
            x = norm(x)
            x = conv((x.sign() - x.clamp(-1, 1)).detach() + x.clamp(-1, 1))
            x = self.pool(x)
        x = F.adaptive_avg_pool2d(torch.sign(self.norms[2](x).clamp(-1, 1)), 2)
        return self.fc(x.flatten(1))


class Decoder(nn.Module):
    """Down and up again: sums are repeated in front of their normalisation, signs behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.Hardtanh())
        self.down = nn.Sequential(
            nn.MaxPool2d(2), nn.Conv2d(8, 10, 3, padding=1, bias=False), nn.Upsample(scale_factor=2),
            nn.BatchNorm2d(10), nn.Hardtanh(),
        )  # fmt: skip
        self.up = nn.Conv2d(10, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.act = nn.Hardtanh()
        self.fc = nn.Linear(8 * 16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.down(self.stem(x))
        x = self.up(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        x = F.max_pool2d(self.act(self.norm(x)), 4)
        return self.fc(x.flatten(1))


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "cnv": (lambda: CNV(10, 1, 1, 8, 3), (3, 32, 32)),
    "tfc": (lambda: FC(10, 1, 1, 1, in_channels=1, out_features=[64, 64, 64]), (1, 28, 28)),
    "tfc_w1a2": (lambda: FC(10, 1, 2, 2, in_channels=1, out_features=[48, 48]), (1, 28, 28)),
    "resnet": (ResNet, (3, 8, 8)),
    "react": (ReAct, (3, 12, 12)),
    "keywords": (keywords, (40, 30)),
    "branches": (Branches, (3, 8, 8)),
    "twice": (Twice, (3, 8, 8)),
    "xnor": (Xnor, (3, 8, 8)),
    "decoder": (Decoder, (3, 8, 8)),
}
