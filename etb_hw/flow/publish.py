"""What of a finished run is worth keeping and giving away: a few files that need no training data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from etb_hw.errors import BadInput
from etb_hw.files import write_bytes, write_text
from etb_hw.flow.steps.report import read_result, read_summary
from etb_hw.pruning import load_checkpoint
from etb_hw.report.card import card

COPIED = ("checkpoint.safetensors", "metrics.jsonl", "flow.json")
CARD = "README.md"


def publish(run_dir: Path, out_dir: Path) -> list[Path]:
    """Copy the slim network, its training history and flow file, and write a model card.

    Returns:
        the files written to ``out_dir``.

    Raises:
        BadInput: the run is not finished, or one of its proofs failed.
    """
    summary = read_summary(run_dir)
    hard, notes = load_checkpoint(run_dir / "checkpoint.safetensors")
    proofs: list[dict[str, Any]] = read_result(run_dir, "verification.json")
    failed = [proof["step"] for proof in proofs if proof["mismatches"]]
    if failed:
        raise BadInput(str(run_dir / "verification.json"), f"{failed[0]} failed", "run the flow again")
    flow = read_result(run_dir, "flow.json")
    kept = [hard.spec.widths[group] for group in hard.spec.prunable]
    text = card(out_dir.resolve().name, summary, flow, proofs, hard.spec.input_shape, notes["seconds"], kept)
    for name in COPIED:
        write_bytes(out_dir / name, (run_dir / name).read_bytes())
    write_text(out_dir / CARD, text)
    return [out_dir / name for name in (*COPIED, CARD)]
