"""The folding problem for CP-SAT.

One Boolean an option of a block, exactly one of them true. An edge carries one Boolean for every pair of
stream forms at its ends, priced with the width converter that the pair needs, and tied to the options by
flow conservation. On a chain that linear relaxation is integral, so proofs are quick.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from ortools.sat.python import cp_model

from etb_hw.dataflow.folding.options import Option
from etb_hw.dataflow.graph import DataflowGraph, Edge
from etb_hw.dataflow.resources import Resources

Price = Callable[[Edge, tuple[int, int], tuple[int, int]], Resources]
_SCALE = 16  # prices are rounded to a sixteenth of a LUT
_KINDS = ("lut", "ff", "bram_18k", "uram", "dsp")


@dataclass(frozen=True, eq=False)
class Solution:
    """``chosen`` is None when no solution was found; ``proved`` tells infeasible and optimal from unknown."""

    chosen: Mapping[str, Option] | None
    objective: float
    bound: float
    proved: bool


def solve(
    graph: DataflowGraph,
    options: Mapping[str, tuple[Option, ...]],
    converter: Price,
    value: Callable[[Resources], float],
    limit: Resources | None,
    hint: Mapping[str, Option] | None,
    time_limit_s: float,
) -> Solution:
    """Least total ``value`` of one option a block and the converters between them, within ``limit``."""
    model = cp_model.CpModel()
    picks = {
        name: [model.new_bool_var(f"{name}.{i}") for i in range(len(of))] for name, of in options.items()
    }
    priced: list[tuple[Any, Resources]] = []
    for name, of in options.items():
        model.add_exactly_one(picks[name])
        priced += [(pick, option.resources) for pick, option in zip(picks[name], of, strict=True)]
    for edge in graph.edges:
        source, target = edge.source.block, edge.target.block
        given, taken = (
            _by_form(options[source], picks[source], 1),
            _by_form(options[target], picks[target], 0),
        )
        out: defaultdict[tuple[int, int], list[Any]] = defaultdict(list)
        into: defaultdict[tuple[int, int], list[Any]] = defaultdict(list)
        for a in given:
            for b in taken:
                if not graph.may_meet(edge, a, b):
                    continue
                pair = model.new_bool_var(f"{source}.{a}>{target}.{b}")
                out[a].append(pair)
                into[b].append(pair)
                price = converter(edge, a, b)
                if price != Resources():
                    priced.append((pair, price))
        for form, chosen in given.items():
            model.add(sum(out[form]) == sum(chosen))
        for form, chosen in taken.items():
            model.add(sum(into[form]) == sum(chosen))
    objective = sum(round(_SCALE * value(price)) * pick for pick, price in priced)
    model.minimize(objective)
    if limit is not None:
        for kind in _KINDS:
            used = sum(ceil(_SCALE * getattr(price, kind)) * pick for pick, price in priced)
            model.add(used <= int(_SCALE * getattr(limit, kind)))
    if hint is not None:
        for name, of in options.items():
            for pick, option in zip(picks[name], of, strict=True):
                wanted = hint.get(name)
                model.add_hint(pick, wanted is not None and _same(wanted, option))
    solver = _solver(time_limit_s, workers=2)
    status = solver.solve(model)
    if status == cp_model.INFEASIBLE:
        return Solution(None, float("inf"), float("inf"), True)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Solution(None, float("inf"), solver.best_objective_bound / _SCALE, False)
    least, bound = solver.objective_value, solver.best_objective_bound
    if status == cp_model.OPTIMAL:
        # several designs may cost the least, and which one is met first is chance: take the one of the least
        # numbers of options, found by a search that always takes the same way
        model.add(objective <= round(least))
        model.minimize(sum(i * pick for of in picks.values() for i, pick in enumerate(of)))
        model.clear_hints()
        second = _solver(time_limit_s, workers=1)
        if second.solve(model) in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            solver = second
    chosen_options = {
        name: next(option for pick, option in zip(picks[name], of, strict=True) if solver.value(pick))
        for name, of in options.items()
    }
    return Solution(chosen_options, least / _SCALE, bound / _SCALE, status == cp_model.OPTIMAL)


def _solver(time_limit_s: float, workers: int) -> cp_model.CpSolver:
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = time_limit_s
    solver.parameters.num_workers = workers
    solver.parameters.linearization_level = 2
    solver.parameters.random_seed = 1
    return solver


def _by_form(options: tuple[Option, ...], picks: list[Any], side: int) -> dict[tuple[int, int], list[Any]]:
    """Picks by the stream form, (channels, lanes), of one side of the block."""
    forms: defaultdict[tuple[int, int], list[Any]] = defaultdict(list)
    for option, pick in zip(options, picks, strict=True):
        forms[option.given if side else option.taken].append(pick)
    return dict(forms)


def _same(a: Option, b: Option) -> bool:
    return a.taken == b.taken and a.given == b.given and a.fold == b.fold
