"""Single wrong bits in the memories of the digits design: how many a few frames through the RTL show.

Bits of the .mem files (weights, thresholds, constants) are flipped one by one at random places, and the
design is simulated in Verilator each time: with many frames, to know whether anything shows the bit at all,
and of these with those that the flow chooses, and with the first ones of the test set. Takes about a second a
bit.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from shutil import rmtree

import numpy as np
from numpy.typing import NDArray

from etb_hw import data
from etb_hw.config import VerificationConfig, load_flow
from etb_hw.dataflow import DataflowGraph, Effort, Target, fold, lower
from etb_hw.dataflow.simulation import size_fifos
from etb_hw.flow.frames import telling
from etb_hw.flow.proofs import frames
from etb_hw.flow.samples import samples
from etb_hw.integer import IntegerGraph
from etb_hw.rtl import generate, simulate
from etb_hw.rtl.instance import memory_file
from etb_hw.rtl.names import instance_names
from hw_tests.benchmarks.bench_synth import NETWORKS

FLOW = Path(__file__).parents[2] / "flows/digits.toml"
COUNTS = (4, 8, 16, 24, 32)

Bit = tuple[str, int, int]  # memory file, word, bit


def bits(design: DataflowGraph) -> list[Bit]:
    """Every bit of the design's memories."""
    names = instance_names(design)
    return [
        (memory_file(names[block.name], memory), word, bit)
        for block in design.blocks
        for memory in block.rtl().memories
        for word in range(len(memory.words))
        for bit in range(memory.width)
    ]


def flipped(files: Mapping[str, str], bit: Bit) -> dict[str, str]:
    """The files of a design with that bit of its memories flipped."""
    name, word, place = bit
    lines = files[name].splitlines()
    lines[word] = f"{int(lines[word], 16) ^ (1 << place):0{len(lines[word])}x}"
    return {**files, name: "\n".join(lines) + "\n"}


def shown(design: DataflowGraph, x: NDArray[np.int64], wrong: Sequence[Bit]) -> NDArray[np.bool_]:
    """(bits, frames): whether the outputs of a frame differ with that bit flipped."""
    files = generate(design)
    rows = []
    with tempfile.TemporaryDirectory(prefix="etb_faults_") as folder:
        cache = Path(folder)
        right = simulate(design, x, cache_dir=cache).outputs.reshape(len(x), -1)
        for bit in wrong:
            found = simulate(design, x, sources=flipped(files, bit), cache_dir=cache).outputs
            rows.append((found.reshape(len(x), -1) != right).any(axis=1))
            rmtree(cache / "memories")
    return np.stack(rows)


def designed(network: str) -> tuple[IntegerGraph, DataflowGraph]:
    make, cycles = NETWORKS[network]
    graph = make()
    return graph, size_fifos(fold(lower(graph), Target(cycles=cycles), Effort(time_limit_s=10)).graph).graph


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bits", type=int, default=300)
    parser.add_argument("--random-seed", type=int, default=0)
    options = parser.parse_args(list(arguments))
    graph, design = designed("digits")
    dataset = data.load(load_flow(FLOW).data)
    pool = samples(dataset, VerificationConfig())
    noise = np.random.default_rng(1).integers(0, 256, (100, *dataset.shape)).astype(pool.dtype)
    chosen = telling(graph, pool, max(COUNTS))
    # the flow's choice, then the rest of the test set and noise that no choice has seen
    wide = np.concatenate([pool[chosen], dataset.test_x, noise])
    places = bits(design)
    rng = np.random.default_rng(options.random_seed)
    wrong = [places[i] for i in rng.choice(len(places), options.bits, replace=False)]
    table = shown(design, frames(design, wide), wrong)
    visible = table[table.any(axis=1)]
    first = visible[:, len(chosen) :]
    print(f"{len(places):,} bits of memory; {len(wrong)} flipped, {len(visible)} of them visible")
    print("frames  chosen  first of the test set")
    for count in COUNTS:
        shares = visible[:, :count].any(axis=1).mean(), first[:, :count].any(axis=1).mean()
        print(f"{count:6}  {shares[0]:6.1%}  {shares[1]:6.1%}")


if __name__ == "__main__":
    main(sys.argv[1:])
