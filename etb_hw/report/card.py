"""The model card of a finished run, as markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from etb_hw.artifacts.summary import Summary
from etb_hw.verification import Proof


def card(
    name: str,
    summary: Summary,
    flow: Mapping[str, Any],
    proofs: Sequence[Proof],
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
        loader=PackageLoader("etb_hw.report"),
        # markdown lets HTML through: names of data sets and classes come from files and are text
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
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
