"""Random MVAUs: binary ones above all, and each of the other forms."""

from __future__ import annotations

import random

from etb_hw.dataflow.sampling import COUNTS, Sampler, Spec, draw_folds


def _binary(draw: random.Random) -> Spec:
    mh = draw.choice(COUNTS[1:])
    mw = draw.choice(COUNTS[1:]) * draw.choice((9, 9, 9, 1, 4))
    pe, simd = draw_folds(draw, mh, mw, draw.choice((64, 128, 512, 2048)), 128)
    style = draw.choice(("distributed", "block"))
    if mh * mw > 2**15 or mh * mw == pe * simd:
        style = "block" if mh * mw > pe * simd else "distributed"
    steps = draw.choice((1, 1, 1, 1, 0, 0, 3, 7, 15))
    return {"kind": "Mvau", "w": "BIPOLAR", "x": "BIPOLAR", "mh": mh, "mw": mw, "pe": pe, "simd": simd,
            "steps": steps, "style": style}  # fmt: skip


def _eight_bit(draw: random.Random) -> Spec:
    mh = draw.choice(COUNTS[1:-2])
    mw = draw.choice((9, 27, 27, 27, 32, 64, 75))
    pe, simd = draw_folds(draw, mh, mw, draw.choice((128, 128, 512)), 32)
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


def _pixels(draw: random.Random) -> Spec:
    return {**_unrolled(draw), "m": draw.choice((2, 4))}


def _few_bit(draw: random.Random) -> Spec:
    mh, mw = draw.choice(COUNTS[1:10]), draw.choice((16, 36, 72, 144))
    pe, simd = draw_folds(draw, mh, mw, 64, 32)
    x, w = draw.choice(("UINT2", "UINT4", "INT3")), draw.choice(("INT2", "INT4", "TERNARY"))
    return {"kind": "Mvau", "w": w, "x": x, "mh": mh, "mw": mw, "pe": pe, "simd": simd,
            "steps": draw.choice((1, 3)), "style": "distributed"}  # fmt: skip


SAMPLERS = (
    Sampler(_binary, 12),
    Sampler(_eight_bit, 4),
    Sampler(_unrolled, 3),
    Sampler(_few_bit, 3),
    Sampler(_pixels, 0, later=16),
)
