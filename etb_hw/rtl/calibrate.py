"""Calibration data: a grid of block configurations, synthesised one by one.

``python -m etb_hw.rtl.calibrate OUT.json [--minutes M]`` adds rows to OUT.json, saves after every batch,
and goes on where an earlier run stopped. The grid is drawn with a fixed seed, in an order that mixes the
kinds, so that a part of it is as good a sample as the whole.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from etb_hw.dataflow.block import Block
from etb_hw.dataflow.blocks.add_streams import AddStreams
from etb_hw.dataflow.blocks.channelwise import Channelwise
from etb_hw.dataflow.blocks.duplicate_streams import DuplicateStreams
from etb_hw.dataflow.blocks.fifo import Fifo
from etb_hw.dataflow.blocks.label_select import LabelSelect
from etb_hw.dataflow.blocks.max_pool import MaxPool
from etb_hw.dataflow.blocks.mvau import Mvau
from etb_hw.dataflow.blocks.padding import Padding
from etb_hw.dataflow.blocks.sliding_window import SlidingWindow
from etb_hw.dataflow.blocks.sum_pool import SumPool
from etb_hw.dataflow.blocks.thresholding import Thresholding
from etb_hw.dataflow.blocks.width_converter import WidthConverter
from etb_hw.dataflow.divisors import divisors
from etb_hw.dataflow.stream import Stream
from etb_hw.errors import BadInput
from etb_hw.integer.datatype import BIPOLAR, DataType
from etb_hw.rtl import cache
from etb_hw.rtl.tools import find_yosys
from etb_hw.rtl.yosys import Family, SynthesisError, recipe, synth_blocks

Spec = dict[str, Any]
# products that are too small for a DSP block; the grid has larger ones only
SMALL_PRODUCTS: tuple[Spec, ...] = tuple(
    {"kind": "Channelwise", "c": c, "pe": pe, "func": "mul", "x": x, "bits": bits}
    for c, pe in ((16, 2), (37, 1), (48, 8))
    for x, bits in (("INT3", 3), ("INT4", 3), ("UINT4", 4), ("BIPOLAR", 6))
)
_COUNTS = (3, 8, 10, 16, 20, 24, 32, 37, 48, 64, 71, 93, 96, 128, 140, 192, 256)


def block_of(spec: Spec, seed: int = 0) -> Block:
    """The block of a row, with random constants."""
    rng = np.random.default_rng(seed)
    kind = spec["kind"]
    known = {"name": kind, "layer": ""}

    def constants(rows: int, columns: int, limit: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        return np.sort(rng.integers(-limit, limit + 1, (rows, columns)), axis=1).astype(np.int64)

    match kind:
        case "Mvau":
            w, x = DataType.parse(spec["w"]), DataType.parse(spec["x"])
            weights = w.min + w.step * rng.integers(0, w.levels, (spec["mh"], spec["mw"]))
            largest = max(-x.min, x.max) * max(-w.min, w.max) * spec["mw"]
            steps = spec["steps"]
            # thresholds spread like the sums of random products
            spread = max(2, int(largest / spec["mw"] ** 0.5))
            return Mvau(
                **known,
                weights=weights,
                weight_dtype=w,
                input_dtype=x,
                output_dtype=_levels(steps) if steps else DataType.smallest(-largest, largest),
                thresholds=constants(spec["mh"], steps, spread) if steps else None,
                pixels=(4, 4),
                pe=spec["pe"],
                simd=spec["simd"],
                ram_style=spec["style"],
            )
        case "SlidingWindow":
            return SlidingWindow(
                **known,
                size=(spec["h"], spec["w"]),
                channels=spec["c"],
                kernel=(spec["k"], spec["k"]),
                dtype=DataType.parse(spec["x"]),
                stride=(spec["s"], spec["s"]),
                simd=spec["simd"],
                ram_style=spec["style"],
            )
        case "Thresholding":
            x = DataType.parse(spec["x"])
            return Thresholding(
                **known,
                thresholds=constants(spec["c"], spec["steps"], x.max),
                input_dtype=x,
                output_dtype=_levels(spec["steps"]),
                pixels=(4, 4),
                pe=spec["pe"],
            )
        case "MaxPool":
            return MaxPool(
                **known,
                size=(spec["h"], spec["w"]),
                channels=spec["c"],
                kernel=(2, 2),
                dtype=DataType.parse(spec["x"]),
                pe=spec["pe"],
            )
        case "Padding":
            x = DataType.parse(spec["x"])
            return Padding(
                **known,
                size=(spec["h"], spec["w"]),
                channels=spec["c"],
                pads=(1, 1, 1, 1),
                value=-1 if x == BIPOLAR else 0,
                dtype=x,
                simd=spec["simd"],
            )
        case "WidthConverter":
            lanes = spec["a"], spec["b"]
            x = DataType.parse(spec["x"])
            return WidthConverter(
                **known, shape=(4, 4, spec["c"]), dtype=x, lanes_in=lanes[0], lanes_out=lanes[1]
            )
        case "Fifo":
            stream = Stream((spec["depth"] * 2,), DataType.unsigned(spec["width"]), 1)
            return Fifo(**known, stream=stream, depth=spec["depth"])
        case "AddStreams":
            x = DataType.parse(spec["x"])
            out = DataType.smallest(2 * x.min, 2 * x.max)
            return AddStreams(**known, shape=(spec["c"],), dtypes=(x, x), output_dtype=out, pe=spec["pe"])
        case "DuplicateStreams":
            x = DataType.parse(spec["x"])
            return DuplicateStreams(**known, shape=(spec["c"],), dtype=x, copies=2, pe=spec["pe"])
        case "SumPool":
            x, pixels = DataType.parse(spec["x"]), spec["h"] * spec["w"]
            out = DataType.smallest(pixels * x.min, pixels * x.max)
            size = (spec["h"], spec["w"])
            return SumPool(**known, size=size, channels=spec["c"], dtype=x, output_dtype=out, pe=spec["pe"])
        case "LabelSelect":
            return LabelSelect(**known, labels=spec["c"], dtype=DataType.parse(spec["x"]), pe=spec["pe"])
        case "Channelwise":
            x = DataType.parse(spec["x"])
            values = constants(1, spec["c"], 2 ** (spec["bits"] - 1) - 1)[0]
            ends = np.stack([values * x.min, values * x.max, values + x.min, values + x.max])
            ends = ends[:2] if spec["func"] == "mul" else ends[2:]
            return Channelwise(
                **known,
                func=spec["func"],
                parameters=rng.permutation(values),
                input_dtype=x,
                output_dtype=DataType.smallest(int(ends.min()), int(ends.max())),
                pixels=(4, 4),
                pe=spec["pe"],
            )
    raise AssertionError(f"no block of kind {kind}")


def grid(seed: int = 2025) -> Iterator[Spec]:
    """Configurations without end, the kinds mixed in fixed shares."""
    draw = random.Random(seed)
    kinds: list[tuple[Callable[[random.Random], Spec], int]] = [
        (_binary, 12),
        (_eight_bit, 4),
        (_unrolled, 3),
        (_few_bit, 3),
        (_window, 6),
        (_thresholding, 3),
        (_max_pool, 3),
        (_padding, 2),
        (_converter, 5),
        (_fifo, 5),
        (_add, 2),
        (_sum_pool, 3),
        (_label, 2),
        (_channelwise, 4),
        (_duplicate, 1),
    ]
    while True:
        turn = [kind for kind, share in kinds for _ in range(share)]
        draw.shuffle(turn)
        for kind in turn:
            yield kind(draw)


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
    source = chain(SMALL_PRODUCTS, grid())
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
                [block_of(spec) for spec in batch], family, cache_dir=cache_dir, yosys=tool, timeout=40
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


def _levels(steps: int) -> DataType:
    return BIPOLAR if steps == 1 else DataType.unsigned((steps + 1).bit_length() - 1)


def _folds(draw: random.Random, rows: int, columns: int, most: int, widest: int) -> tuple[int, int]:
    """PE and SIMD whose product is spread evenly over the powers of two up to ``most``."""
    pairs = [(p, s) for p in divisors(rows) for s in divisors(columns) if p * s <= most and s <= widest]
    goal = 2 ** draw.uniform(0, np.log2(most))
    near = sorted(pairs, key=lambda pair: abs(np.log2(pair[0] * pair[1] / goal)))[:6]
    return draw.choice(near)


def _binary(draw: random.Random) -> Spec:
    mh = draw.choice(_COUNTS[1:])
    mw = draw.choice(_COUNTS[1:]) * draw.choice((9, 9, 9, 1, 4))
    pe, simd = _folds(draw, mh, mw, draw.choice((64, 128, 512, 2048)), 128)
    style = draw.choice(("distributed", "block"))
    if mh * mw > 2**15 or mh * mw == pe * simd:
        style = "block" if mh * mw > pe * simd else "distributed"
    steps = draw.choice((1, 1, 1, 1, 0, 0, 3, 7, 15))
    return {"kind": "Mvau", "w": "BIPOLAR", "x": "BIPOLAR", "mh": mh, "mw": mw, "pe": pe, "simd": simd,
            "steps": steps, "style": style}  # fmt: skip


def _eight_bit(draw: random.Random) -> Spec:
    mh = draw.choice(_COUNTS[1:-2])
    mw = draw.choice((9, 27, 27, 27, 32, 64, 75))
    pe, simd = _folds(draw, mh, mw, draw.choice((128, 128, 512)), 32)
    x = draw.choice(("UINT8", "UINT8", "UINT4", "INT8"))
    return {"kind": "Mvau", "w": "BIPOLAR", "x": x, "mh": mh, "mw": mw, "pe": pe, "simd": simd,
            "steps": draw.choice((1, 1, 1, 0, 3)), "style": "distributed"}  # fmt: skip


def _unrolled(draw: random.Random) -> Spec:
    """Every product in a cycle: the weights are constants."""
    x = draw.choice(("BIPOLAR", "BIPOLAR", "UINT8", "UINT2"))
    mh, mw = draw.choice((4, 8, 10, 16, 24, 32)), draw.choice((9, 16, 27, 36, 64, 72))
    if x != "BIPOLAR":
        mh = min(mh, 16)
    return {"kind": "Mvau", "w": "BIPOLAR", "x": x, "mh": mh, "mw": mw, "pe": mh, "simd": mw,
            "steps": draw.choice((1, 1, 0, 3)), "style": "distributed"}  # fmt: skip


def _few_bit(draw: random.Random) -> Spec:
    mh, mw = draw.choice(_COUNTS[1:10]), draw.choice((16, 36, 72, 144))
    pe, simd = _folds(draw, mh, mw, 64, 32)
    x, w = draw.choice(("UINT2", "UINT4", "INT3")), draw.choice(("INT2", "INT4", "TERNARY"))
    return {"kind": "Mvau", "w": w, "x": x, "mh": mh, "mw": mw, "pe": pe, "simd": simd,
            "steps": draw.choice((1, 3)), "style": "distributed"}  # fmt: skip


def _window(draw: random.Random) -> Spec:
    c, size = draw.choice(_COUNTS), draw.choice((6, 8, 10, 14, 18, 30, 34))
    x = draw.choice(("BIPOLAR", "BIPOLAR", "BIPOLAR", "UINT8", "UINT2"))
    simd = draw.choice([s for s in divisors(c) if s <= 64])
    k, s = draw.choice(((3, 1), (3, 1), (3, 1), (3, 2), (2, 1), (5, 1), (1, 2)))
    spec = {"kind": "SlidingWindow", "h": size, "w": size, "c": c, "k": k, "s": s, "x": x, "simd": simd,
            "style": "distributed"}  # fmt: skip
    block = block_of(spec)
    assert isinstance(block, SlidingWindow)
    if block.depth > 256 or (block.depth > 64 and draw.random() < 0.5):
        spec["style"] = "block"
    return spec


def _lanes(draw: random.Random, channels: int, most: int = 64) -> int:
    return draw.choice([n for n in divisors(channels) if n <= most])


def _thresholding(draw: random.Random) -> Spec:
    c = draw.choice(_COUNTS)
    return {"kind": "Thresholding", "c": c, "pe": _lanes(draw, c, 32), "steps": draw.choice((1, 1, 3, 7)),
            "x": draw.choice(("INT6", "INT9", "INT12"))}  # fmt: skip


def _max_pool(draw: random.Random) -> Spec:
    c, size = draw.choice(_COUNTS), draw.choice((4, 8, 16, 32))
    return {"kind": "MaxPool", "h": size, "w": size, "c": c, "pe": _lanes(draw, c),
            "x": draw.choice(("BIPOLAR", "BIPOLAR", "UINT2"))}  # fmt: skip


def _padding(draw: random.Random) -> Spec:
    c, size = draw.choice(_COUNTS), draw.choice((4, 8, 16, 32))
    x = draw.choice(("BIPOLAR", "UINT8"))
    return {"kind": "Padding", "h": size, "w": size, "c": c, "simd": _lanes(draw, c), "x": x}


def _converter(draw: random.Random) -> Spec:
    c = draw.choice(_COUNTS[1:])
    a, b = draw.sample([n for n in divisors(c) if n <= 128], 2)
    return {
        "kind": "WidthConverter",
        "c": c,
        "a": a,
        "b": b,
        "x": draw.choice(("BIPOLAR", "BIPOLAR", "UINT8")),
    }


def _fifo(draw: random.Random) -> Spec:
    width = draw.choice((1, 2, 4, 8, 12, 16, 24, 32, 48, 64))
    return {
        "kind": "Fifo",
        "width": width,
        "depth": draw.choice((2, 2, 8, 17, 32, 64, 100, 128, 256, 512, 1024, 1500, 4096)),
    }


def _add(draw: random.Random) -> Spec:
    c = draw.choice(_COUNTS)
    return {
        "kind": "AddStreams",
        "c": c,
        "pe": _lanes(draw, c, 32),
        "x": draw.choice(("INT5", "INT9", "BIPOLAR")),
    }


def _duplicate(draw: random.Random) -> Spec:
    c = draw.choice(_COUNTS)
    return {"kind": "DuplicateStreams", "c": c, "pe": _lanes(draw, c), "x": draw.choice(("INT9", "BIPOLAR"))}


def _sum_pool(draw: random.Random) -> Spec:
    c, size = draw.choice(_COUNTS), draw.choice((4, 7, 8))
    return {"kind": "SumPool", "h": size, "w": size, "c": c, "pe": _lanes(draw, c, 32),
            "x": draw.choice(("BIPOLAR", "INT4", "INT8"))}  # fmt: skip


def _label(draw: random.Random) -> Spec:
    c = draw.choice((10, 10, 16, 100))
    return {
        "kind": "LabelSelect",
        "c": c,
        "pe": _lanes(draw, c, 10),
        "x": draw.choice(("INT8", "INT12", "INT16")),
    }


def _channelwise(draw: random.Random) -> Spec:
    c = draw.choice(_COUNTS)
    func = draw.choice(("add", "add", "mul"))
    return {"kind": "Channelwise", "c": c, "pe": _lanes(draw, c, 16), "func": func,
            "x": draw.choice(("INT6", "INT10")), "bits": draw.choice((4, 8))}  # fmt: skip


if __name__ == "__main__":
    main()
