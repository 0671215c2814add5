"""Differential fuzzing: every executor computes the same numbers on random networks."""

from __future__ import annotations

from differential import compare
from hypothesis import HealthCheck, given, settings
from net_generator import Net, networks


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(networks())
def test_executors_agree(net: Net) -> None:
    compare(net)
