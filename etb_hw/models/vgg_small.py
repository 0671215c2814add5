"""VGG-Small: padded 3x3 convs 128,128,P,256,256,P,512,512,P and one fully connected layer.

Source: the network of BinaryConnect/LQ-Nets as IR-Net, ReCU and ETB use it. For small images
a pool that would leave less than 2x2 pixels is left out.
"""

from __future__ import annotations

from collections.abc import Sequence

from etb_hw.models.spec import CLASSES, INPUT, LayerSpec, NetSpec, Shape, counts_of

CHANNELS = (128, 128, 256, 256, 512, 512)


def vgg_small(
    input_shape: Shape, classes: int, width: float = 1.0, widths: Sequence[int] | None = None
) -> NetSpec:
    """The specification.

    Args:
        input_shape: (channels, height, width) of the uint8 images.
        width: multiplies all channel counts. widths: six counts that replace them.
    """
    counts = counts_of("vgg_small", CHANNELS, width, widths)
    layers: list[LayerSpec] = []
    source, pixels = INPUT, min(input_shape[1:])
    for i in range(len(counts)):
        pool = 2 if i % 2 and pixels >= 4 else 1
        pixels //= pool
        name = f"conv{i + 1}"
        layers.append(LayerSpec(name, "conv", (source,), name, kernel=3, padding=1, pool=pool))
        source = name
    layers.append(LayerSpec("classifier", "classifier", (source,), CLASSES))
    groups = {f"conv{i + 1}": count for i, count in enumerate(counts)}
    return NetSpec(
        "vgg_small", input_shape, classes, tuple(layers), {INPUT: input_shape[0], **groups, CLASSES: classes}
    )
