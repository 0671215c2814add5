"""Network topologies, as data (NetSpec) and as trainable networks (BinaryNet)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from functools import partial

from etb_hw.config import ModelConfig
from etb_hw.errors import BadInput
from etb_hw.models.cnv import cnv
from etb_hw.models.float_twin import FloatTwin
from etb_hw.models.mlp import lfc, sfc, tfc
from etb_hw.models.net import BinaryNet
from etb_hw.models.own import own_topology
from etb_hw.models.resnet18 import resnet18
from etb_hw.models.spec import CLASSES, INPUT, Geometry, LayerSpec, NetSpec, Shape
from etb_hw.models.vgg_small import vgg_small

TOPOLOGIES: Mapping[str, Callable[..., NetSpec]] = {
    "vgg_small": vgg_small,
    "resnet18": resnet18,
    "cnv": cnv,
    "tfc": tfc,
    "sfc": sfc,
    "lfc": lfc,
}

OWN = "python"  # the name that stands for a function of the user's
LARGEST_SUM = 2**23  # float32 holds every half up to it, where thresholds lie

__all__ = [
    "CLASSES",
    "INPUT",
    "TOPOLOGIES",
    "BinaryNet",
    "FloatTwin",
    "Geometry",
    "LayerSpec",
    "NetSpec",
    "build",
    "specify",
]


def specify(config: ModelConfig, input_shape: Shape, classes: int, input_dtype: str = "UINT8") -> NetSpec:
    """The specification that a flow file's [model] section asks for. Raises BadInput for unknown names."""
    if classes < 2:
        raise BadInput("data", "all images are of one class", "a classifier needs images of two or more")
    topology = _topology(config)
    spec = topology(input_shape, classes, config.width, config.widths).with_activation(config.activation)
    spec = replace(spec, input_dtype=input_dtype)
    assert spec.shapes  # raises for images that are too small
    _check_sums(spec)
    return spec


def _topology(config: ModelConfig) -> Callable[..., NetSpec]:
    """What gives the specification, of an input's shape, classes, a width and widths."""
    if config.name == OWN:
        return partial(own_topology, config.function, TOPOLOGIES)
    if config.function is not None:
        raise BadInput("model.function", f"is given, and the model is {config.name!r}", f"say name = {OWN!r}")
    topology = TOPOLOGIES.get(config.name)
    if topology is None:
        near = get_close_matches(config.name, (*TOPOLOGIES, OWN), n=1)
        known = f"did you mean {near[0]!r}?" if near else f"use one of: {', '.join((*TOPOLOGIES, OWN))}"
        raise BadInput("model.name", f"{config.name!r} is no known model", known)
    return topology


def _check_sums(spec: NetSpec) -> None:
    """Raise BadInput where training, in float32, would round sums over the input."""
    for layer in spec.weighted:
        most = spec.geometry(layer).fan_in * spec.largest_input
        if layer.inputs == (INPUT,) and most > LARGEST_SUM:
            raise BadInput(
                "data",
                f"inputs are {spec.input_dtype}, which layer {layer.name} sums up to {most:,}: "
                f"training counts to {LARGEST_SUM:,} without rounding",
                "divide the inputs, so that they fit fewer bits",
            )


def build(config: ModelConfig, input_shape: Shape, classes: int) -> BinaryNet:
    """A freshly initialised trainable network (from torch's current random state)."""
    return BinaryNet(specify(config, input_shape, classes))
