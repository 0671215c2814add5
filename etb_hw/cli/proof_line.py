"""How a command says what it has compared with what."""

from __future__ import annotations

from etb_hw.verification import Proof


def proof_line(proof: Proof | None) -> str:
    """One line; None where nothing was compared."""
    if proof is None:
        return "not compared with qonnx"
    line = f"equal to {proof.against} on {proof.samples} inputs"
    return f"{line}, {proof.ties} of them ties that qonnx's float32 rounds" if proof.ties else line
