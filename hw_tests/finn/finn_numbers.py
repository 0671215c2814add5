"""Run in FINN's environment: what FINN itself estimates for a dataflow.onnx, and how its SetFolding folds it.

python finn_numbers.py dataflow.onnx --target-cycles N --out numbers.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from drive_finn import import_finn

import_finn()

from finn.transformation.fpgadataflow.set_folding import SetFolding  # noqa: E402
from qonnx.core.modelwrapper import ModelWrapper  # noqa: E402
from qonnx.custom_op.registry import getCustomOp  # noqa: E402

PART = "xc7z020clg400-1"


def estimate(formula):  # type: ignore[no-untyped-def]
    """Formulas take the part in some versions of FINN."""
    try:
        return formula(PART)
    except TypeError:
        return formula()


def estimates(model: ModelWrapper) -> dict[str, dict[str, object]]:
    """Cycles, resources and counts of every node whose op this FINN has."""
    found: dict[str, dict[str, object]] = {}
    for node in model.graph.node:
        try:
            op = getCustomOp(node)
        except KeyError:
            continue
        found[node.name] = {
            "cycles": int(op.get_exp_cycles()),
            "LUT": estimate(op.lut_estimation),
            "BRAM_18K": estimate(op.bram_estimation),
            "URAM": estimate(op.uram_estimation),
            "counts": op.get_op_and_param_counts(),
        }
    return found


def folding(model: ModelWrapper) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for node in model.graph.node:
        values = {a.name: a.i for a in node.attribute if a.name in ("PE", "SIMD")}
        found[node.name] = values
    return found


def without_conversions(model: ModelWrapper) -> ModelWrapper:
    """Without the nodes that turn matches into sums: this FINN lacks their op, and they have no folding."""
    for node in [n for n in model.graph.node if "_matches_" in n.name]:
        for reader in model.find_consumers(node.output[0]) or []:
            reader.input[list(reader.input).index(node.output[0])] = node.input[0]
        model.graph.node.remove(node)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("jobs", help="JSON: [[dataflow.onnx, target cycles], ...]")
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    results = []
    for path, target in json.loads(Path(args.jobs).read_text()):
        model = without_conversions(ModelWrapper(path))
        numbers: dict[str, object] = {"estimates": estimates(model)}
        try:
            numbers["folding"] = folding(model.transform(SetFolding(target)))
        except KeyError as missing:  # an op that this version of FINN lacks
            numbers["folding_error"] = str(missing)
        results.append(numbers)
    Path(args.out).write_text(json.dumps(results))


if __name__ == "__main__":
    main()
