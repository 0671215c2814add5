"""TFC, SFC and LFC: fully connected networks with three hidden layers of 64, 256 or 1024 neurons.

Source: FINN (Umuroglu et al., 2017) and brevitas_examples.bnn_pynq, here with 8-bit input pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from etb_hw.models.spec import CLASSES, INPUT, LayerSpec, NetSpec, Shape, counts_of

Topology = Callable[..., NetSpec]


def _mlp(title: str, neurons: int) -> Topology:
    def specify(
        input_shape: Shape, classes: int, width: float = 1.0, widths: Sequence[int] | None = None
    ) -> NetSpec:
        """The specification; see ``vgg_small`` for the arguments (three counts)."""
        counts = counts_of(title, (neurons,) * 3, width, widths)
        names = tuple(f"fc{i + 1}" for i in range(3))
        sources = (INPUT, *names)
        layers = [
            LayerSpec(name, "dense", (source,), name) for name, source in zip(names, sources, strict=False)
        ]
        layers.append(LayerSpec("classifier", "classifier", (names[-1],), CLASSES))
        groups = dict(zip(names, counts, strict=True))
        return NetSpec(
            title, input_shape, classes, tuple(layers), {INPUT: input_shape[0], **groups, CLASSES: classes}
        )

    return specify


tfc, sfc, lfc = _mlp("tfc", 64), _mlp("sfc", 256), _mlp("lfc", 1024)
