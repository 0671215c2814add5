"""``etb-hw simulate``: a model over a data set, bit-accurately."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from etb_hw.cli.between import Between
from etb_hw.cli.complete import Known, data_sets
from etb_hw.cli.options import (
    build_options,
    force_option,
    input_options,
    model_argument,
    proof_option,
    tools_option,
)
from etb_hw.cli.output import Output, output_options


@click.command("simulate")
@model_argument
@click.option(
    "--data",
    "data_text",
    type=Known("data", data_sets, files=True),
    default="digits",
    show_default=True,
    help="digits, a folder (MNIST, CIFAR-10, or images a class), a .npz, or a .npy without labels.",
)
@click.option(
    "--engine", type=click.Choice(["packed", "reference", "rtl"]), default="packed", show_default=True
)
@click.option("--threads", type=click.IntRange(1), help="Default: all cores.")
@click.option("--limit", type=click.IntRange(1), help="Only so many images.")
@click.option(
    "--against",
    type=click.Choice(["qonnx", "none"]),
    default="none",
    show_default=True,
    help="Compare every output with qonnx's execution of the file (slow).",
)
@click.option("--trace", "layer", metavar="LAYER", help="Write the tensor of one layer instead, to --out.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Write results: .json figures, .npy outputs, .csv classes. With --trace a .npy; default: trace.npy.",
)
@click.option("--stalls", type=Between(0, 0.95), default=0.0, help="RTL: share of stalled cycles.")
@proof_option
@tools_option
@build_options
@input_options
@force_option
@output_options
def command(model_file: Path, output: Output, **options: Any) -> None:
    """Run MODEL_FILE (QONNX) over the test images of a data set.

    First, qonnx's execution of the file has to give the same on some images and random inputs.
    The packed engine takes seconds for a whole test set and is proved equal to the reference. The rtl engine
    folds the model (--target-fps or --device) and streams the images through its SystemVerilog.
    """
    from etb_hw.cli.simulating import run_simulation

    sys.exit(run_simulation(model_file, options, output))
