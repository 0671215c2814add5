"""Resource estimates beside synthesis: our calibrated model, FINN's formulas, and what Yosys counts.

Two tables: the errors of both models over the stored calibration rows (ours on rows held out of the fit), and
a small pruned network synthesised now, block by block. `--network vgg` takes a pruned VGG-Small at half a
million cycles a frame instead, which takes minutes the first time (`--family ecp5` longer); `cnv` is FINN's
CNV, `residual` a small ResNet with integer shortcuts, `tfc` FINN's TFC and `digits` the network of
flows/pretrained. No fit has seen any of them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from etb_hw import qonnx_io
from etb_hw.calibration.rows import block_of
from etb_hw.dataflow import DataflowGraph, Effort, Target, finn_model, fold, lower
from etb_hw.dataflow.calibrated import load_calibration
from etb_hw.dataflow.simulation import size_fifos
from etb_hw.integer import IntegerGraph
from etb_hw.pruning import deployable, load_checkpoint
from etb_hw.qonnx_io.export import exported_model
from etb_hw.rtl import synth
from etb_hw.rtl.yosys import Family
from hw_tests.networks import POOL, cnv, conv_net, mlp, pruned_vgg_small, resnet18

DIGITS = Path(__file__).parents[2] / "flows/pretrained/digits/checkpoint.safetensors"


def published_digits() -> IntegerGraph:
    """The trained and pruned network of flows/pretrained."""
    hard, _ = load_checkpoint(DIGITS)
    module = deployable(hard)
    return qonnx_io.import_model(exported_model(module, module.input_shape))


# what is synthesised, and at how many cycles a frame
NETWORKS: Mapping[str, tuple[Callable[[], IntegerGraph], int]] = {
    "small": (lambda: conv_net([11, 14, POOL, 22], [], (3, 8, 8)), 2000),
    "residual": (lambda: resnet18((22, 35), inner=(19, 30), size=16, blocks=1), 40_000),
    "cnv": (cnv, 200_000),
    "vgg": (pruned_vgg_small, 500_000),
    "tfc": (mlp, 256),
    "digits": (published_digits, 4_721),
}


def rows_table() -> Table:
    """Median and 90th percentile of the errors by kind of block: ours held out, and FINN's (LUT only)."""
    model = load_calibration()
    text = (files("etb_hw.dataflow.calibrated") / "rows_xc7.json").read_text(encoding="utf-8")
    finn: dict[str, list[float]] = {"all": []}
    for row in json.loads(text)["rows"]:
        block = block_of(row["spec"])
        counted = row["usage"].get("lut", 0) + row["usage"].get("lutram", 0)
        error = abs(block.resources().lut - counted) / max(1, counted)
        finn["all"].append(error)
        finn.setdefault(block.kind, []).append(error)
    table = Table(title=f"relative errors against {model.tool}, {model.family}, on the calibration rows")
    names = ["kind", "rows"]
    names += [f"{whose} {which}" for whose in ("LUT", "FINN LUT", "FF") for which in ("median", "90 %")]
    for name in names:
        table.add_column(name, justify="left" if name == "kind" else "right")
    for kind, held in model.held_out.items():
        formula = {"median": np.median(finn[kind]), "p90": np.quantile(finn[kind], 0.9)}
        errors = [
            f"{of[which]:.{digits}%}"
            for of, digits in ((held["lut"], 1), (formula, 0), (held["ff"], 1))
            for which in ("median", "p90")
        ]
        table.add_row(kind, str(held["rows"]), *errors)
    return table


def design_table(design: DataflowGraph, title: str, family: Family = "xc7") -> Table:
    """Every block of a design: estimates, synthesis, ratios; and all together with their FIFOs."""
    model = load_calibration(family)
    report = synth(design, family)
    table = Table(title=f"{title}, {report.tool}, {report.family}")
    names = ("block", "LUT synth", "ours", "ratio", "FINN", "ratio", "FF synth", "ours", "ratio")
    for name in (*names, "RAMB18 synth", "ours", "FINN"):
        table.add_column(name, justify="left" if name == "block" else "right")
    sums = np.zeros(8)
    fifos = {fifo.name: fifo for fifo in design.fifos.values()}
    for row in report.rows:
        if row.name in design.by_name:
            ours, finn = model(design[row.name]), finn_model(design[row.name])
        else:
            ours, finn = model(fifos[row.name]), finn_model(fifos[row.name])
        used = row.usage
        brams = (used.bram, ours.bram_18k, finn.bram_18k)
        values = (used.luts, ours.lut, finn.lut, used.ff, ours.ff, *brams)
        sums += values
        if row.name in design.by_name:
            _add(table, row.name, values)
    _add(table, "all, with FIFOs", tuple(sums.tolist()))
    return table


def _add(table: Table, name: str, values: tuple[float, ...]) -> None:
    luts, ours, finn, ffs, our_ffs, *brams = values
    table.add_row(
        name,
        f"{luts:.0f}",
        f"{ours:.0f}",
        f"{ours / max(1.0, luts):.2f}",
        f"{finn:.0f}",
        f"{finn / max(1.0, luts):.2f}",
        f"{ffs:.0f}",
        f"{our_ffs:.0f}",
        f"{our_ffs / max(1.0, ffs):.2f}",
        *(f"{count:.0f}" for count in brams),
    )


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", choices=tuple(NETWORKS), default="small")
    parser.add_argument("--family", choices=("xc7", "ecp5"), default="xc7")
    options = parser.parse_args(list(arguments))
    network = options.network
    console = Console(width=134)
    console.print(rows_table())
    make, cycles = NETWORKS[network]
    graph = make()
    design = size_fifos(fold(lower(graph), Target(cycles=cycles), Effort(time_limit_s=10)).graph).graph
    title = f"{network} network at {design.bottleneck.cycles} cycles a frame"
    console.print(design_table(design, title, options.family))


if __name__ == "__main__":
    main(sys.argv[1:])
