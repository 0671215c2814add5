"""Random torch networks as users write them, from ``prepare`` to blocks: what ``check`` lets pass arrives."""

from __future__ import annotations

import random
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import etb_hw as etb
from etb_hw.dataflow.lower import lower
from etb_hw.errors import EtbError, one_line
from etb_hw.flow.proofs import prove_dataflow, prove_export, prove_packed
from etb_hw.integer.packed import PackedExecutor
from etb_hw.qonnx_io import import_model
from hw_tests.evolution.step_net import StepNet

CLASSES, IMAGES, STEPS = 5, 6, 8
_ACTIVATIONS = ("Hardtanh", "ReLU", "sign", "relu", "clamp", "hardtanh", "PReLU", "ReLU6", "none")


class OwnNet(StepNet):
    """Layers, pools and joins in orders of the field; ``sizes`` holds (C, H, W) of each tensor."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.draw = random.Random(seed)
        side = self.draw.choice([6, 8, 9])
        self.shape = (self.draw.choice([1, 3]), side, self.draw.choice([side, side, 7]))
        self.sizes = [self.shape]
        self._layer(0)
        for _ in range(self.draw.randint(2, 6)):
            self._more()
        self.flat = self.draw.random() < 0.6
        channels, height, width = self.sizes[-1]
        values = channels * height * width if self.flat else channels
        head: list[nn.Module] = []
        if self.draw.random() < 0.4:
            head = [nn.Linear(values, 12, bias=False), nn.BatchNorm1d(12)]
            head += self.draw.choice([[nn.Hardtanh()], [nn.ReLU()], [nn.ReLU(), nn.Dropout(0.1)], []])
            values = 12
        self.head = nn.Sequential(*head, nn.Linear(values, CLASSES, bias=self.draw.random() < 0.5))
        del self.draw

    def _add(
        self, op: str, inputs: tuple[int, ...], size: tuple[int, int, int], module: nn.Module | None = None
    ) -> int:
        name = f"m{len(self.steps)}"
        if module is not None:
            self.parts[name] = module
        self.steps.append((op, inputs, name))
        self.sizes.append(size)
        return len(self.sizes) - 1

    def _layer(self, x: int) -> int:
        """A convolution, then some of: pool, normalisation, activation, in an order of the field."""
        draw = self.draw
        channels, height, width = self.sizes[x]
        out, kernel, stride = draw.choice([4, 6, 8, 8, 9]), draw.choice([1, 3, 3]), draw.choice([1, 1, 1, 2])
        padding = draw.choice([0, kernel // 2])
        if min(height, width) + 2 * padding < kernel:
            padding = kernel // 2
        groups = draw.choice([1, 1, 1, channels, 2])
        if channels % groups or channels == 1:
            groups = 1
        out = out - out % groups or groups
        conv = nn.Conv2d(channels, out, kernel, stride, padding, groups=groups, bias=draw.random() < 0.25)
        size = (out, *((s + 2 * padding - kernel) // stride + 1 for s in (height, width)))
        x = self._add("part", (x,), size, conv)
        if draw.random() < 0.2:
            x = self._pool(x)
        if draw.random() < 0.85:
            x = self._add("part", (x,), self.sizes[x], nn.BatchNorm2d(out))
        if draw.random() < 0.15:
            x = self._add("part", (x,), self.sizes[x], draw.choice([nn.Identity(), nn.Dropout(0.1)]))
        return self._activation(x)

    def _activation(self, x: int) -> int:
        kind = self.draw.choice(_ACTIVATIONS)
        modules = {"Hardtanh": nn.Hardtanh, "ReLU": nn.ReLU, "ReLU6": nn.ReLU6}
        if kind == "none":
            return x
        if kind == "PReLU":
            return self._add("part", (x,), self.sizes[x], nn.PReLU(self.sizes[x][0]))
        if kind in modules:
            return self._add("part", (x,), self.sizes[x], modules[kind]())
        return self._add(kind, (x,), self.sizes[x])

    def _pool(self, x: int) -> int:
        channels, height, width = self.sizes[x]
        if min(height, width) < 3:
            return x
        kind = self.draw.choice(["MaxPool", "max_pool", "AvgPool", "overlapping"])
        half = (channels, height // 2, width // 2)
        if kind == "max_pool":
            return self._add("max_pool", (x,), half)
        if kind == "overlapping":
            return self._add(
                "part", (x,), (channels, (height - 1) // 2 + 1, (width - 1) // 2 + 1), nn.MaxPool2d(3, 2, 1)
            )
        return self._add("part", (x,), half, nn.MaxPool2d(2) if kind == "MaxPool" else nn.AvgPool2d(2))

    def _more(self) -> None:
        draw = self.draw
        x = draw.choice(range(max(1, len(self.sizes) - 3), len(self.sizes)))
        channels, height, width = size = self.sizes[x]
        alike = [i for i in range(1, len(self.sizes)) if self.sizes[i] == size]
        fitting = [i for i in range(1, len(self.sizes)) if self.sizes[i][1:] == size[1:]]
        small = max(height, width) <= 6
        match draw.randrange(17):
            case 0 | 1 | 2 | 3:
                self._layer(x)
            case 4:
                self._pool(x)
            case 5:
                y = self._add("add", (x, draw.choice(alike)), size)
                self._activation(y)
            case 6:
                y = draw.choice(fitting)
                if self.sizes[y][0] + channels <= 24:
                    self._add("cat", (x, y), (channels + self.sizes[y][0], height, width))
            case 7 if small:
                up = nn.ConvTranspose2d(channels, 6, 2, 2, bias=False)
                y = self._add("part", (x,), (6, 2 * height, 2 * width), up)
                y = self._add("part", (y,), self.sizes[y], nn.BatchNorm2d(6))
                self._activation(y)
            case 8 if small and channels % 4 == 0:
                self._add("part", (x,), (channels // 4, 2 * height, 2 * width), nn.PixelShuffle(2))
            case 9 if small:
                doubled = (channels, 2 * height, 2 * width)
                if draw.random() < 0.5:
                    self._add("interpolate", (x,), doubled)
                else:
                    self._add("part", (x,), doubled, nn.Upsample(scale_factor=2))
            case 10:
                self._add("pad", (x,), (channels, height + 2, width + 2))
            case 11:  # a residual around a layer that keeps the shape
                conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
                y = self._add("part", (x,), size, conv)
                y = self._add("part", (y,), size, nn.BatchNorm2d(channels))
                if draw.random() < 0.5:
                    y = self._activation(y)
                y = self._add("add", (y, x), size)
                self._activation(y)
            case 16 if channels % 2 == 0:
                op = draw.choice(["shuffle", "shuffle", "turned", "front", "every second"])
                kept = channels if op in ("shuffle", "turned") else channels // 2
                self._add(op, (x,), (kept, height, width))
            case 12:
                self._activation(self._add(draw.choice(["half", "shift", "minus", "dropout"]), (x,), size))
            case 13:
                y = self._add("part", (x,), size, nn.BatchNorm2d(channels))
                self._activation(y)
            case 14:  # a layer once more
                again = [n for n, m in self.parts.items() if isinstance(m, nn.Conv2d) and _keeps(m, channels)]
                if again:
                    self.steps.append(("part", (x,), draw.choice(again)))
                    self.sizes.append(size)
                    self._activation(len(self.sizes) - 1)
            case 15:  # separable: no normalisation in between
                each = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=draw.random() < 0.3)
                y = self._add("part", (x,), size, each)
                y = self._add("part", (y,), (6, height, width), nn.Conv2d(channels, 6, 1, bias=False))
                y = self._add("part", (y,), self.sizes[y], nn.BatchNorm2d(6))
                self._activation(y)


def _keeps(conv: nn.Conv2d, channels: int) -> bool:
    """Whether a convolution gives what it reads: so many channels of as many pixels."""
    same = conv.padding == (conv.kernel_size[0] // 2,) * 2 and conv.stride == (1, 1)
    return same and conv.in_channels == conv.out_channels == channels


def try_own(seed: int) -> str:
    """How far the network of a seed comes: ``built``, or the step that refused it, and why.

    Raises AssertionError where what ``check`` let pass is refused later, and whatever else goes wrong.
    """
    draw = random.Random(f"rules {seed}")
    torch.manual_seed(seed)
    net = OwnNet(seed)
    x = torch.randint(0, 256, (IMAGES, *net.shape)).float()
    rules = draw.choice([None, None, {"*": etb.Rule(activation="uint2")}])
    try:
        model = etb.prepare(net, x, rules, draw.choice(["keep", "stream", "stream"])).train()
    except EtbError as error:
        return f"prepare: {error.reason}"
    try:
        etb.check(model)
    except EtbError as error:
        return f"check: {error.reason}"
    try:
        evolution = etb.Evolution(model, 0.3, steps=STEPS)
    except EtbError as error:
        return f"evolution: {error.reason}"
    optimizer = torch.optim.Adam(model.parameters(), 1e-1)
    for step in range(STEPS):
        optimizer.zero_grad()
        F.cross_entropy(model(x), torch.arange(IMAGES) % CLASSES).backward()
        optimizer.step()
        evolution.step()
        if step == STEPS // 2 and draw.random() < 0.5:
            evolution.slim(optimizer)
    try:
        slim = etb.slim(model)  # compares
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.qonnx.onnx"
            etb.export(slim, path, "uint8")
            graph = import_model(path)
            samples = x.numpy().astype(np.int64)
            with torch.no_grad():
                prove_export(graph, path, samples, slim(x).numpy())
        prove_packed(PackedExecutor(graph), samples)
        prove_dataflow(lower(graph), graph, samples)
    except EtbError as error:
        raise AssertionError(f"seed {seed}: check let it pass, then: {one_line(error)}") from error
    return "built"


def try_all(seeds: Iterable[int]) -> tuple[Counter[str], list[str]]:
    """Counts of what became of the networks, and what went wrong."""
    found: Counter[str] = Counter()
    wrong: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in seeds:
            try:
                found[try_own(seed)] += 1
            except Exception as error:
                wrong.append(f"seed {seed}: {type(error).__name__}: {one_line(error)}")
    return found, wrong
