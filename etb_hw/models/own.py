"""A network of the user's: a function that a flow file names gives it. A NetSpec is checked here."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from keyword import iskeyword
from typing import Any, get_args

from torch import nn

from etb_hw.errors import BadInput
from etb_hw.models.spec import CLASSES, INPUT, LayerSpec, NetSpec, Op, Shape, counts_of
from etb_hw.named_code import called, named_code
from etb_hw.quantizers.kinds import kind_named

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_LARGEST = 2**20
REMEDY = (
    "write a function of (input_shape, classes) that returns a torch.nn.Module, or an etb_hw.models.NetSpec"
)


def own_network(named: str | None, input_shape: Shape, classes: int) -> Any:
    """What the function ``model.function`` ("module:function") returns. The module's code is run.

    Args:
        input_shape, classes: what the function is called with.

    Raises BadInput where it cannot be imported, or fails.
    """
    function = named_code("model.function", named)
    return called(f"model.function {named}", function, input_shape, classes, remedy=REMEDY)


def own_topology(
    named: str | None,
    taken: Collection[str],
    input_shape: Shape,
    classes: int,
    width: float,
    widths: Sequence[int] | None,
) -> NetSpec:
    """The topology that the function ``model.function`` describes.

    Args:
        taken: names that it must not have: published figures of these networks would stand beside it.
        input_shape, classes: see ``own_network``.
        width: multiplies the channels of its groups. widths: a count a group, in its order, instead.

    Raises BadInput, about the layer, where that is no network that can be trained here.
    """
    where = f"model.function {named}"
    spec = _checked(own_network(named, input_shape, classes), where, input_shape, classes)
    if spec.name in taken:
        raise BadInput(where, f"is named {spec.name!r}, as one of ours", "give it a name of its own")
    counts = counts_of(spec.name, tuple(spec.widths[group] for group in spec.prunable), width, widths)
    return spec.with_widths(dict(zip(spec.prunable, counts, strict=True)))


def _checked(spec: Any, where: str, input_shape: Shape, classes: int) -> NetSpec:
    """The description, on which everything behind this can rely. Raises BadInput where it cannot."""
    if not isinstance(spec, NetSpec):
        raise BadInput(where, f"gives a {type(spec).__name__}", REMEDY)
    if not isinstance(spec.widths, Mapping) or not all(isinstance(layer, LayerSpec) for layer in spec.layers):
        raise BadInput(where, "has widths or layers of another type", "give a dict of counts, and LayerSpecs")
    if tuple(spec.input_shape) != tuple(input_shape) or spec.classes != classes:
        raise BadInput(
            where,
            f"describes images of {spec.input_shape} and {spec.classes} classes; the data have "
            f"{tuple(input_shape)} and {classes}",
            "take both from the function's arguments",
        )
    if not (isinstance(spec.name, str) and _NAME.fullmatch(spec.name)):
        raise BadInput(where, f"is named {spec.name!r}", "use letters, digits and _")
    ends = {INPUT: input_shape[0], CLASSES: classes}
    for group, count in ends.items():
        if spec.widths.get(group) != count:
            found = spec.widths.get(group)
            raise BadInput(where, f"widths[{group!r}] is {found}", f"it is {count} by the data")
    seen: dict[str, LayerSpec] = {}
    for layer in spec.layers:
        _check_layer(spec, f"{where}, layer {layer.name!r}", layer, seen)
        seen[layer.name] = layer
    if not spec.layers or spec.layers[-1].op != "classifier":
        raise BadInput(
            where, "does not end in a classifier", f"LayerSpec(..., 'classifier', ..., {CLASSES!r})"
        )
    for layer in spec.layers:
        shapes = [spec.shapes[name] for name in layer.inputs]
        if len(set(shapes)) > 1:
            raise BadInput(f"{where}, layer {layer.name!r}", f"adds up {shapes}", "add what has one shape")
    read = {name for layer in spec.layers for name in layer.inputs}
    if unread := [layer.name for layer in spec.layers[:-1] if layer.name not in read]:
        raise BadInput(
            where, f"nothing reads layer {unread[0]!r}", "leave it out, or let a later layer read it"
        )
    trained = {layer.group for layer in spec.weighted}
    if lone := [group for group in spec.prunable if group not in trained]:
        raise BadInput(where, f"no layer with weights has the group {lone[0]!r}", "leave it out of widths")
    return spec


def _check_layer(spec: NetSpec, where: str, layer: LayerSpec, seen: dict[str, LayerSpec]) -> None:
    """The layer by itself, and how it fits those before it."""
    taken = layer.name == INPUT or hasattr(nn.ModuleDict, layer.name) or iskeyword(layer.name)
    if taken or not _NAME.fullmatch(layer.name):
        raise BadInput(
            where, "cannot be named so", "use letters, digits and _, and no word of Python's or torch's"
        )
    if layer.name in seen:
        raise BadInput(where, "is there twice", "give every layer a name of its own")
    if layer.op not in get_args(Op):
        raise BadInput(where, f"op is {layer.op!r}", f"use one of: {', '.join(get_args(Op))}")
    for field, least in {"kernel": 1, "stride": 1, "pool": 1, "padding": 0}.items():
        value = getattr(layer, field)
        if type(value) is not int or not least <= value <= _LARGEST:
            raise BadInput(where, f"{field} is {value!r}", f"give an integer of {least} or more")
    if layer.op != "conv" and (layer.kernel, layer.stride, layer.pool, layer.padding) != (1, 1, 1, 0):
        raise BadInput(
            where, f"a {layer.op} has no window", "give kernel, stride, pool and padding to convs only"
        )
    if layer.padding >= layer.kernel:
        raise BadInput(where, f"pads by {layer.padding}, and its kernel is {layer.kernel}", "pad by less")
    count = 2 if layer.op == "add" else 1
    if not isinstance(layer.inputs, tuple) or len(layer.inputs) != count:
        raise BadInput(where, f"inputs are {layer.inputs!r}", f"a {layer.op} reads a tuple of {count}")
    for name in layer.inputs:
        if name != INPUT and name not in seen:
            raise BadInput(where, f"reads {name!r}, which no layer before it makes", "put layers in order")
    width = spec.widths.get(layer.group)
    if type(width) is not int or not 1 <= width <= _LARGEST:
        raise BadInput(where, f"its group {layer.group!r} has {width} channels", "give its count in widths")
    if (layer.group == CLASSES) != (layer.op == "classifier") or layer.group == INPUT:
        raise BadInput(where, f"its group is {layer.group!r}", f"{CLASSES!r} is the classifier's, no other's")
    kind_named(layer.output, where)
    _check_streams(where, layer, seen)


def _check_streams(where: str, layer: LayerSpec, seen: dict[str, LayerSpec]) -> None:
    """Sums are of streams, and become signs again before a layer with a window reads them."""
    streams = [name != INPUT and seen[name].kind.residual for name in layer.inputs]
    if layer.op in ("conv", "dense"):
        if any(streams):
            remedy = "put a LayerSpec(..., 'sign', ...) in between"
            raise BadInput(where, f"reads {layer.inputs[0]!r}, a stream of sums", remedy)
    elif layer.op != "classifier":
        if not all(streams):
            remedy = "let the layer in front have output='stream'"
            raise BadInput(where, f"reads {layer.inputs}, not all of which are streams", remedy)
        if (layer.op == "sign") == layer.kind.residual:
            right = "an activation ('bipolar')" if layer.op == "sign" else "'stream'"
            raise BadInput(where, f"output is {layer.output!r}", f"a {layer.op} gives {right}")
        of = {seen[name].group for name in layer.inputs} | {layer.group}
        if len(of) > 1:
            raise BadInput(where, f"joins the groups {', '.join(sorted(of))}", "give them one group")
