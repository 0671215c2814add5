"""What every dataflow block is: one frozen dataclass that holds all there is to know of it.

A block's file (or folder) under ``blocks/`` gives parameters, stream shapes, cycles, the machine of the
stream simulation, resources by FINN's formula and the amounts of the calibrated model, legal foldings, the
FINN node both ways, the RTL instance, the bit-exact behaviour, and random instances. Adding a block is such a
file, its ``.sv`` twin in ``etb_hw/rtl/sv``, a row in ``blocks.BLOCKS`` and a rule in ``lower.py``. See also
``lane_block.py``, the base of most.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.divisors import divisors
from etb_hw.dataflow.fabric.family import Fabric
from etb_hw.dataflow.fabric.links import Link
from etb_hw.dataflow.finn_fields import FinnFields
from etb_hw.dataflow.machine import Machine
from etb_hw.dataflow.resources import Resources
from etb_hw.dataflow.sampling import Sampler, Spec
from etb_hw.dataflow.stream import Stream
from etb_hw.dataflow.vocabulary import OWN_DOMAIN, domain_of, stream_type
from etb_hw.integer.datatype import DataType

Fold: TypeAlias = Mapping[str, int | str]  # by FINN attribute: {"PE": 4, "ram_style": "block"}
Amounts: TypeAlias = Mapping[str, float]  # parts of a cost, by name
Parameter: TypeAlias = int | str | tuple[int, ...]
Attribute: TypeAlias = int | float | str | tuple[int, ...] | tuple[str, ...]
FinnParameter: TypeAlias = tuple[str, NDArray[np.float32], DataType]  # a tensor's suffix, values, type


@dataclass(frozen=True, eq=False)
class FinnNode:
    """An ONNX node in FINN's hardware vocabulary.

    ``initializers`` follow the stream inputs in order.
    """

    op_type: str
    domain: str
    attributes: Mapping[str, Attribute]
    initializers: tuple[FinnParameter, ...] = ()


@dataclass(frozen=True, eq=False)
class RtlMemory:
    """Contents of one memory: ``words`` as unsigned Python integers of ``width`` bits each.

    ``writable``: they can be written at run time, through the chain of such memories.
    """

    parameter: str
    width: int
    words: tuple[int, ...]
    writable: bool = False


@dataclass(frozen=True)
class Caption:
    """How the page draws a block: its name in words, its colour, and whether it is drawn small."""

    title: str
    colour: str
    small: bool = False


@dataclass(frozen=True)
class LargeMemory:
    """A memory of ``depth`` words of ``width`` bits, what it is made of, and whether the block writes it."""

    width: int
    depth: int
    style: str
    written: bool = False


@dataclass(frozen=True, eq=False)
class RtlInstance:
    """How a block looks in SystemVerilog: module ``etb_<module>``, its parameters and its memories.

    A parameter is a number, the name of a memory style, or a list of numbers of 16 bits.
    """

    module: str
    parameters: Mapping[str, Parameter]
    memories: tuple[RtlMemory, ...] = field(default=())


@dataclass(frozen=True, eq=False, kw_only=True)
class Block(ABC):
    """A hardware block between streams.

    Attributes:
        OP: FINN's op type of the block after ``step_specialize_layers`` (``MVAU_hls``).
        name: FINN's name for it, op type and number: ``MVAU_hls_0``.
        layer: the integer-graph node it computes (reports and traces speak in layers).
    """

    OP: ClassVar[str]
    CAPTION: ClassVar[Caption]
    RUNS_AHEAD: ClassVar[bool] = False  # sends the next frame's first beats before it has come
    MAKES_CHANNELS: ClassVar[bool] = False  # its output has channels of its own, not those that it reads
    SAME_CHANNELS: ClassVar[bool] = True  # each of its inputs has as many channels as the first
    PLUMBING: ClassVar[bool] = False  # stands on an edge: no node of dataflow.onnx, no layer's work
    OURS: ClassVar[bool] = False  # FINN has no such block
    FOLD_INVARIANT: ClassVar[tuple[str, ...]] = ()  # cached properties that are equal for every folding

    name: str
    layer: str

    @property
    def op(self) -> str:
        """FINN's op type; blocks whose backend depends on their parameters override it."""
        return self.OP

    @property
    @abstractmethod
    def inputs(self) -> tuple[Stream, ...]:
        """Streams the block takes, in port order."""

    @property
    @abstractmethod
    def outputs(self) -> tuple[Stream, ...]:
        """Streams the block yields, in port order."""

    @property
    @abstractmethod
    def cycles(self) -> int:
        """Clock cycles a frame in steady state: the initiation interval of our RTL, exactly."""

    @property
    def finn_cycles(self) -> int:
        """What FINN's formula says instead; for comparisons with FINN only."""
        return self.cycles

    @property
    def folds(self) -> tuple[Fold, ...]:
        """Legal foldings. ``({},)`` where there is no choice or a neighbour decides."""
        return ({},)

    @property
    def pixel_folds(self) -> tuple[Fold, ...]:
        """Foldings of several pixels a cycle, which a search takes only where the rate needs them."""
        return ()

    def all_folds(self, pixels: bool = True) -> tuple[Fold, ...]:
        """Legal foldings, with ``pixels`` also those of several pixels a cycle, which share constants."""
        return (*self.folds, *(self.pixel_folds if pixels and not self.links else ()))

    def folded(self, fold: Fold) -> Self:
        """This block with another folding (FINN attribute names)."""
        changes: dict[str, Any] = {key.lower(): value for key, value in fold.items()}
        made = replace(self, **changes)
        # a search folds a block hundreds of times: what no folding changes is computed once
        made.__dict__.update({name: getattr(self, name) for name in self.FOLD_INVARIANT})
        return made

    @property
    def fold(self) -> Fold:
        """The folding in use: the value of every attribute that ``folds`` may change."""
        keys = {key for fold in self.folds[:1] for key in fold}
        return {key: getattr(self, key.lower()) for key in sorted(keys)}

    def finn_fold(self, target: int, widest: int) -> Fold:
        """What FINN's SetFolding would choose for ``target`` cycles a frame; see folding.set_folding."""
        for name in ("PE", "SIMD"):
            values = [int(fold[name]) for fold in self.folds if name in fold]
            if values:
                return {name: self.raised(name, max(values), target)}
        return {}

    def raised(self, name: str, largest: int, target: int) -> int:
        """The first divisor that takes fewer of FINN's cycles than the target, or the largest."""
        for value in divisors(largest):
            if self.folded({name: value}).finn_cycles < target:
                return value
        return largest

    def resources(self) -> Resources:
        """What the block costs by FINN's analytic formula (the file of each block documents it), often none.

        This is the ``finn`` resource model. Other models (fitted to synthesis, say) are functions from a
        block to Resources; see ``etb_hw.dataflow.resources.ResourceModel``.
        """
        return Resources()

    @property
    def memory_bits(self) -> int:
        """Bits of parameters that the block's RAMs hold, for FINN's BRAM and URAM efficiencies."""
        return 0

    @property
    def counts(self) -> Mapping[str, int]:
        """FINN's operation and parameter counts a frame: ``op_mac_1bx1b``, ``param_weight_1b``, ..."""
        return {}

    @property
    def fixes_lanes(self) -> bool:
        """Whether its folding decides the order of values, so that the next block takes its lanes."""
        return False

    @property
    def dead_value(self) -> int | None:
        """What a dead channel holds that is added to those it makes; None where none may be added."""
        return None

    def may_have_dead(self, low: int, channels: int) -> bool:
        """Whether dead channels, which hold ``low`` always, may be added to the ``channels`` it reads."""
        return False

    def with_dead(self, channels: int, dead_in: int, dead_out: int) -> Self:
        """The same function with dead channels behind the ``channels`` it reads and those it yields."""
        raise NotImplementedError(self.op)

    @property
    def tap_by_tap(self) -> bool:
        """Whether it reads windows in more beats than FINN's form of the layer could."""
        return False

    @property
    def ram_styles(self) -> tuple[str, ...]:
        """Memories that the block's large one may be made of."""
        return ()

    @property
    def choices(self) -> Fold:
        """All that is chosen of its hardware: the folding, and what its large memory is made of."""
        return {**self.fold, **({"ram_style": getattr(self, "ram_style")} if self.ram_styles else {})}  # noqa: B009

    @property
    def kind(self) -> str:
        """Which fit of the calibrated model the block belongs to."""
        return type(self).__name__

    @abstractmethod
    def lut_amounts(self, fabric: Fabric) -> Amounts:
        """Parts of its LUTs on a fabric, each close to one part of the module; a fit weighs them."""

    @abstractmethod
    def ff_amounts(self, fabric: Fabric) -> Amounts:
        """Parts of its flip-flops, likewise."""

    def registered(self) -> Self:
        """The same with registers behind its memories, where it has a form with them."""
        return self

    @property
    def registers(self) -> int:
        """Their flip-flops, and those of writable memories, which no fit has to weigh."""
        return sum(link.registers for link in self.links)

    def link_luts(self, fabric: Fabric) -> float:
        """LUTs of memories that can be written at run time, which no fit has to weigh either."""
        return sum(link.luts(fabric) for link in self.links)

    @property
    def links(self) -> tuple[Link, ...]:
        """Its memories that can be written at run time."""
        return ()

    def loadable(self) -> Self:
        """The same with constants that can be written at run time, where it has a form with such."""
        return self

    def fixed(self) -> Self:
        """The same with constants that are part of the design."""
        changes: dict[str, Any] = {"writable": False}
        return replace(self, **changes) if self.links else self

    def redrawn(self, rng: np.random.Generator) -> Self:
        """The same hardware with other constants, where they can be written at run time."""
        return self

    def multipliers(self, fabric: Fabric) -> int:
        """DSP blocks: products that are wide enough for the family."""
        return 0

    @property
    def memory(self) -> LargeMemory | None:
        """The memory that may be made of block RAM."""
        return None

    @abstractmethod
    def machines(self) -> tuple[Machine, ...]:
        """How it moves beats: machines one after another, timed as the SystemVerilog module is."""

    @classmethod
    def samplers(cls) -> tuple[Sampler, ...]:
        """How to draw random instances; none where another block stands for it."""
        return ()

    @classmethod
    def from_spec(cls, spec: Spec, rng: np.random.Generator) -> Self:
        """The instance that a sampler has drawn, with random constants."""
        raise NotImplementedError(cls.__name__)

    @classmethod
    def from_finn(cls, f: FinnFields) -> Self:
        """The block of a node that ``finn_node`` made. Raises KeyError for an attribute that is missing."""
        raise NotImplementedError(cls.__name__)

    def finn_output(self, port: int) -> DataType:
        """The type of an output stream in FINN's eyes."""
        return stream_type(self.outputs[port].dtype)

    @property
    def counts_matches(self) -> bool:
        """Whether FINN's node yields numbers of matches where ours yields sums."""
        return False

    @property
    def finn_notes(self) -> Mapping[str, Attribute]:
        """What FINN's vocabulary cannot say, for our reader; FINN ignores attributes it does not know."""
        return {}

    @abstractmethod
    def finn_attributes(self) -> Mapping[str, Attribute]:
        """The attributes of its node in FINN."""

    def finn_parameters(self) -> tuple[FinnParameter, ...]:
        """Constants that the node reads behind its streams."""
        return ()

    def finn_node(self) -> FinnNode:
        """The node FINN's own tools would have after ``step_specialize_layers``; of a domain that FINN does
        not know where it has no such block."""
        attributes = {"backend": "fpgadataflow", **self.finn_attributes()}
        domain = OWN_DOMAIN if self.OURS else domain_of(self.op)
        return FinnNode(self.op, domain, attributes, self.finn_parameters())

    @abstractmethod
    def rtl(self) -> RtlInstance:
        """Module, parameters and memory contents for the generator."""

    @abstractmethod
    def execute(self, *frames: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        """Bit-exact behaviour on batches (N, H, W, C) or (N, C), one array a port."""
