"""A network's way to hardware, gone before it is trained, with weights that mean nothing."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import torch
from torch import nn

from etb_hw import qonnx_io
from etb_hw.dataflow.lower import lower
from etb_hw.errors import UnsupportedNode
from etb_hw.evolution.graph import always_drops
from etb_hw.evolution.net import PreparedNet
from etb_hw.evolution.rules import may_activate
from etb_hw.evolution.slim import drawn
from etb_hw.integer import DataType, IntegerGraph
from etb_hw.qonnx_io import ImportOptions
from etb_hw.qonnx_io.export import exported_model
from etb_hw.training.trainee import Trainee

SPREAD = 5.0  # standard deviation of a stand-in's thresholds: equal ones would cost less
_OF_EACH_INPUT = (
    nn.GroupNorm,
    nn.LayerNorm,
    nn.RMSNorm,
    nn.LocalResponseNorm,
    nn.modules.instancenorm._InstanceNorm,
)
_OF_FLOATS = ("of different scales", "pads a tensor with zero")  # what the importer says of floats in between
_OF_ACTIVATIONS = ("has no exact integer form here", "that no quantizer follows", "combines two branches")
log = logging.getLogger("etb_hw")


def check(model: nn.Module, input_dtype: str = "uint8", options: ImportOptions | None = None) -> None:
    """Whether what a prepared network will become can be built: say now what ``etb-hw build`` would say then.

    A stand-in of its widths is exported, read back and mapped to hardware blocks, which takes seconds.

    Args:
        model: from ``prepare``. input_dtype: what integers it will read. options: how its input comes from
            them, where it does not read them as they are.

    Raises:
        BadInput: the network is not prepared, or cannot be exported.
        UnsupportedNode: a layer has no integer form, or no hardware; names it and what to write instead.
    """
    net = PreparedNet(model)
    if place := always_drops(net.module, net.note.example):
        raise UnsupportedNode(
            place,
            "drops values in evaluation, too: F.dropout's training is True where it is not given",
            "write F.dropout(x, p, self.training), or use nn.Dropout",
        )
    widths = dict(net.plan.widths)
    lower(rehearsed(net, widths, DataType.parse(input_dtype), options))
    log.info("%s can be built, %d groups of channels", type(net.module).__name__, len(widths))


def rehearsed(
    net: PreparedNet, widths: Mapping[str, int], dtype: DataType, options: ImportOptions | None = None
) -> IntegerGraph:
    """The integer graph of a stand-in at these widths a group. Raises as ``check``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = drawn(net, widths, SPREAD)
    return _read_back(module, tuple(net.note.example.shape[1:]), dtype, options)


def stand_in(trainee: Trainee, widths: Mapping[str, int]) -> IntegerGraph:
    """The same of what a flow is to train. Raises as ``check``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        drawn = trainee.stand_in(widths, SPREAD)
    return _read_back(drawn.deployed(), drawn.input_shape, DataType.parse(drawn.input_dtype))


def _read_back(
    module: nn.Module, shape: tuple[int, ...], dtype: DataType, options: ImportOptions | None = None
) -> IntegerGraph:
    """A slim network exported and imported; what a user's own may be refused for is told in torch's words."""
    for path, part in module.named_modules():
        if isinstance(part, _OF_EACH_INPUT):  # exporters write them as other ops, which would be blamed
            raise UnsupportedNode(
                f"module {path!r} ({type(part).__name__})",
                "normalises by the values of each input, which has no exact integer form",
                "use BatchNorm, whose statistics become constants",
            )
    try:
        return qonnx_io.import_model(exported_model(module, shape, dtype), options)
    except UnsupportedNode as error:
        remedy = error.remedy
        if any(words in error.reason for words in _OF_FLOATS):
            remedy += "; for residual additions and layers behind a normalisation without an activation: "
            remedy += "additions='stream' in prepare(...), or in the etb_hw.Network of a flow's function"
        elif any(words in error.reason for words in _OF_ACTIVATIONS):
            remedy += f"; {_rule_for(module, error.where)}"
        raise UnsupportedNode(error.where, error.reason, remedy) from None


def _rule_for(module: nn.Module, where: str) -> str:
    """What makes a sign of an activation that ``prepare`` does not know: a rule for the module that it is."""
    scope = ""  # nodes are called '/block/block.0/act/Exp'
    for part in where.split("'")[1].split("/")[1:-1] if "'/" in where else []:
        scope = part if not scope or part.startswith(f"{scope}.") else f"{scope}.{part}"
    found = dict(module.named_modules()).get(scope)
    if scope and found is not None and may_activate(found):
        known, path = f"if {scope!r} ({type(found).__name__}) is an activation,", scope
    else:
        known, path = "call it in a module of its own, without layers, and", "that.module"
        known = f"where it is an activation that prepare does not know, {known}"
    return f"{known} prepare(..., rules={{{path!r}: etb_hw.Rule(activation='bipolar')}}) makes it a sign"
