"""``dataflow.onnx`` back into a design: the inverse of the writer, exact."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper

from etb_hw.dataflow.block import Block
from etb_hw.dataflow.blocks.add_streams import AddStreams
from etb_hw.dataflow.blocks.channelwise import Channelwise
from etb_hw.dataflow.blocks.duplicate_streams import DuplicateStreams
from etb_hw.dataflow.blocks.label_select import LabelSelect
from etb_hw.dataflow.blocks.max_pool import MaxPool
from etb_hw.dataflow.blocks.mvau import Mvau
from etb_hw.dataflow.blocks.padding import Padding
from etb_hw.dataflow.blocks.sliding_window import SlidingWindow
from etb_hw.dataflow.blocks.sum_pool import SumPool
from etb_hw.dataflow.blocks.thresholding import Thresholding
from etb_hw.dataflow.blocks.window_pool import WindowPool
from etb_hw.dataflow.finn.matches import is_conversion
from etb_hw.dataflow.graph import DataflowGraph, Edge, Port
from etb_hw.dataflow.refold import with_converters
from etb_hw.errors import BadInput, UnsupportedNode
from etb_hw.integer.chain import Chain
from etb_hw.integer.datatype import BIPOLAR, DataType


def read(path: Path) -> DataflowGraph:
    """A design from a ``dataflow.onnx`` that ``write`` made.

    Raises BadInput for files that are no ONNX or lack what a design needs, UnsupportedNode for foreign nodes.
    """
    try:
        model = onnx.load(str(path))
    except FileNotFoundError:
        raise BadInput(str(path), "does not exist", "give the path of a dataflow.onnx") from None
    except (OSError, DecodeError) as error:
        raise BadInput(str(path), f"is no ONNX file ({error})", "give the path of a dataflow.onnx") from None
    return from_onnx(model)


def from_onnx(model: ModelProto) -> DataflowGraph:
    """A design from an ONNX model in FINN's hardware vocabulary (one that ``to_onnx`` made, or like it)."""
    arrays = {init.name: numpy_helper.to_array(init) for init in model.graph.initializer}
    blocks: list[Block] = []
    makers: dict[str, tuple[Port, int]] = {}
    edges: list[Edge] = []
    for node in model.graph.node:
        if is_conversion(node.name) and node.input[0] in makers:
            makers[node.output[0]] = makers[node.input[0]]
            continue
        reader = _READERS.get(node.op_type)
        if reader is None:
            raise UnsupportedNode(
                node.name or node.op_type,
                f"{node.op_type} is no block of ours",
                "give the dataflow.onnx that etb-hw run or build wrote (not one that FINN went on with)",
            )
        fields = _Fields(node, arrays)
        try:
            block = reader(fields)
        except KeyError as missing:
            raise BadInput(node.name, f"lacks {missing}", "write the file again") from None
        blocks.append(block)
        into, out = fields.get("inFIFODepths", []), fields.get("outFIFODepths", [])
        streams = [name for name in node.input if name not in arrays]
        for i, name in enumerate(streams):
            if name in makers:
                source, depth = makers[name]
                edges.append(Edge(source, Port(node.name, i), max(depth, into[i] if i < len(into) else 2)))
        for i, name in enumerate(node.output):
            makers[name] = (Port(node.name, i), out[i] if i < len(out) else 2)
    notes = {prop.key: prop.value for prop in model.metadata_props}
    dequant = Chain()
    for step in json.loads(notes.get("etb_hw.dequant", "[]")):
        dequant = dequant.then(step["op"], np.array(step["values"], np.float32).reshape(step["shape"]))
    clk_ns = float(notes.get("etb_hw.clk_ns", "10.0"))
    return with_converters(DataflowGraph(tuple(blocks), tuple(edges), dequant, clk_ns))


class _Fields:
    """Attributes and parameters of one node."""

    def __init__(self, node: NodeProto, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.node = node
        self.attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        self.parameters = [arrays[name] for name in node.input if name in arrays]

    def get(self, key: str, default: Any) -> Any:
        return self.attributes.get(key, default)

    def __getitem__(self, key: str) -> Any:
        value = self.attributes[key]
        return value.decode() if isinstance(value, bytes) else value

    def pair(self, key: str) -> tuple[int, int]:
        first, second = self[key]
        return int(first), int(second)

    @property
    def names(self) -> dict[str, Any]:
        layer = self.attributes.get("etb_layer", self.node.name.encode())
        return {"name": self.node.name, "layer": layer.decode()}

    @property
    def pixels(self) -> tuple[int, ...]:
        return tuple(int(size) for size in self["numInputVectors"])[1:]

    def dtype(self, key: str, side: str = "etb_inputs", port: int = 0) -> DataType:
        """Our type of a stream: as we noted it, else FINN's, whose BINARY is our bipolar."""
        noted = self.attributes.get(side)
        if noted is not None:
            return DataType.parse(noted[port].decode())
        found = DataType.parse(self[key])
        return BIPOLAR if found == DataType.unsigned(1) else found

    def ints(self, index: int) -> NDArray[np.int64]:
        if index >= len(self.parameters):
            raise KeyError(f"parameter {index}")
        return np.asarray(np.rint(self.parameters[index]), dtype=np.int64)


def _mvau(f: _Fields) -> Block:
    xnor = bool(f["binaryXnorMode"])
    weights = f.ints(0).T
    thresholds = None if f["noActivation"] else f.ints(1)
    if xnor:
        weights = 2 * weights - 1
        if thresholds is not None:
            thresholds = 2 * thresholds - weights.shape[1]
    return Mvau(
        **f.names,
        weights=weights.astype(np.int8) if np.abs(weights).max(initial=0) < 128 else weights,
        weight_dtype=BIPOLAR if xnor else DataType.parse(f["weightDataType"]),
        input_dtype=f.dtype("inputDataType"),
        output_dtype=f.dtype("outputDataType", "etb_outputs"),
        thresholds=thresholds,
        pixels=f.pixels,
        pe=f["PE"],
        simd=f["SIMD"],
        ram_style=f["ram_style"],
    )


def _sliding_window(f: _Fields) -> Block:
    return SlidingWindow(
        **f.names,
        size=f.pair("IFMDim"),
        channels=f["IFMChannels"],
        kernel=f.pair("ConvKernelDim"),
        dtype=f.dtype("inputDataType"),
        stride=f.pair("Stride"),
        dilation=f.pair("Dilation"),
        depthwise=bool(f["depthwise"]),
        simd=f["SIMD"],
        ram_style=f["ram_style"],
    )


def _padding(f: _Fields) -> Block:
    dtype = f.dtype("inputDataType")
    top, left, bottom, right = f["Padding"]
    return Padding(
        **f.names,
        size=f.pair("ImgDim"),
        channels=f["NumChannels"],
        pads=(top, left, bottom, right),
        value=f.get("etb_value", -1 if dtype == BIPOLAR else 0),
        dtype=dtype,
        simd=f["SIMD"],
    )


def _thresholding(f: _Fields) -> Block:
    dtype, values = f.dtype("inputDataType"), f.ints(0)
    return Thresholding(
        **f.names,
        thresholds=2 * values - 1 if dtype == BIPOLAR else values,
        input_dtype=dtype,
        output_dtype=f.dtype("outputDataType", "etb_outputs"),
        pixels=f.pixels,
        pe=f["PE"],
    )


def _max_pool(f: _Fields) -> Block:
    return MaxPool(
        **f.names,
        size=f.pair("ImgDim"),
        channels=f["NumChannels"],
        kernel=f.pair("PoolDim"),
        dtype=f.dtype("dataType"),
        pe=f["PE"] or f["NumChannels"],
    )


def _window_pool(f: _Fields) -> Block:
    return WindowPool(
        **f.names,
        size=f.pair("OutImgDims"),
        channels=f["Channels"],
        kernel=f.pair("KernelSize"),
        dtype=f.dtype("InputDataType"),
        pe=f["PE"],
    )


def _sum_pool(f: _Fields) -> Block:
    height, width = f.pixels
    return SumPool(
        **f.names,
        size=(height, width),
        channels=f["NumChannels"],
        dtype=f.dtype("inputDataType"),
        output_dtype=DataType.parse(f["etb_outputs"][0].decode()),
        pe=f["PE"],
    )


def _add_streams(f: _Fields) -> Block:
    return AddStreams(
        **f.names,
        shape=(*f.pixels, f["NumChannels"]),
        dtypes=(f.dtype("inputDataType"), f.dtype("inputDataType", port=1)),
        output_dtype=DataType.parse(f["etb_outputs"][0].decode()),
        pe=f["PE"],
    )


def _duplicate_streams(f: _Fields) -> Block:
    return DuplicateStreams(
        **f.names,
        shape=(*f.pixels, f["NumChannels"]),
        dtype=f.dtype("inputDataType"),
        copies=f["NumOutputStreams"],
        pe=f["PE"],
    )


def _channelwise(f: _Fields) -> Block:
    return Channelwise(
        **f.names,
        func=f["Func"],
        parameters=f.ints(0)[:, 0],
        input_dtype=f.dtype("inputDataType"),
        output_dtype=f.dtype("outputDataType", "etb_outputs"),
        pixels=f.pixels,
        pe=f["PE"],
    )


def _label_select(f: _Fields) -> Block:
    return LabelSelect(**f.names, labels=f["Labels"], dtype=f.dtype("inputDataType"), pe=f["PE"])


_READERS: dict[str, Callable[[_Fields], Block]] = {
    "MVAU_hls": _mvau,
    "ConvolutionInputGenerator_rtl": _sliding_window,
    "FMPadding_rtl": _padding,
    "Thresholding_rtl": _thresholding,
    "StreamingMaxPool_hls": _max_pool,
    "Pool_hls": _window_pool,
    "GlobalAccPool_hls": _sum_pool,
    "AddStreams_hls": _add_streams,
    "DuplicateStreams_hls": _duplicate_streams,
    "ChannelwiseOp_hls": _channelwise,
    "LabelSelect_hls": _label_select,
}
