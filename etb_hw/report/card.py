"""The model card of a finished run, as markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def card(
    name: str,
    summary: Mapping[str, Any],
    flow: Mapping[str, Any],
    proofs: Sequence[Mapping[str, Any]],
    shape: Sequence[int],
    seconds: float,
    widths: Sequence[int],
) -> str:
    """Text of README.md beside a published network.

    Args:
        summary, flow, proofs: contents of summary.json, flow.json and verification.json.
        shape: (C, H, W) of the input. seconds: of training. widths: channels kept, a group.
    """
    environment = Environment(
        loader=PackageLoader("etb_hw.report"), undefined=StrictUndefined, keep_trailing_newline=True
    )
    return environment.get_template("card.md.j2").render(
        name=name,
        summary=summary,
        flow=flow,
        proofs=proofs,
        shape=shape,
        seconds=seconds,
        widths=widths,
    )
