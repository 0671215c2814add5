"""CNV: 3x3 convs without padding 64,64,P,128,128,P,256,256, then fully connected 512,512.

Source: FINN (Umuroglu et al., 2017) and brevitas_examples.bnn_pynq, here with 8-bit input pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

from etb_hw.models.spec import CLASSES, INPUT, LayerSpec, NetSpec, Shape, counts_of

CONVS = (64, 64, 128, 128, 256, 256)
DENSE = (512, 512)


def cnv(input_shape: Shape, classes: int, width: float = 1.0, widths: Sequence[int] | None = None) -> NetSpec:
    """The specification; see ``vgg_small`` for the arguments (eight counts). Images need 30 pixels a side."""
    counts = counts_of("cnv", CONVS + DENSE, width, widths)
    layers: list[LayerSpec] = []
    source = INPUT
    for i in range(len(CONVS)):
        name = f"conv{i + 1}"
        layers.append(LayerSpec(name, "conv", (source,), name, kernel=3, pool=2 if i in (1, 3) else 1))
        source = name
    for i in range(len(DENSE)):
        name = f"fc{i + 1}"
        layers.append(LayerSpec(name, "dense", (source,), name))
        source = name
    groups = {layer.group: count for layer, count in zip(layers, counts, strict=True)}
    layers.append(LayerSpec("classifier", "classifier", (source,), CLASSES))
    return NetSpec(
        "cnv", input_shape, classes, tuple(layers), {INPUT: input_shape[0], **groups, CLASSES: classes}
    )
