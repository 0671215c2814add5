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
    dtype: str = "UINT8",
    needs_code: bool = False,
) -> str:
    """Text of README.md beside a published network.

    Args:
        summary, flow, proofs: contents of summary.json, flow.json and verification.json.
        shape: (C, H, W) of the input, ``dtype``: of its integers. seconds: of training.
        widths: channels kept, a group.
        needs_code: whether the checkpoint cannot be read without the author's code; then model.qonnx.onnx
            lies beside it.
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
        integers=f"{'unsigned' if dtype.startswith('U') else 'signed'} {dtype.lstrip('UINT')}-bit",
        needs_code=needs_code,
    )
