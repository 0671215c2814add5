"""Folding: PE, SIMD and memory style of every block, chosen by search with a proof of optimality."""

from etb_hw.dataflow.folding.good_counts import CountCost, good_counts
from etb_hw.dataflow.folding.search import Folding, fold, pareto
from etb_hw.dataflow.folding.set_folding import set_folding
from etb_hw.dataflow.folding.target import cycles_for, too_fast
from etb_hw.dataflow.folding.weights import Weights

__all__ = [
    "CountCost",
    "Folding",
    "Weights",
    "cycles_for",
    "fold",
    "good_counts",
    "pareto",
    "set_folding",
    "too_fast",
]
