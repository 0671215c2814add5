"""Fits the calibrated resource model to the rows that ``rows`` made.

``python -m etb_hw.calibration.fit DATA.json COEFFICIENTS.json`` writes the coefficients, and prints by kind
of block the errors on rows that the fit had not seen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etb_hw.calibration.rows import block_of
from etb_hw.dataflow.block import Amounts, Block
from etb_hw.dataflow.fabric import Fabric, find_fabric

Floats = NDArray[np.float64]
FOLDS = 10
# how hard weights are held near the expected ones: to double a weight counts as a relative error of this much
PULL = 0.1
# cells for a unit of each part as the modules are written, where that is not one
EXPECTED: Mapping[str, Mapping[str, float]] = {
    "lut": {
        "one": 3.0,
        "steps": 0.5,
        "jumps": 0.5,
        "copies": 2.5,
        "pair": 4.0,
        "constant comparators": 0.6,
        "constant accumulators": 0.6,
        "constant leaves": 0.5,
    },
    "ff": {},
}
SISTERS = {
    "Mvau binary sums": "Mvau binary",
    "Mvau binary, border": "Mvau binary",
    "Mvau binary sums, border": "Mvau binary sums",
    "Mvau products, border": "Mvau products",
    "Mvau bipolar weights, wide inputs": "Mvau bipolar weights",
}


def fit(data: Mapping[str, Any]) -> dict[str, Any]:
    """Coefficients by kind of block, none negative, by least squares of the relative error.

    Returns:
        The contents of a coefficients file, with the held-out errors of a ten-fold cross-validation of LUTs
        and of flip-flops.
    """
    fabric = find_fabric(data["family"])
    groups: dict[str, list[tuple[Block, Mapping[str, int]]]] = {}
    for row in data["rows"]:
        block = block_of(row["spec"])
        groups.setdefault(block.kind, []).append((block, row["usage"]))
    kinds: dict[str, Any] = {}
    everything: dict[str, list[Floats]] = {"lut": [], "ff": []}
    for kind, rows in sorted(groups.items()):
        kinds[kind] = {"held_out": {"rows": len(rows)}}
        for cell in ("lut", "ff"):
            counts = np.array([_counted(usage, cell) for _, usage in rows], dtype=float)
            parts = [_amounts(block, cell, fabric) for block, _ in rows]
            # a block that differs in one part only starts from the weights of its better known sister
            expected = EXPECTED[cell] | kinds.get(SISTERS.get(kind, ""), {}).get(cell, {})
            errors = held_out(parts, counts, expected) if len(rows) > 1 else np.ones(1)
            everything[cell].append(errors)
            kinds[kind][cell] = _solve(parts, counts, expected)
            kinds[kind]["held_out"][cell] = _spread(errors)
    joined = {cell: np.concatenate(errors) for cell, errors in everything.items()}
    overall = {"rows": len(joined["lut"])} | {cell: _spread(errors) for cell, errors in joined.items()}
    head = {name: data[name] for name in ("tool", "family", "recipe")}
    return {**head, "held_out": overall, "kinds": kinds}


def _amounts(block: Block, cell: str, fabric: Fabric) -> Amounts:
    return block.ff_amounts(fabric) if cell == "ff" else block.lut_amounts(fabric)


def _counted(usage: Mapping[str, int], cell: str) -> int:
    return usage.get("ff", 0) if cell == "ff" else usage.get("lut", 0) + usage.get("lutram", 0)


def _spread(errors: Floats) -> dict[str, float]:
    return {
        "median": round(float(np.median(errors)), 4),
        "p90": round(float(np.quantile(errors, 0.9)), 4),
    }


def held_out(parts: Sequence[Amounts], counts: Floats, expected: Mapping[str, float] | None = None) -> Floats:
    """Relative errors of rows, each predicted by a fit to the folds that it is not in."""
    errors = np.zeros(len(parts))
    order = np.random.default_rng(0).permutation(len(parts))
    for part in range(min(FOLDS, len(parts))):
        out = set(order[part :: min(FOLDS, len(parts))].tolist())
        rest = [i for i in range(len(parts)) if i not in out]
        weights = _solve(
            [parts[i] for i in rest], counts[rest], EXPECTED["lut"] if expected is None else expected
        )
        for i in out:
            guess = sum(weights.get(name, 0.0) * amount for name, amount in parts[i].items())
            errors[i] = abs(guess - counts[i]) / max(1.0, counts[i])
    return errors


def _solve(parts: Sequence[Amounts], counts: Floats, near: Mapping[str, float]) -> dict[str, float]:
    """Weights that are not negative and, where rows are few, stay near what the parts are made of."""
    from scipy.optimize import nnls  # type: ignore[import-untyped]

    names = list(dict.fromkeys(name for part in parts for name in part))
    table = np.array([[part.get(name, 0.0) for name in names] for part in parts])
    scale = 1 / np.maximum(counts, 8.0)
    expected = np.array([near.get(name, 1.0) for name in names])
    pull = np.diag(PULL / expected)
    weights, _ = nnls(
        np.vstack([table * scale[:, None], pull]), np.concatenate([counts * scale, np.full(len(names), PULL)])
    )
    return {name: round(float(w), 4) for name, w in zip(names, weights, strict=True) if w > 0}


def main() -> None:
    """Fit a data file."""
    import click
    from rich.console import Console
    from rich.table import Table

    @click.command()
    @click.argument("data", type=click.Path(exists=True, path_type=Path))
    @click.argument("coefficients", type=click.Path(path_type=Path))
    def command(data: Path, coefficients: Path) -> None:
        found = fit(json.loads(data.read_text(encoding="utf-8")))
        coefficients.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        names = ("kind", "rows", "LUT median", "LUT 90 %", "FF median", "FF 90 %")
        table = Table(*names, title="relative errors, held out")
        for kind, e in [(k, made["held_out"]) for k, made in found["kinds"].items()] + [
            ("all", found["held_out"])
        ]:
            errors = [f"{e[cell][which]:.1%}" for cell in ("lut", "ff") for which in ("median", "p90")]
            table.add_row(kind, str(e["rows"]), *errors)
        Console().print(table)

    command()


if __name__ == "__main__":
    main()
