"""Differential fuzzing: every executor computes the same numbers on random networks.

A longer run: ``python -m hw_tests.fuzz --examples 2000``.
"""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hw_tests.fuzz.differential import compare
from hw_tests.fuzz.mutations import mutate, survives
from hw_tests.fuzz.net_generator import Net, networks
from hw_tests.fuzz.torch_generator import torch_networks

QUICK = settings(deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)


@settings(QUICK, max_examples=60)
@given(networks())
def test_executors_agree(net: Net) -> None:
    compare(net)


@settings(QUICK, max_examples=8)
@given(torch_networks())
def test_torch_agrees_too(net: Net) -> None:
    compare(net)


@settings(QUICK, max_examples=150)
@given(st.data(), networks(max_layers=2))
def test_damaged_graphs_never_crash(data: st.DataObject, net: Net) -> None:
    survives(mutate(data.draw, net.model), net.options)
