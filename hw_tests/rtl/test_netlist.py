"""What synthesis made of the design computes the same bits: its netlist, in Yosys' own models of the cells.

The usual simulation takes the RTL, with the population count of the simulator. Here the digits design is
synthesised for the Xilinx 7 series as every count of ours is, and its LUTs, carry chains, flip-flops and
memories are simulated. Yosys has no model of block RAM; ours follows the vendor's guide (UG473).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from etb_hw import data
from etb_hw.config import VerificationConfig, load_flow
from etb_hw.flow.frames import telling
from etb_hw.flow.proofs import channels_first, frames
from etb_hw.flow.samples import samples
from etb_hw.integer.reference import execute
from etb_hw.rtl.simulation import simulate
from hw_tests.benchmarks.bench_rtl_faults import FLOW, designed
from hw_tests.rtl.netlist import synthesised

FRAMES = 3


@pytest.mark.slow
def test_the_synthesised_digits_design_computes_the_same_bits(
    simulator_cache: Path, synthesis_cache: Path, tmp_path: Path
) -> None:
    graph, design = designed("digits")
    pool = samples(data.load(load_flow(FLOW).data), VerificationConfig())
    x = pool[telling(graph, pool, FRAMES)]
    sources = synthesised(design, synthesis_cache, tmp_path)
    run = simulate(design, frames(design, x), cache_dir=simulator_cache, sources=sources)
    expected = execute(graph, x)
    np.testing.assert_array_equal(channels_first(run.outputs, expected.shape), expected)
