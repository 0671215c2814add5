"""The three questions: least resources for a frame rate, highest frame rate on a device, and the front."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import floor

from etb_hw.dataflow.block import Block, Fold
from etb_hw.dataflow.blocks.fifo import Fifo
from etb_hw.dataflow.blocks.width_converter import WidthConverter
from etb_hw.dataflow.folding.channels import Groups, channel_groups
from etb_hw.dataflow.folding.dominance import needed
from etb_hw.dataflow.folding.effort import Effort
from etb_hw.dataflow.folding.options import Option, all_options, useful
from etb_hw.dataflow.folding.solver import Solution, solve
from etb_hw.dataflow.folding.target import Target, cycles_for
from etb_hw.dataflow.folding.too_fast import too_fast
from etb_hw.dataflow.graph import DataflowGraph, Edge
from etb_hw.dataflow.refold import refold, strip
from etb_hw.dataflow.resources import Resources
from etb_hw.dataflow.stream import Stream
from etb_hw.errors import BadInput, InfeasibleTarget
from etb_hw.integer.datatype import DataType


@dataclass(frozen=True, eq=False)
class Folding:
    """A folded design and what is known of its quality.

    Attributes:
        graph: the design, with width converters.
        objective: the weighted resources, in LUTs, of ``graph.least_cost(model)``.
        bound: no legal folding at that frame rate costs less.
        optimal: whether the design is proved best: the cheapest at its frame rate and, when the fastest on
            a device was asked for, the fastest.
        fps_bound: no folding that fits the device is faster (only when that was asked for).
        dead_channels: by layer, how many channels were added so that it folds better.
        model: name of the resource model.
    """

    graph: DataflowGraph
    objective: float
    bound: float
    optimal: bool
    fps_bound: float | None
    dead_channels: Mapping[str, int]
    model: str


def fold(graph: DataflowGraph, target: Target, effort: Effort = Effort()) -> Folding:  # noqa: B008 (frozen)
    """Fold a design, by CP-SAT over all legal divisors.

    Raises:
        InfeasibleTarget: naming the block that limits and the nearest target that can be met.
        BadInput: if the target is neither a rate nor a device.
    """
    cycles = target.cycles_at(graph.clk_ns)
    if effort.pad_channels and effort.hint is None and cycles is not None:
        # the search with more channel counts is larger by far: start it from the best without them
        narrow = replace(effort, pad_channels=False, time_limit_s=effort.time_limit_s / 2)
        effort = replace(effort, hint=_Search(graph, target, narrow).attempt(cycles))
    search = _Search(graph, target, effort)
    if cycles is not None:
        return search.cheapest(cycles)
    if target.budget is None:
        raise BadInput("folding", "has neither a target nor a device", "give a frame rate or a device")
    return search.filling()


def pareto(
    graph: DataflowGraph,
    rates: Iterable[float],
    target: Target = Target(),  # noqa: B008 (frozen)
    effort: Effort = Effort(),  # noqa: B008 (frozen)
) -> tuple[Folding, ...]:
    """The front of frame rate against weighted resources, at the given rates, slowest first.

    Rates that cannot be met are left out, and so is every design that another one equals or beats.
    """
    search = _Search(graph, target, effort)
    found: list[Folding] = []
    for fps in sorted(rates):
        try:
            found.append(search.cheapest(cycles_for(fps, search.graph.clk_ns)))
        except InfeasibleTarget:
            break
    front: list[Folding] = []
    for folding in reversed(found):
        if all(other.objective > folding.objective for other in front):
            front.append(folding)
    return tuple(reversed(front))


class _Search:
    """One design, its options, and the questions about them."""

    def __init__(self, graph: DataflowGraph, target: Target, effort: Effort) -> None:
        self.graph = strip(graph)
        self.target = target
        self.limit = target.budget
        self.weights, self.model = target.weights, target.model
        self.hint, self.time_limit_s = effort.hint, effort.time_limit_s
        self.groups: Groups = channel_groups(self.graph, effort.pad_channels)
        self.pixels = effort.pixels
        self.styles: tuple[str, ...] | None = None
        if effort.choose_memory:
            urams = self.limit is not None and self.limit.uram > 0
            self.styles = ("block", "distributed", "ultra") if urams else ("block", "distributed")
        self.options = all_options(self.graph, self.groups, self.model, self.styles)
        self.converters: dict[tuple[Edge, tuple[int, int], tuple[int, int]], Resources] = {}
        self.fifos: dict[tuple[int, int], Resources] = {}  # by bits of a value and lanes

    def cheapest(self, cycles: int) -> Folding:
        self._check(cycles)
        found = self._solve(cycles)
        if found.chosen is None:
            raise self._too_big(cycles, found)
        return self._folding(found)

    def attempt(self, cycles: int) -> DataflowGraph | None:
        """The design of ``cheapest``, or None where nothing was found."""
        found = self._solve(cycles)
        return None if found.chosen is None else self._folding(found).graph

    def filling(self) -> Folding:
        """The fastest that fits the device; several pixels a cycle only where all else leaves room."""
        found = self.fastest(self.options)
        cycles = found.graph.bottleneck.cycles
        if not self.pixels or cycles > _least(self.options) or cycles == _least(self.wide_options):
            return found
        return self.fastest(self.wide_options, cycles)

    def fastest(self, options: Mapping[str, tuple[Option, ...]], fits: int | None = None) -> Folding:
        """Bisection over the cycles that some folding has: fitting a device is monotone in them.

        ``fits``: cycles at which the design is known to fit.
        """
        least = _least(options)
        steps = sorted(
            {o.cycles for of in options.values() for o in of if least <= o.cycles <= (fits or o.cycles)}
        )
        low, high = 0, len(steps) - 1  # steps[low:high] are undecided, steps[high] fits
        best = self._solve(steps[high])
        if best.chosen is None:
            raise self._never_fits(best)
        unknown = steps[high]
        disproved = -1
        while low < high:
            middle = (low + high) // 2
            found = self._solve(steps[middle])
            if found.chosen is not None:
                best, high = found, middle
            else:
                if found.proved:
                    disproved = max(disproved, middle)
                low = middle + 1
        unknown = steps[disproved + 1]
        folding = self._folding(best)
        return replace(
            folding,
            optimal=folding.optimal and unknown >= folding.graph.bottleneck.cycles,
            fps_bound=1e9 / (self.graph.clk_ns * unknown),
        )

    @cached_property
    def wide_options(self) -> dict[str, tuple[Option, ...]]:
        """The options and those of several pixels a cycle."""
        return all_options(self.graph, self.groups, self.model, self.styles, pixels=True)

    def _options(self, cycles: int) -> dict[str, tuple[Option, ...]]:
        """What to choose among: several pixels a cycle only where no other folding meets the cycles."""
        return self.wide_options if self.pixels and _too_slow(self.options, cycles) else self.options

    def _solve(self, cycles: int) -> Solution:
        limited = self.limit is not None
        options = {
            name: useful(of, cycles, self.weights, limited) for name, of in self._options(cycles).items()
        }
        if not all(options.values()):
            return Solution(None, float("inf"), float("inf"), True)
        options = needed(self.graph, options, self._between, _each if limited else self._weighted)
        start = self._start(cycles)
        found = solve(
            self.graph, options, self._between, self.weights.of, self.limit, start, self.time_limit_s
        )
        if found.chosen is None and not found.proved and start is not None and self._allowed(start):
            # the time went without a solution, but the design to start from is one
            return replace(found, chosen=start)
        return found

    def _weighted(self, resources: Resources) -> tuple[float, ...]:
        return (self.weights.of(resources),)

    def _start(self, cycles: int) -> dict[str, Option] | None:
        """The options of the design to start from, if all of them meet the cycles."""
        if self.hint is None:
            return None
        found = {}
        options = self._options(cycles)
        for name, of in options.items():
            wanted = self.hint[name]
            for option in of:
                if option.cycles <= cycles and all(
                    _attribute(wanted, key) == value for key, value in {"M": 1, **option.fold}.items()
                ):
                    found[name] = option
                    break
        return found if len(found) == len(options) else None

    def _allowed(self, chosen: Mapping[str, Option]) -> bool:
        used = self._built(chosen).least_cost(self.model)
        return self.limit is None or used.within(self.limit)

    def _between(self, edge: Edge, given: tuple[int, int], taken: tuple[int, int]) -> Resources:
        """The converter between two forms, and the least FIFOs before and behind it."""
        price = Resources() if given[1] == taken[1] else self._converter(edge, given, taken)
        if self.model.counts_fifos:
            dtype = self.graph[edge.source.block].outputs[edge.source.index].dtype
            for lanes in dict.fromkeys((given[1], taken[1])):
                price += self._fifo(dtype, lanes)
        return price

    def _fifo(self, dtype: DataType, lanes: int) -> Resources:
        if (dtype.bits, lanes) not in self.fifos:
            stream = Stream((lanes,), dtype, lanes)
            self.fifos[dtype.bits, lanes] = self.model(Fifo(name="", layer="", stream=stream, depth=2))
        return self.fifos[dtype.bits, lanes]

    def _converter(self, edge: Edge, given: tuple[int, int], taken: tuple[int, int]) -> Resources:
        key = (edge, given, taken)
        if key not in self.converters:
            stream = self.graph[edge.target.block].inputs[edge.target.index]
            source = self.graph[edge.source.block].outputs[edge.source.index]
            # a flattened stream keeps its pixels within its channels
            growth = given[0] // self.groups.counts[self.groups.yields[edge.source.block]][0]
            shape = stream.shape if growth == 1 and stream.channels % given[1] == 0 else None
            if shape is None or stream.channels % taken[1]:
                shape = (stream.pixels, given[1] * taken[1])
            block = WidthConverter(
                name="", layer="", shape=shape, dtype=source.dtype, lanes_in=given[1], lanes_out=taken[1]
            )
            self.converters[key] = self.model(block)
        return self.converters[key]

    def _folding(self, found: Solution) -> Folding:
        assert found.chosen is not None
        chosen = found.chosen
        graph = self._built(chosen)
        dead = {}
        for group, maker in self.groups.maker.items():
            if maker is not None:
                added = chosen[maker].given[0] - self.groups.counts[group][0]
                if added:
                    dead[self.graph[maker].layer] = added
        cost = self.weights.of(graph.least_cost(self.model))
        return Folding(graph, cost, min(found.bound, cost), found.proved, None, dead, self.model.name)

    def _built(self, chosen: Mapping[str, Option]) -> DataflowGraph:
        blocks = tuple(chosen[block.name].block for block in self.graph.blocks)
        folds: dict[str, Fold] = {name: option.fold for name, option in chosen.items()}
        return refold(replace(self.graph, blocks=blocks), folds)

    def _check(self, cycles: int) -> None:
        if _too_slow(self._options(cycles), cycles):
            raise too_fast(self.graph, cycles, self.pixels)

    def _too_big(self, cycles: int, found: Solution) -> InfeasibleTarget:
        wanted = 1e9 / (self.graph.clk_ns * cycles)
        name, need = self._largest(cycles)
        reason = (
            f"no folding fits {self.target.place}; {name} ({self.graph[name].layer}) alone needs "
            f"{need:,.0f} LUT equivalents"
        )
        if not found.proved:
            reason = f"no folding was found in {self.time_limit_s:g} s; " + reason
        best = self.fastest(self._options(cycles))
        nearest = f"ask for at most {floor(best.graph.fps):,} frames/s"
        remedy = f"{nearest}, raise max_utilization or take a larger device"
        return InfeasibleTarget(f"target of {wanted:,.0f} frames/s", reason, remedy)

    def _never_fits(self, found: Solution) -> InfeasibleTarget:
        steps = max(option.cycles for of in self.options.values() for option in of)
        name, need = self._largest(steps)
        return InfeasibleTarget(
            "the design",
            f"does not fit {self.target.place} at any frame rate; {name} ({self.graph[name].layer}) alone "
            f"needs {need:,.0f} LUT equivalents",
            "raise max_utilization, take a larger device or prune the network further",
        )

    def _largest(self, cycles: int) -> tuple[str, float]:
        costs = {
            name: min(self.weights.of(option.resources) for option in of if option.cycles <= cycles)
            for name, of in self._options(cycles).items()
        }
        return max(costs.items(), key=lambda item: item[1])


def _each(resources: Resources) -> tuple[float, ...]:
    return resources.amounts


def _too_slow(options: Mapping[str, tuple[Option, ...]], cycles: int) -> bool:
    """Whether some block meets the cycles in none of its forms."""
    return any(all(option.cycles > cycles for option in of) for of in options.values())


def _least(options: Mapping[str, tuple[Option, ...]]) -> int:
    """Cycles of the slowest block where every one is as fast as it can be."""
    return max(min(option.cycles for option in of) for of in options.values())


def _attribute(block: Block, key: str) -> int | str:
    value: int | str = getattr(block, key.lower(), 1)
    # FINN's formulas count memories that the tool may place as block RAM
    return "block" if key == "ram_style" and value == "auto" else value
