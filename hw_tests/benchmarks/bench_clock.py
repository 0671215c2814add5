"""How fast a published network is with and without ``--memory-registers``.

python -m hw_tests.benchmarks.bench_clock --network digits  # routed on an ECP5-45: 15 minutes; vgg: two hours
python -m hw_tests.benchmarks.bench_clock --family xc7      # the longest path on the 7 series, not routed
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

import torch
from rich.console import Console
from rich.table import Table

import etb_hw as etb
from etb_hw import qonnx_io
from etb_hw.config import BuildConfig
from etb_hw.dataflow.design import design
from etb_hw.dataflow.graph import DataflowGraph
from etb_hw.evolution.net import PreparedNet
from etb_hw.flow.rehearsal import rehearsed
from etb_hw.integer import DataType, IntegerGraph
from etb_hw.pruning import deployable, load_checkpoint
from etb_hw.qonnx_io.export import exported_model
from etb_hw.rtl import synth
from etb_hw.rtl.place_ecp5 import place_ecp5
from hw_tests.evolution.architectures import UNet

UNET = "unet"  # of random weights, on images of 64x64 pixels
PRETRAINED = Path(__file__).parents[2] / "flows/pretrained"
# the network's folder, and frames a second at 100 MHz
NETWORKS: Mapping[str, tuple[str, int]] = {
    "digits": ("digits", 20_000),
    "vgg": ("vgg_small_quarter_cifar10", 1_000),
}
TARGET_MHZ = 140.0


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", choices=(*NETWORKS, UNET), default="digits")
    parser.add_argument("--registers", choices=("no", "yes", "both"), default="both")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="of nextpnr")
    parser.add_argument("--family", choices=("ecp5", "xc7"), default="ecp5")
    options = parser.parse_args(list(arguments))
    network, fps = (unet(), 500) if options.network == UNET else published(*NETWORKS[options.network])
    graphs = {
        kind: design(network, BuildConfig(target_fps=fps, memory_registers=registers)).graph
        for kind, registers in (("no", False), ("yes", True))
        if options.registers in (kind, "both")
    }
    table = routed_table(graphs, options.seeds) if options.family == "ecp5" else path_table(graphs)
    Console(width=130).print(table)


def published(folder: str, fps: int) -> tuple[IntegerGraph, int]:
    hard, _ = load_checkpoint(PRETRAINED / folder / "checkpoint.safetensors")
    module = deployable(hard)
    return qonnx_io.import_model(exported_model(module, module.input_shape)), fps


def unet() -> IntegerGraph:
    """What an untrained one would become."""
    torch.manual_seed(0)
    net = PreparedNet(etb.prepare(UNet(), torch.zeros(2, 1, 64, 64)))
    return rehearsed(net, net.plan.widths, DataType.unsigned(8))


def routed_table(graphs: Mapping[str, DataflowGraph], seeds: Sequence[int]) -> Table:
    table = Table("registers", "MHz, by seed", "median", "cells", "flip-flops", "block RAMs")
    for registers, graph in graphs.items():
        routed = [
            place_ecp5(graph, "45k", target_mhz=TARGET_MHZ, bitstream=False, seed=seed) for seed in seeds
        ]
        speeds = [placement.fmax_mhz for placement in routed]
        used = (f"{routed[0].utilization[kind][0]:,}" for kind in ("TRELLIS_COMB", "TRELLIS_FF", "DP16KD"))
        by_seed = " ".join(f"{speed:.1f}" for speed in speeds)
        table.add_row(registers, by_seed, f"{median(speeds):.1f}", *used)
    return table


def path_table(graphs: Mapping[str, DataflowGraph]) -> Table:
    table = Table("registers", "ns", "MHz", "cells between", "from", "to", "LUT", "flip-flops")
    for registers, graph in graphs.items():
        report = synth(graph, "xc7", whole=True)
        path = report.path
        assert path is not None
        table.add_row(
            registers, f"{path.ps / 1000:.2f}", f"{path.mhz:.0f}", str(path.levels), str(path.start),
            str(path.end), f"{report.total.luts:,}", f"{report.total.ff:,}",
        )  # fmt: skip
    return table


if __name__ == "__main__":
    main(sys.argv[1:])
