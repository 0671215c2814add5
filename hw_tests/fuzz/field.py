"""Networks of the field through import, proofs and lowering; what is refused is counted by its reason."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import onnx

from etb_hw.dataflow import lower
from etb_hw.errors import UnsupportedNode
from etb_hw.flow.proofs import prove_dataflow, prove_import, prove_packed, random_inputs
from etb_hw.integer import DataType
from etb_hw.integer.packed import PackedExecutor
from etb_hw.qonnx_io import import_model
from etb_hw.qonnx_io.export import exported_model
from hw_tests.fuzz.field_generator import FieldNet, field_network


@dataclass
class Tally:
    """What became of the networks.

    Attributes:
        accepted: how many were built, and equal in every engine.
        kinds: how often each part (``conv3p``, ``joined``, ``map``, ...) stands in those.
        ties: samples of those on which qonnx's float32 rounded a tie.
        refused: how many by (op, reason) without its numbers; ``examples`` has a seed, and the remedy.
    """

    accepted: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    ties: int = 0
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)

    @property
    def tried(self) -> int:
        return self.accepted + self.refused.total()


def try_network(net: FieldNet) -> int:
    """Import, prove and lower a network; how many ties qonnx rounded.

    Raises UnsupportedNode where it is refused, Mismatch where a stage computes something else.
    """
    model = exported_model(net.module, net.shape, DataType.unsigned(8))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(model, str(path))
        graph = import_model(path)
        x = random_inputs(graph, 6)
        proof = prove_import(graph, path, x)
    prove_packed(PackedExecutor(graph), x)
    prove_dataflow(lower(graph), graph, x)
    return proof.ties


def try_field(seeds: Iterable[int]) -> Tally:
    """The networks of the seeds, one after another."""
    tally = Tally()
    for seed in seeds:
        net = field_network(seed)
        try:
            tally.ties += try_network(net)
            tally.accepted += 1
            tally.kinds.update(net.described.split())
        except UnsupportedNode as refusal:
            key = (_op(refusal.where), _general(refusal.reason))
            tally.refused[key] += 1
            tally.examples.setdefault(key, (seed, refusal.remedy))
        except Exception as error:
            error.add_note(f"field network of seed {seed}: {net.described}")
            raise
    return tally


def report(tally: Tally) -> str:
    """The statistic in lines: what was accepted, and every reason with how often, a seed, and its remedy."""
    lines = [
        f"{tally.tried} networks: {tally.accepted} accepted and equal ({tally.ties} ties), the others refused"
    ]
    for key, count in tally.refused.most_common():
        seed, remedy = tally.examples[key]
        lines += [f"{count:5} {key[0]}: {key[1]} (seed {seed})", f"      remedy: {remedy}"]
    return "\n".join(lines)


def _op(where: str) -> str:
    found = re.search(r"\((\w+)\)$", where)
    return found[1] if found else "lowering"


def _general(reason: str) -> str:
    return re.sub(r"'[^']*'|\(?\d[\d., ]*\)?", "#", reason)
