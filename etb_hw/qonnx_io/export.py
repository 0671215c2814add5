"""From a torch module of stock Brevitas layers to a clean, annotated QONNX file."""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from qonnx.core.datatype import DataType as QonnxType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.infer_shapes import InferShapes
from qonnx.util.cleanup import cleanup_model

from etb_hw.errors import BadInput
from etb_hw.files import write_bytes
from etb_hw.integer import DataType
from etb_hw.qonnx_io.branches import take_known_branches
from etb_hw.qonnx_io.layer_names import keep_node_names, restore_node_names
from etb_hw.qonnx_io.metadata import stamp
from etb_hw.qonnx_io.small_constants import fold_small_constants
from etb_hw.qonnx_io.unexportable import failing_graphs, failing_op, unexportable
from etb_hw.qonnx_io.writer import GENERAL

if TYPE_CHECKING:
    import torch

_OPSET = 13
_QUANTIZERS = ("Quant", "Trunc", "BipolarQuant")
UINT8 = DataType.unsigned(8)


def export_model(
    module: torch.nn.Module,
    path: Path | str,
    input_shape: tuple[int, ...],
    input_dtype: DataType | None = UINT8,
) -> None:
    """Write ``model.qonnx.onnx``: BipolarQuant / Quant nodes, cleaned, input annotated.

    Args:
        module: of stock Brevitas layers and torch layers with an ONNX form. It is exported as in evaluation,
            and every part of it is left in its own mode.
        input_shape: (C, H, W) or (C,), without the batch.
        input_dtype: what the input holds; None where it is no integer (then say at import how it maps). A
            module's own ``input_dtype`` has precedence over the default.

    Raises:
        BadInput: weights are NaN or infinite, or the module has no ONNX form.
    """
    model = exported_model(module, input_shape, input_dtype)
    write_bytes(Path(path), model.SerializeToString())


def exported_model(
    module: torch.nn.Module, input_shape: tuple[int, ...], input_dtype: DataType | None = UINT8
) -> onnx.ModelProto:
    """The model that ``export_model`` writes."""
    if input_dtype is UINT8:
        input_dtype = DataType.parse(str(getattr(module, "input_dtype", UINT8.name)))
    # importing these takes seconds, which those who only read models need not wait for
    import torch
    from brevitas.export import export_qonnx

    from etb_hw.models.modes import in_mode
    from etb_hw.qonnx_io.plain_forms import OPS, PlainForms

    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise BadInput(
                f"parameter {name!r}", "is NaN or infinite", "check the training run, then export again"
            )
    graphs: list[Any] = []
    uneven: list[str] = []

    def attempt(forms: AbstractContextManager[Any]) -> onnx.ModelProto:
        nonlocal graphs
        with (
            torch.no_grad(),
            in_mode(module, training=False),
            warnings.catch_warnings(),
            failing_graphs() as graphs,
            forms,
        ):
            warnings.simplefilter("ignore")
            # the older exporter gives the cleaner graph: no Gemm + Reshape in place of Linear
            model: onnx.ModelProto = export_qonnx(
                module, args=torch.zeros(1, *input_shape), opset_version=_OPSET, dynamo=False
            )
            return model

    try:
        try:
            exported = attempt(nullcontext())
        except Exception as error:
            op = failing_op(error)
            if op and not any(part in op for part in OPS):
                raise
            exported = attempt(PlainForms(uneven))  # of a squeeze of several axes, torch names no op
    except Exception as error:  # torch and Brevitas raise whatever they meet
        raise unexportable(module, error, graphs, uneven) from error
    _drop_static_inputs(exported.graph)
    fold_small_constants(exported.graph, _OPSET)
    keep_node_names(exported.graph)
    repeats = _repeats(exported.graph)
    wrapped = cleanup_model(_with_known_sizes(ModelWrapper(exported)))
    restore_node_names(wrapped.graph)
    _restore_repeats(wrapped.graph, repeats)
    if input_dtype is not None:
        wrapped.set_tensor_datatype(wrapped.graph.input[0].name, QonnxType[input_dtype.name])
    model: onnx.ModelProto = wrapped.model
    stamp(model, "qonnx", "padding is explicit: a conv's pads attribute pads with 0")
    return model


def _repeats(graph: onnx.GraphProto) -> dict[str, list[int]]:
    """For each node that reads one tensor in several places, the first place of each input's tensor."""
    found = {node.name: [list(node.input).index(name) for name in node.input] for node in graph.node}
    return {name: first for name, first in found.items() if name and len(set(first)) < len(first)}


def _restore_repeats(graph: onnx.GraphProto, repeats: dict[str, list[int]]) -> None:
    """``x + x`` and ``cat([x, x])`` again: of a node's equal inputs, qonnx's cleaning renames one only."""
    written = {name for node in graph.node for name in node.output}
    for node in graph.node:
        for place, first in enumerate(repeats.get(node.name, ())):
            if node.input[first] in written:
                node.input[place] = node.input[first]


def _with_known_sizes(wrapped: ModelWrapper) -> ModelWrapper:
    """What a forward asks of its tensors' sizes (``x.size()``) as constants, and what it computes of them.

    A round for each Reshape whose sizes are those of another's result. qonnx's cleaning folds a node a round:
    minutes for a ShuffleNet, whose shuffles ask for five sizes each.
    """
    for node in wrapped.graph.node:
        if node.op_type in _QUANTIZERS:
            node.domain = GENERAL  # as that cleaning does first, too
    while any(node.op_type == "Shape" for node in wrapped.graph.node):
        wrapped = wrapped.transform(InferShapes())
        known = {
            node.output[0]: shape
            for node in wrapped.graph.node
            if node.op_type == "Shape" and (shape := wrapped.get_tensor_shape(node.input[0])) and all(shape)
        }
        if not known:
            break
        for node in [node for node in wrapped.graph.node if node.output[0] in known]:
            wrapped.graph.node.remove(node)
        wrapped.graph.initializer.extend(
            onnx.numpy_helper.from_array(np.asarray(shape, np.int64), name) for name, shape in known.items()
        )
        fold_small_constants(wrapped.graph, _OPSET)
        take_known_branches(wrapped.graph)
    return wrapped


def _drop_static_inputs(graph: onnx.GraphProto) -> None:
    """Exporters list parameters as inputs; one that is folded away would stay as an input."""
    constants = {t.name for t in graph.initializer}
    for info in [i for i in graph.input if i.name in constants]:
        graph.input.remove(info)
