"""One name for a layer, from the user's module to the RTL's comments and the page."""

from __future__ import annotations

import re
from itertools import zip_longest

import onnx

LONGEST = 64
_WITHIN = ("export_handler", "act_quant", "weight_quant")  # Brevitas' own parts of a layer
_HOLDER = "core"  # the part of our layers that holds the weights


def keep_node_names(graph: onnx.GraphProto) -> None:
    """Note each node's name where qonnx's cleaning leaves it alone."""
    for node in graph.node:
        node.doc_string = node.name


def restore_node_names(graph: onnx.GraphProto) -> None:
    """Nodes have the names again that ``keep_node_names`` noted; those that came since keep theirs."""
    for node in graph.node:
        if node.doc_string:
            node.name, node.doc_string = node.doc_string, ""


def layer_name(node: onnx.NodeProto) -> str:
    """What users call the layer that a node computes: ``features.3`` of ``/features/features.3/Conv``.

    Exporters name nodes after modules and the op; names without slashes stay. Only letters, digits, dots,
    dashes and underscores are left. Empty for a node without a name.
    """
    parts = [part for part in node.name.split("/") if part]
    if "/" in node.name:
        if parts and re.fullmatch(rf"{re.escape(node.op_type)}(_\d+)?", parts[-1]):
            parts = parts[:-1]
        parts = [part for part in parts if part not in _WITHIN]
        # torch writes a container's name in front of its parts again: features, features.3
        parts = [a for a, b in zip_longest(parts, parts[1:], fillvalue="") if not b.startswith(f"{a}.")]
        if len(parts) > 1 and parts[-1] == _HOLDER:
            parts = parts[:-1]
    return re.sub(r"[^A-Za-z0-9_.-]", "_", ".".join(parts))[:LONGEST]
