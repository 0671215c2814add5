"""Random descriptions of networks, as a user might write them."""

from __future__ import annotations

import random

from etb_hw.models import CLASSES, INPUT, LayerSpec, NetSpec
from etb_hw.models.spec import Op, Shape


def random_topology(rng: random.Random, shape: Shape, classes: int) -> NetSpec:
    """Convolutions, residual blocks, pools and dense layers in any order that fits the image."""
    layers: list[LayerSpec] = []
    widths = {INPUT: shape[0]}
    size = min(shape[1:])
    at, stream = INPUT, False

    def add(op: Op, inputs: tuple[str, ...], group: str | None = None, **more: object) -> str:
        name = f"{op}{len(layers)}"
        if group is None:
            group = name
            widths[group] = rng.randint(2, 9)
        layers.append(LayerSpec(name, op, inputs, group, **more))
        return name

    for _ in range(rng.randint(1, 4)):
        if stream:
            group = layers[-1].group
            if rng.random() < 0.5:  # a residual block
                sign = add("sign", (at,), group)
                inner = add("conv", (sign,), kernel=3, padding=1)
                back = add("conv", (inner,), group, kernel=rng.choice((1, 3)), output="stream")
                if layers[-1].kernel == 3:
                    layers[-1] = LayerSpec(**{**vars(layers[-1]), "padding": 1})
                at = add("add", (at, back), group, output="stream")
                continue
            at, stream = add("sign", (at,), group), False
        kernel = rng.choice((1, 2, 3)) if size > 2 else 1
        stride = rng.choice((1, 1, 2)) if size > 3 else 1
        padding = rng.randint(0, kernel - 1)
        out = (size + 2 * padding - kernel) // stride + 1
        pool = 2 if out >= 2 and rng.random() < 0.4 else 1
        stream = rng.random() < 0.4
        at = add(
            "conv", (at,), kernel=kernel, stride=stride, padding=padding, pool=pool,
            output="stream" if stream else "bipolar",
        )  # fmt: skip
        size = out // pool
    if stream and rng.random() < 0.6:
        at = add("sumpool", (at,), layers[-1].group, output="stream")
    elif stream:
        at, stream = add("sign", (at,), layers[-1].group), False
    if not stream and rng.random() < 0.5:
        at = add("dense", (at,))
    widths[CLASSES] = classes
    layers.append(LayerSpec("classifier", "classifier", (at,), CLASSES))
    return NetSpec("drawn", shape, classes, tuple(layers), widths)
