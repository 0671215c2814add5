"""ResNet-18 for small images, binarised, with residual streams of integers.

A block reads the stream r through signs and adds to it: r' = r + q(conv2(sign(conv1(sign(r))))), where q
rounds the normalised sums to 4-bit integers (multi-threshold in hardware); where the stream changes its
width, the shortcut is q(conv1x1(sign(r))). So every addition is one of integers, exactly as in hardware. All
streams of a stage share one pruning mask, the channels inside a block are free. The head sums the stream over
all pixels.

Source: He et al. (2016), blocks as Bi-Real Net (Liu et al., 2018) and IR-Net binarise them; the integer
streams are ours.
"""

from __future__ import annotations

from collections.abc import Sequence

from etb_hw.models.spec import CLASSES, INPUT, LayerSpec, NetSpec, Shape, counts_of

STAGES = (64, 128, 256, 512)
BLOCKS = 2


def resnet18(
    input_shape: Shape, classes: int, width: float = 1.0, widths: Sequence[int] | None = None
) -> NetSpec:
    """The specification.

    Args:
        widths: twelve counts: for each stage its stream's and those inside its two blocks.
    """
    counts = counts_of("resnet18", tuple(c for c in STAGES for _ in range(1 + BLOCKS)), width, widths)
    groups: dict[str, int] = {}
    layers = [LayerSpec("stem", "conv", (INPUT,), "stage1", kernel=3, padding=1, output="stream")]
    stream = "stem"
    remaining = iter(counts)
    for stage in range(1, len(STAGES) + 1):
        groups[f"stage{stage}"] = next(remaining)
        for block in range(1, BLOCKS + 1):
            groups[f"stage{stage}_block{block}"] = next(remaining)
            added, stream = _block(stage, block, stream)
            layers += added
    layers.append(LayerSpec("sumpool", "sumpool", (stream,), f"stage{len(STAGES)}", output="stream"))
    layers.append(LayerSpec("classifier", "classifier", ("sumpool",), CLASSES))
    return NetSpec(
        "resnet18", input_shape, classes, tuple(layers), {INPUT: input_shape[0], **groups, CLASSES: classes}
    )


def _block(stage: int, block: int, stream: str) -> tuple[list[LayerSpec], str]:
    """The layers of a block, and the name of the stream that it yields."""
    name, outer = f"stage{stage}_block{block}", f"stage{stage}"
    narrows = stage > 1 and block == 1
    stride = 2 if narrows else 1
    before = f"stage{stage - 1}" if narrows else outer
    layers = [
        LayerSpec(f"{name}_sign", "sign", (stream,), before),
        LayerSpec(f"{name}_conv1", "conv", (f"{name}_sign",), name, kernel=3, stride=stride, padding=1),
        LayerSpec(f"{name}_conv2", "conv", (f"{name}_conv1",), outer, kernel=3, padding=1, output="stream"),
    ]
    if narrows:
        layers.append(
            LayerSpec(f"{name}_shortcut", "conv", (f"{name}_sign",), outer, stride=2, output="stream")
        )
        stream = f"{name}_shortcut"
    layers.append(LayerSpec(f"{name}_add", "add", (stream, f"{name}_conv2"), outer, output="stream"))
    return layers, f"{name}_add"
