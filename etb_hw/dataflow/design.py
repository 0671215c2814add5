"""From a network and what is asked of its hardware to a folded design."""

from __future__ import annotations

from etb_hw.config import BuildConfig
from etb_hw.dataflow.devices import find_device
from etb_hw.dataflow.folding import Folding, fold
from etb_hw.dataflow.lower import lower
from etb_hw.errors import BadInput
from etb_hw.integer import IntegerGraph


def design(graph: IntegerGraph, build: BuildConfig) -> Folding:
    """Lower and fold a network: for a frame rate, within a device if one is named, or to fill a device.

    Raises:
        UnsupportedNode: a node has no hardware form.
        InfeasibleTarget: the frame rate or the device cannot be met.
        BadInput: neither a frame rate nor a device is given.
    """
    if build.target_fps is None and build.device is None:
        raise BadInput("build", "says neither a frame rate nor a device", "give target_fps or device")
    return fold(
        lower(graph, clk_ns=build.clk_ns),
        target_fps=build.target_fps,
        device=None if build.device is None else find_device(build.device),
        max_utilization=build.max_utilization,
        pad_channels=build.pad_channels,
        time_limit_s=build.time_limit_s,
    )
