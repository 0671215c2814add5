"""``etb-hw streamline``: any QONNX file to the integer graph."""

from __future__ import annotations

from pathlib import Path

import click

from etb_hw.cli.options import force_option, input_options, model_argument, proof_option
from etb_hw.cli.output import Output, output_options


@click.command("streamline")
@model_argument
@click.option("--out", type=click.Path(path_type=Path), help="Default: streamlined.onnx beside the model.")
@input_options
@proof_option
@force_option
@output_options
def command(
    model_file: Path,
    out: Path | None,
    force: bool,
    proof_samples: int,
    output: Output,
    **mapping: str | None,
) -> None:
    """Fold the BatchNorms and scales of MODEL_FILE (QONNX) into exact integer thresholds.

    The result is compared with qonnx's execution of MODEL_FILE; where they differ, nothing is written.
    """
    from dataclasses import asdict

    from etb_hw.artifacts.run_files import STREAMLINED
    from etb_hw.cli.from_options import import_options
    from etb_hw.cli.proof_line import proof_line
    from etb_hw.flow.outputs import output_file
    from etb_hw.flow.proofs import prove_import, random_inputs
    from etb_hw.qonnx_io import import_model, write_streamlined

    graph = import_model(model_file, import_options(mapping))
    proof = prove_import(graph, model_file, random_inputs(graph, proof_samples)) if proof_samples else None
    out = out or STREAMLINED.path(model_file.parent)
    with output_file(out, "streamline", force=force) as path:
        write_streamlined(graph, path)
    output.say(f"{out}: {len(graph.nodes)} nodes over integers", *graph.notes, proof_line(proof))
    output.document(
        {
            "file": str(out),
            "nodes": len(graph.nodes),
            "notes": graph.notes,
            "proof": None if proof is None else asdict(proof),
        }
    )
