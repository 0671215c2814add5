"""What of a finished run is worth keeping and giving away: a few files that need no training data."""

from __future__ import annotations

from pathlib import Path

from etb_hw.artifacts import RunFile
from etb_hw.artifacts.run_files import CHECKPOINT, FLOW, METRICS, MODEL, OUTDATED, SUMMARY, VERIFICATION
from etb_hw.config import load_flow
from etb_hw.errors import BadInput
from etb_hw.files import write_bytes, write_text
from etb_hw.report.card import card
from etb_hw.training import load_trained

COPIED: tuple[RunFile, ...] = (CHECKPOINT, METRICS, FLOW)
CARD = "README.md"


def publish(run_dir: Path, out_dir: Path, name: str) -> list[str]:
    """Copy the slim network, its training history and flow file, and write a model card.

    Args:
        name: of the network, the card's title.

    Returns:
        the names of the files written to ``out_dir``.

    Raises:
        BadInput: the run is not finished, or one of its proofs failed.
    """
    summary = SUMMARY.need(run_dir)
    if outdated := OUTDATED.read(run_dir):
        reason = f"is of before the run was changed, from step {next(iter(outdated.values()))} on"
        raise BadInput(str(SUMMARY.path(run_dir)), reason, "run the flow to its end: etb-hw run FLOW.toml")
    proofs = VERIFICATION.need(run_dir)
    failed = [proof.step for proof in proofs if proof.mismatches]
    if failed:
        raise BadInput(str(VERIFICATION.path(run_dir)), f"{failed[0]} failed", "run the flow again")
    FLOW.need(run_dir)
    flow = load_flow(FLOW.path(run_dir))
    trained, notes = load_trained(CHECKPOINT.path(run_dir), flow.model)
    seconds = notes.get("seconds")
    if not isinstance(seconds, int | float):
        where = str(CHECKPOINT.path(run_dir))
        raise BadInput(where, "does not say how long it trained", "run the flow again")
    kept = [trained.groups.widths[group] for group in trained.groups.prunable]
    text = card(
        name, summary, flow.model_dump(), proofs, trained.input_shape, seconds, kept, trained.input_dtype,
        trained.needs_code,
    )  # fmt: skip
    files = (*COPIED, MODEL) if trained.needs_code else COPIED
    for file in files:
        write_bytes(file.path(out_dir), file.path(run_dir).read_bytes())
    write_text(out_dir / CARD, text)
    return [*(file.name for file in files), CARD]
