"""Differential fuzzing: every executor computes the same numbers on random networks.

A longer run: ``python -m hw_tests.fuzz --examples 2000``.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etb_hw.qonnx_io import execute, import_model
from etb_hw.qonnx_io.float64 import execute_in_float64
from etb_hw.qonnx_io.streamlined import streamlined_model
from hw_tests.fuzz.differential import compare
from hw_tests.fuzz.field import report, try_field
from hw_tests.fuzz.mutations import mutate, survives
from hw_tests.fuzz.net_generator import Net, networks
from hw_tests.fuzz.own_networks import try_all
from hw_tests.fuzz.torch_generator import torch_networks

# the same examples everywhere: what fails here fails for all. `python -m hw_tests.fuzz` draws new ones
QUICK = settings(deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@settings(QUICK, max_examples=60)
@given(networks())
def test_executors_agree(net: Net) -> None:
    compare(net)


@settings(QUICK, max_examples=20)
@given(networks(max_layers=3))
def test_float64_agrees_where_float32_is_exact(net: Net) -> None:
    model = streamlined_model(import_model(net.model, net.options))
    found, golden = execute_in_float64(model, net.samples), execute(model, net.samples)
    np.testing.assert_array_equal(found.reshape(golden.shape), golden)


@settings(QUICK, max_examples=8)
@given(torch_networks())
def test_torch_agrees_too(net: Net) -> None:
    compare(net)


def test_what_check_lets_pass_is_built_when_it_is_trained() -> None:
    """``python -m hw_tests.fuzz --kind own`` tries more."""
    found, wrong = try_all(range(15, 25))
    assert not wrong
    assert found["built"] >= 3, found


def test_networks_of_the_field_are_equal_or_refused_for_a_known_reason() -> None:
    """``python -m hw_tests.fuzz --kind field`` counts them by reason; a new one shows here."""
    tally = try_field(range(8))
    assert tally.tried == 8
    assert tally.accepted >= 7, report(tally)
    assert {op for op, _ in tally.refused} <= {"Add"}, report(tally)


@pytest.mark.slow
def test_most_networks_of_the_field_are_built() -> None:
    tally = try_field(range(100, 200))
    assert tally.accepted >= 85, report(tally)
    assert {"conv3p", "signal", "joined", "shortcut", "map", "average", "sign"} <= set(tally.kinds)
    assert tally.ties, "qonnx rounds somewhere in a hundred networks"
    assert f"{tally.accepted} accepted and equal ({tally.ties} ties)" in report(tally)
    assert all(f"{op}: {reason}" in report(tally) for op, reason in tally.refused)
    # a Linear with a bias is exported as Gemm, and refused as a MatMul is
    assert {op for op, _ in tally.refused} <= {"Add", "Conv", "MatMul", "Gemm"}, report(tally)


@settings(QUICK, max_examples=150)
@given(st.data(), networks(max_layers=2))
def test_damaged_graphs_never_crash(data: st.DataObject, net: Net) -> None:
    survives(mutate(data.draw, net.model), net.options)
