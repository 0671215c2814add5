"""What is done to an integer graph before blocks are made of it: one pass a file, and the list of them all.

Each gives another graph of the same function, which a test holds it to on random graphs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from etb_hw.config import Builder
from etb_hw.dataflow.passes.early_thresholds import thresholds_first
from etb_hw.dataflow.passes.pixel_order import pixels_in_order
from etb_hw.dataflow.passes.shifts import shifts_in_thresholds
from etb_hw.dataflow.passes.zero_borders import ternary_borders
from etb_hw.integer.graph import IntegerGraph

Pass: TypeAlias = Callable[[IntegerGraph, Builder], IntegerGraph]

PASSES: tuple[Pass, ...] = (pixels_in_order, ternary_borders, thresholds_first, shifts_in_thresholds)
"""In order; the builder is whose blocks the graph is for."""
