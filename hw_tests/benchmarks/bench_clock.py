"""How fast a published network routes on an ECP5-45 with and without ``--memory-registers``: nextpnr's seeds.

python -m hw_tests.benchmarks.bench_clock --network digits    # a quarter of an hour; vgg: two hours
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from etb_hw import qonnx_io
from etb_hw.config import BuildConfig
from etb_hw.dataflow.design import design
from etb_hw.pruning import deployable, load_checkpoint
from etb_hw.qonnx_io.export import exported_model
from etb_hw.rtl.place_ecp5 import place_ecp5

PRETRAINED = Path(__file__).parents[2] / "flows/pretrained"
# the network's folder, and frames a second at 100 MHz
NETWORKS: Mapping[str, tuple[str, int]] = {
    "digits": ("digits", 20_000),
    "vgg": ("vgg_small_quarter_cifar10", 1_000),
}
TARGET_MHZ = 140.0


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", choices=tuple(NETWORKS), default="digits")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    options = parser.parse_args(list(arguments))
    folder, fps = NETWORKS[options.network]
    hard, _ = load_checkpoint(PRETRAINED / folder / "checkpoint.safetensors")
    module = deployable(hard)
    network = qonnx_io.import_model(exported_model(module, module.input_shape))
    table = Table("registers", "MHz, by seed", "median", "cells", "flip-flops", "block RAMs")
    for registers in (False, True):
        graph = design(network, BuildConfig(target_fps=fps, memory_registers=registers)).graph
        routed = [
            place_ecp5(graph, "45k", target_mhz=TARGET_MHZ, bitstream=False, seed=seed)
            for seed in options.seeds
        ]
        speeds = [placement.fmax_mhz for placement in routed]
        used = (f"{routed[0].utilization[kind][0]:,}" for kind in ("TRELLIS_COMB", "TRELLIS_FF", "DP16KD"))
        table.add_row(
            "yes" if registers else "no",
            " ".join(f"{speed:.1f}" for speed in speeds),
            f"{median(speeds):.1f}",
            *used,
        )
    Console(width=110).print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
