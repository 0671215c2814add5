"""Options that can never be needed: another option of the same block is better whatever the neighbours do.

Replacing an option changes its own price and those of the converters beside it. If, for every form that a
neighbour may have, the sum is not larger, the option can go; no optimum is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.folding.options import Option
from etb_hw.dataflow.graph import DataflowGraph, Edge
from etb_hw.dataflow.resources import Resources

Form = tuple[int, int]  # channels, lanes
Price = Callable[[Edge, Form, Form], Resources]
Measure = Callable[[Resources], tuple[float, ...]]  # what has to be not larger, each by itself
Floats = NDArray[np.float64]


def needed(
    graph: DataflowGraph,
    options: Mapping[str, tuple[Option, ...]],
    converter: Price,
    measure: Measure,
) -> dict[str, tuple[Option, ...]]:
    """The options of every block that no other one of its own dominates."""
    forms = {
        name: (sorted({o.taken for o in of}), sorted({o.given for o in of})) for name, of in options.items()
    }
    # per block and side: how much dearer, at worst, the converters get when one form replaces another
    dearer: dict[str, list[Floats | None]] = {name: [None, None] for name in options}
    for edge in graph.edges:
        source, target = edge.source.block, edge.target.block
        table = _prices(graph, edge, forms[source][1], forms[target][0], converter, measure)
        for name, side, prices in ((source, 1, table), (target, 0, table.transpose(1, 0, 2))):
            added = _dearer(prices)
            before = dearer[name][side]
            dearer[name][side] = added if before is None else before + added
    return {name: _undominated(of, forms[name], dearer[name], measure) for name, of in options.items()}


def _prices(
    graph: DataflowGraph, edge: Edge, given: list[Form], taken: list[Form], converter: Price, measure: Measure
) -> Floats:
    """Measures of the converter between every pair of forms; infinite where they cannot meet."""
    kinds = len(measure(Resources()))
    table = np.full((len(given), len(taken), kinds), np.inf)
    for i, a in enumerate(given):
        for j, b in enumerate(taken):
            if graph.may_meet(edge, a, b):
                table[i, j] = measure(converter(edge, a, b))
    return table


def _dearer(prices: Floats) -> Floats:
    """[new, old, kind]: the largest growth over the neighbour's forms; what cannot meet anyway is free."""
    with np.errstate(invalid="ignore"):
        growth = prices[:, None] - prices[None, :]
    growth = np.where(np.isinf(prices)[None, :], -np.inf, growth)
    worst: Floats = growth.max(axis=2)
    return worst


def _undominated(
    options: tuple[Option, ...],
    forms: tuple[list[Form], list[Form]],
    dearer: list[Floats | None],
    measure: Measure,
) -> tuple[Option, ...]:
    own = np.array([measure(option.resources) for option in options], dtype=np.float64)
    sides = [
        np.array([forms[0].index(option.taken) for option in options]),
        np.array([forms[1].index(option.given) for option in options]),
    ]
    kept: list[int] = []
    for i in np.lexsort(own.T[::-1]):
        rivals = np.array(kept, dtype=np.int64)
        if len(rivals):
            total = own[rivals] - own[i]
            for side, table in zip(sides, dearer, strict=True):
                if table is None:
                    # a free port: its form is the design's own, any will do
                    continue
                total = total + table[side[rivals], side[i]]
            if (total <= 0).all(axis=1).any():
                continue
        kept.append(int(i))
    return tuple(options[i] for i in sorted(kept))
