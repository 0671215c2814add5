"""Calibration data: a grid of block configurations, synthesised one by one.

``python -m etb_hw.calibration.rows OUT.json [--minutes M]`` adds rows to OUT.json, saves after every batch,
and goes on where an earlier run stopped. The grid is drawn with a fixed seed, in an order that mixes the
kinds, so that a part of it is as good a sample as the whole.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from etb_hw.dataflow.block import Block
from etb_hw.dataflow.blocks import BLOCKS
from etb_hw.dataflow.sampling import Spec
from etb_hw.errors import BadInput
from etb_hw.rtl import cache
from etb_hw.rtl.tools import find_yosys
from etb_hw.rtl.yosys import Family, SynthesisError, recipe, synth_blocks

# products that are too small for a DSP block; the grid has larger ones only
SMALL_PRODUCTS: tuple[Spec, ...] = tuple(
    {"kind": "Channelwise", "c": c, "pe": pe, "func": "mul", "x": x, "bits": bits}
    for c, pe in ((16, 2), (37, 1), (48, 8))
    for x, bits in (("INT3", 3), ("INT4", 3), ("UINT4", 4), ("BIPOLAR", 6))
)

# first layers of fully connected networks, whose rows are wider than what the grid draws
WIDE_LAYERS: tuple[Spec, ...] = tuple(
    {"kind": "Mvau", "w": "BIPOLAR", "x": x, "mh": mh, "mw": mw, "pe": pe, "simd": simd, "steps": 1,
     "style": "distributed"}
    for x, mh, mw, pe, simd in (
        ("UINT8", 32, 147, 1, 49), ("UINT8", 48, 300, 2, 60), ("UINT8", 64, 300, 1, 100),
        ("UINT8", 16, 784, 1, 112), ("UINT8", 100, 784, 1, 49), ("UINT8", 24, 400, 1, 200),
        ("UINT8", 24, 256, 2, 128), ("UINT8", 64, 192, 1, 64), ("INT8", 40, 561, 1, 187),
        ("UINT8", 10, 784, 1, 392), ("UINT4", 32, 784, 2, 98), ("UINT8", 128, 784, 2, 28),
    )
)  # fmt: skip


# layers that take an image, or a pixel, in every cycle: their weights are constants
UNROLLED_LAYERS: tuple[Spec, ...] = tuple(
    {"kind": "Mvau", "w": "BIPOLAR", "x": x, "mh": mh, "mw": mw, "pe": mh, "simd": mw, "steps": steps,
     "style": "distributed"}
    for x, mh, mw, steps in (
        ("UINT8", 24, 49, 1), ("UINT8", 48, 100, 1), ("UINT8", 16, 196, 1), ("UINT8", 64, 27, 1),
        ("UINT4", 40, 64, 1), ("INT8", 32, 75, 0), ("UINT8", 64, 128, 1), ("UINT2", 32, 90, 3),
        ("BIPOLAR", 64, 64, 1), ("BIPOLAR", 17, 24, 1), ("BIPOLAR", 10, 64, 0), ("BIPOLAR", 128, 64, 1),
        ("BIPOLAR", 32, 288, 1), ("BIPOLAR", 48, 144, 1), ("BIPOLAR", 10, 17, 0), ("BIPOLAR", 96, 96, 0),
    )
)  # fmt: skip

# inputs in fine units, sums of sums, and weights of two bits, also where every product is built
WIDE_INPUTS: tuple[Spec, ...] = tuple(
    {"kind": "Mvau", "w": w, "x": x, "mh": mh, "mw": mw, "pe": pe, "simd": simd, "steps": steps,
     "style": "distributed"}
    for w, x, mh, mw, pe, simd, steps in (
        ("BIPOLAR", "INT31", 16, 27, 1, 1, 1), ("BIPOLAR", "INT31", 32, 27, 2, 3, 1),
        ("BIPOLAR", "INT24", 16, 27, 1, 3, 1), ("BIPOLAR", "INT24", 20, 36, 4, 4, 0),
        ("BIPOLAR", "INT31", 24, 75, 1, 5, 1), ("BIPOLAR", "INT18", 40, 64, 2, 2, 3),
        ("BIPOLAR", "INT12", 16, 32, 1, 1, 1), ("BIPOLAR", "INT20", 12, 18, 3, 1, 1),
        ("TERNARY", "UINT8", 16, 27, 1, 3, 1), ("TERNARY", "UINT8", 32, 27, 4, 9, 1),
        ("TERNARY", "INT8", 20, 64, 2, 8, 0), ("INT2", "UINT8", 24, 27, 3, 3, 1),
        ("INT2", "INT8", 16, 75, 1, 5, 3), ("TERNARY", "INT16", 10, 40, 1, 4, 1),
        ("TERNARY", "UINT8", 16, 27, 16, 27, 1), ("TERNARY", "UINT8", 31, 4, 31, 4, 0),
        ("INT2", "UINT8", 8, 18, 8, 18, 1), ("TERNARY", "INT12", 12, 16, 12, 16, 0),
        ("TERNARY", "UINT2", 16, 36, 16, 36, 1), ("INT2", "INT3", 10, 24, 10, 24, 0),
        ("INT4", "UINT2", 8, 16, 8, 16, 1), ("INT4", "BINARY", 8, 17, 8, 17, 0),
        ("TERNARY", "UINT4", 12, 27, 12, 27, 1), ("TERNARY", "UINT2", 10, 64, 10, 64, 0),
    )
)  # fmt: skip


def block_of(spec: Spec, seed: int = 0) -> Block:
    """The block of a row, with random constants."""
    kind = next((kind for kind in BLOCKS if kind.__name__ == spec["kind"]), None)
    if kind is None:
        raise BadInput(f"block {spec['kind']!r}", "is not known", "give a file that this version made")
    return kind.from_spec(spec, np.random.default_rng(seed))


def grid(seed: int = 2025) -> Iterator[Spec]:
    """Configurations without end, the kinds mixed in fixed shares."""
    draw = random.Random(seed)
    samplers = [sampler for block in BLOCKS for sampler in block.samplers()]
    while True:
        turn = [sampler for sampler in samplers for _ in range(sampler.share)]
        draw.shuffle(turn)
        for sampler in turn:
            yield sampler.draw(draw)


def _later() -> Iterator[Spec]:
    """What the samplers that joined a drawn grid ask for."""
    for block in BLOCKS:
        for sampler in block.samplers():
            yield from (sampler.draw(random.Random(seed)) for seed in range(sampler.later))


def main() -> None:
    """Extend a calibration file within a time budget."""
    import click

    @click.command()
    @click.argument("out", type=click.Path(path_type=Path))
    @click.option("--family", type=click.Choice(["xc7", "ecp5"]), default="xc7", show_default=True)
    @click.option("--minutes", default=30.0, help="time budget")
    @click.option("--rows", default=10_000, help="largest number of rows in all")
    @click.option("--cache-dir", default=cache.DEFAULT, type=click.Path(path_type=Path))
    def command(out: Path, family: Family, minutes: float, rows: int, cache_dir: Path) -> None:
        extend(out, family, minutes, rows, cache_dir)

    command()


def extend(out: Path, family: Family, minutes: float, limit: int, cache_dir: Path) -> None:
    """Add rows until the time or the limit is reached; the file is replaced atomically after each batch.

    Raises BadInput where the file's rows were counted with another tool, recipe or family.
    """
    tool = find_yosys()
    head = {"tool": tool.version, "family": family, "recipe": recipe(family)}
    data: dict[str, Any] = {**head, "rows": []}
    if out.exists():
        data = json.loads(out.read_text(encoding="utf-8"))
        if {name: data.get(name) for name in head} != head:
            raise BadInput(str(out), "was made with another tool, recipe or family", "give another file")
    rows = data["rows"]
    done = {json.dumps(row["spec"], sort_keys=True) for row in rows}
    end = time.monotonic() + 60 * minutes
    source = chain(SMALL_PRODUCTS, WIDE_LAYERS, UNROLLED_LAYERS, WIDE_INPUTS, _later(), grid())
    while time.monotonic() < end and len(rows) < limit:
        batch: list[Spec] = []
        while len(batch) < 8:
            spec = next(source)
            key = json.dumps(spec, sort_keys=True)
            if key not in done:
                done.add(key)
                batch.append(spec)
        try:
            usages = synth_blocks(
                [block_of(spec) for spec in batch], family, cache_dir=cache_dir, yosys=tool, timeout=120
            )
        except SynthesisError:
            continue
        for spec, usage in zip(batch, usages, strict=True):
            counted = {name: value for name, value in asdict(usage).items() if value}
            rows.append({"spec": spec, "usage": counted})
        _save(out, data)


def _save(out: Path, data: Mapping[str, Any]) -> None:
    lines = ",\n".join(json.dumps(row) for row in data["rows"])
    head = json.dumps({key: value for key, value in data.items() if key != "rows"})[:-1]
    scratch = out.with_suffix(".tmp")
    scratch.write_text(f'{head}, "rows": [\n{lines}\n]}}\n', encoding="utf-8")
    os.replace(scratch, out)


if __name__ == "__main__":
    main()
