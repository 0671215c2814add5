"""What a node of a file is called in errors and notes."""

from __future__ import annotations

import onnx


def node_label(node: onnx.NodeProto) -> str:
    """By its name, or by what it writes where a tool gave it none."""
    named = node.name or next(filter(None, node.output), "")
    return f"node {named!r} ({node.op_type})" if named else f"a node without a name ({node.op_type})"
