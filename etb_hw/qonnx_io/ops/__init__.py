"""One file a family of ops, and the table of them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from etb_hw.qonnx_io.call import Call
from etb_hw.qonnx_io.ops import (
    channels,
    classes,
    comparisons,
    concat,
    constants,
    depth_to_space,
    elementwise,
    linear,
    pooling,
    qdq,
    quantizers,
    shapes,
    slicing,
    upsampling,
)
from etb_hw.qonnx_io.value import Tensor

# an op with several outputs gives a tensor for each, None for those that have no integer form
Handler: TypeAlias = Callable[[Call], Tensor | tuple[Tensor | None, ...]]

HANDLERS: Mapping[str, Handler] = {
    # quantizers
    "BipolarQuant": quantizers.bipolar_quant,
    "Quant": quantizers.quant,
    "IntQuant": quantizers.quant,
    "Trunc": quantizers.trunc,
    "Sign": quantizers.sign,
    "MultiThreshold": quantizers.multi_threshold,
    "QuantizeLinear": qdq.quantize_linear,
    "DequantizeLinear": qdq.dequantize_linear,
    "Greater": comparisons.compare,
    "GreaterOrEqual": comparisons.compare,
    "Less": comparisons.compare,
    "LessOrEqual": comparisons.compare,
    "Not": comparisons.negate,
    "Where": comparisons.where,
    # products
    "Conv": linear.conv,
    "MatMul": linear.matmul,
    "Gemm": linear.gemm,
    # chains
    "Mul": elementwise.binary,
    "Add": elementwise.binary,
    "Sub": elementwise.binary,
    "Div": elementwise.binary,
    "Max": elementwise.binary,
    "Min": elementwise.binary,
    "Neg": elementwise.neg,
    "Relu": elementwise.relu,
    "Clip": elementwise.clip,
    "LeakyRelu": elementwise.leaky,
    "PRelu": elementwise.leaky,
    "Tanh": elementwise.saturating,
    "Sigmoid": elementwise.saturating,
    "Sum": elementwise.total,
    "BatchNormalization": elementwise.batch_normalization,
    # several tensors
    "Concat": concat.concat,
    # some channels
    "Slice": slicing.sliced,
    "Split": channels.split,
    "Gather": channels.gather,
    # pools
    "MaxPool": pooling.max_pool,
    "GlobalAveragePool": pooling.global_average,
    "AveragePool": pooling.average_pool,
    "GlobalMaxPool": pooling.global_max,
    "ReduceMax": pooling.reduce,
    "ReduceMean": pooling.reduce,
    "ReduceSum": pooling.reduce,
    # upsampling
    "DepthToSpace": depth_to_space.depth_to_space,
    "ConvTranspose": depth_to_space.conv_transpose,
    "Resize": upsampling.resize,
    "Upsample": upsampling.resize,
    # shapes
    "Identity": shapes.identity,
    "Dropout": shapes.dropout,
    "Cast": shapes.cast,
    "Shape": shapes.shape,
    "Flatten": shapes.flatten,
    "Reshape": shapes.reshape,
    "Squeeze": shapes.squeeze,
    "Unsqueeze": shapes.unsqueeze,
    "Transpose": shapes.transpose,
    "Pad": shapes.pad,
    # constants
    "Constant": constants.constant,
    "ConstantOfShape": constants.shape_arithmetic,
    # classes
    "TopK": classes.top_k,
    "ArgMax": classes.arg_max,
}
