"""Folding: PE, SIMD and memory style of every block, chosen by search with a proof of optimality."""

from etb_hw.dataflow.folding.effort import Effort
from etb_hw.dataflow.folding.good_counts import CountCost, good_counts
from etb_hw.dataflow.folding.rate_bound import RateBound, rate_bound
from etb_hw.dataflow.folding.search import Folding, fold, pareto
from etb_hw.dataflow.folding.set_folding import set_folding
from etb_hw.dataflow.folding.target import Target, cycles_for
from etb_hw.dataflow.folding.too_fast import too_fast
from etb_hw.dataflow.folding.weights import Weights

__all__ = [
    "CountCost",
    "Effort",
    "Folding",
    "RateBound",
    "Target",
    "Weights",
    "cycles_for",
    "fold",
    "good_counts",
    "pareto",
    "rate_bound",
    "set_folding",
    "too_fast",
]
