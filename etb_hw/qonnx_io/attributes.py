"""Attributes that no handler reads: harmless ones are named here, any other one refuses its node.

A newer operator set gives old ops new attributes. One that is read over would mean wrong numbers in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import onnx

from etb_hw.errors import one_line
from etb_hw.qonnx_io.call import Call
from etb_hw.qonnx_io.ops.qdq import HIGH, LOW

_WINDOW = ("auto_pad", "dilations", "kernel_shape", "pads", "strides")
_REDUCTION = ("axes", "keepdims")
_QUANTIZER = ("signed", "narrow", "rounding_mode")

READ: Mapping[str, tuple[str, ...]] = {
    "Quant": _QUANTIZER,
    "IntQuant": _QUANTIZER,
    "Trunc": _QUANTIZER,
    "MultiThreshold": ("data_layout", "out_bias", "out_dtype", "out_scale"),
    "QuantizeLinear": ("axis", "block_size", "output_dtype", "precision", LOW, HIGH),
    "DequantizeLinear": ("axis", "block_size", "output_dtype"),
    "Conv": (*_WINDOW, "group"),
    "ConvTranspose": (*_WINDOW, "group", "output_padding", "output_shape"),
    "Gemm": ("alpha", "beta", "transA", "transB"),
    "Clip": ("min", "max"),
    "LeakyRelu": ("alpha",),
    "BatchNormalization": ("epsilon", "training_mode"),
    "Concat": ("axis",),
    "Slice": ("axes", "ends", "starts", "steps"),
    "Split": ("axis", "num_outputs", "split"),
    "Gather": ("axis",),
    "MaxPool": (*_WINDOW, "ceil_mode"),
    "AveragePool": (*_WINDOW, "ceil_mode", "count_include_pad"),
    "ReduceMax": _REDUCTION,
    "ReduceMean": _REDUCTION,
    "ReduceSum": _REDUCTION,
    "DepthToSpace": ("blocksize", "mode"),
    "Resize": ("axes", "coordinate_transformation_mode", "mode", "nearest_mode"),
    "Upsample": ("mode", "scales"),
    "Cast": ("to",),
    "Shape": ("end", "start"),
    "Flatten": ("axis",),
    "Reshape": ("allowzero", "shape"),
    "Squeeze": ("axes",),
    "Unsqueeze": ("axes",),
    "Transpose": ("perm",),
    "Pad": ("axes", "mode", "pads", "value"),
    "Constant": ("value", "value_float", "value_floats", "value_int", "value_ints"),
    "ConstantOfShape": ("value",),
    "TopK": ("axis", "k", "largest", "sorted"),
    "ArgMax": ("axis", "select_last_index"),
}

HARMLESS: Mapping[str, tuple[str, ...]] = {
    "BatchNormalization": ("is_test", "momentum"),  # of training
    "Dropout": ("is_test", "ratio", "seed"),  # of training
    "MaxPool": ("storage_order",),  # of indices, which nothing may read
    "Resize": ("antialias", "cubic_coeff_a", "exclude_outside", "extrapolation_value"),  # of other modes
    "ReduceMax": ("noop_with_empty_axes",),  # axes must be given
    "ReduceMean": ("noop_with_empty_axes",),
    "ReduceSum": ("noop_with_empty_axes",),
    "ArgMax": ("keepdims",),  # the class is sent as a number
    "QuantizeLinear": ("saturate",),  # of floats of eight bits
    "Cast": ("round_mode", "saturate"),  # of floats of eight bits
    "Gemm": ("broadcast",),  # the bias is, in any operator set
}
_ANYWHERE = ("consumed_inputs",)  # memory that operator set 1 let an op write over


def check_attributes(call: Call) -> None:
    """Raise UnsupportedNode for an attribute that is neither known nor what the op does without it."""
    op = call.node.op_type
    known = {*READ.get(op, ()), *HARMLESS.get(op, ()), *_ANYWHERE}
    for attribute in call.node.attribute:
        name = attribute.name
        if name not in known and call.attr(name) != _default(op, call.opset, name):
            call.fail(
                f"has {name} {one_line(repr(call.attr(name)), 60)}, an attribute that is not known here",
                "export without it: what it changes has no form here",
            )


def _default(op: str, opset: int, name: str) -> Any:
    """What an op of the standard does without the attribute; None where nobody says."""
    if not onnx.defs.has(op, opset, ""):
        return None
    known = onnx.defs.get_schema(op, opset, "").attributes.get(name)
    if known is None or not known.default_value.type:
        return None
    value = onnx.helper.get_attribute_value(known.default_value)
    return value.decode() if isinstance(value, bytes) else value
