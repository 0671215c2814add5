"""Damaged ONNX graphs: wrong ops, wires, attributes, shapes, types and values, and damaged bytes."""

from __future__ import annotations

import contextlib

import onnx
from hypothesis import strategies as st

from etb_hw.errors import EtbError
from etb_hw.qonnx_io import ImportOptions, import_model
from etb_hw.qonnx_io.ops import HANDLERS

ODD_INTS = (-(10**12), -1, 0, 2, 5, 10**9, 2**62)
ODD_FLOATS = (float("nan"), float("inf"), -1.0, 0.0, 1e30)
ODD_NAMES = ("axis", "axes", "perm", "pads", "value", "k", "strides", "group", "to", "kernel_shape")
ODD_TYPES = (0, 1, 2, 6, 7, 8, 9, 10, 11, 14, 16, 17, 21)


def mutate(draw: st.DrawFn, model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy with one to three defects."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    for _ in range(draw(st.integers(1, 3))):
        with contextlib.suppress(
            IndexError, ValueError, TypeError, KeyError, OverflowError
        ):  # a mutation that does not fit
            _mutate_once(draw, model.graph)
    return model


def _mutate_once(draw: st.DrawFn, graph: onnx.GraphProto) -> None:
    def pick(options):  # type: ignore[no-untyped-def]
        return options[draw(st.integers(0, len(options) - 1))]

    node = pick(graph.node)
    names = [n for other in graph.node for n in (*other.input, *other.output)]
    match draw(st.integers(0, 10)):
        case 0:
            node.op_type = pick(sorted(HANDLERS))
        case 1:
            node.input[draw(st.integers(0, len(node.input) - 1))] = pick([*names, ""])
        case 2:
            del node.input[-1]
        case 3:
            attribute = pick(node.attribute)
            if attribute.ints:
                attribute.ints[draw(st.integers(0, len(attribute.ints) - 1))] = pick(ODD_INTS)
            elif attribute.type == onnx.AttributeProto.INT:
                attribute.i = pick(ODD_INTS)
            elif attribute.type == onnx.AttributeProto.FLOAT:
                attribute.f = pick(ODD_FLOATS)
            else:
                attribute.s = b"\xff\x00"
        case 4:
            node.attribute.remove(pick(node.attribute))
        case 5:
            pick(node.attribute).name = pick(ODD_NAMES)
        case 6:
            tensor = pick(graph.initializer)
            tensor.dims[draw(st.integers(0, len(tensor.dims) - 1))] = pick(ODD_INTS)
        case 7:
            pick(graph.initializer).data_type = pick(ODD_TYPES)
        case 8:
            node.output[0] = pick(names)
        case 9:
            tensor = pick(graph.initializer)
            values = onnx.numpy_helper.to_array(tensor).copy()
            values.reshape(-1)[draw(st.integers(0, values.size - 1))] = pick(ODD_FLOATS)
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
        case 10:
            dims = graph.input[0].type.tensor_type.shape.dim
            dims[draw(st.integers(0, len(dims) - 1))].dim_value = pick(ODD_INTS)


def survives(model: onnx.ModelProto, options: ImportOptions) -> None:
    """Import it: success or one of our errors, nothing else."""
    with contextlib.suppress(EtbError):
        import_model(model, options)
