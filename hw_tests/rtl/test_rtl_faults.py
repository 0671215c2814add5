"""What a wrong bit in the RTL's memories does: nearly every one shows in the frames that the flow chooses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from etb_hw import data
from etb_hw.config import VerificationConfig, load_flow
from etb_hw.flow.frames import telling
from etb_hw.flow.proofs import frames
from etb_hw.flow.samples import samples
from hw_tests.benchmarks.bench_rtl_faults import FLOW, bits, designed, shown


@pytest.mark.slow
def test_single_wrong_bits_in_the_memories_of_the_rtl(simulator_cache: Path) -> None:
    """In Verilator, with the memory files as they are written."""
    flow = load_flow(FLOW)
    graph, design = designed("digits")
    pool = samples(data.load(flow.data), VerificationConfig())
    chosen = frames(design, pool[telling(graph, pool, flow.verification.rtl_frames)])
    places = bits(design)
    wrong = [places[i] for i in np.random.default_rng(3).choice(len(places), 100, replace=False)]
    assert shown(design, chosen, wrong).any(axis=1).mean() >= 0.95
