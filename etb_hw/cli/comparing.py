"""What ``etb-hw compare`` shows and writes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from etb_hw.cli.from_options import build_config, import_options
from etb_hw.cli.output import Output
from etb_hw.dataflow.design import compare_networks
from etb_hw.errors import BadInput
from etb_hw.files import write_bytes, write_json
from etb_hw.flow.outputs import output_folder
from etb_hw.qonnx_io import import_model
from etb_hw.report.design_comparison import comparison_picture, comparison_table


def run_compare(
    models: Sequence[Path], out: Path | None, options: Mapping[str, Any], force: bool, output: Output
) -> None:
    """Compare models, print the table, write JSON and picture where asked. Raises EtbError."""
    build = build_config(options)
    if build.target_fps is None and build.device is None:
        raise BadInput("compare", "needs a frame rate or a device", "give --target-fps, --device or both")
    mapping = import_options(options)
    names = [str(path) for path in models]
    if len(set(names)) < len(names):
        raise BadInput("compare", "a model is named twice", "name each model once")
    graphs = {name: import_model(path, mapping) for name, path in zip(names, models, strict=True)}
    with output.progress("folding"):
        found = compare_networks(graphs, build)
    output.say(comparison_table(found))
    if out is not None:
        picture = io.BytesIO()
        comparison_picture(found).savefig(picture, format="svg")
        with output_folder(out, "compare", force=force) as folder:
            write_json(folder / "comparison.json", asdict(found))
            write_bytes(folder / "comparison.svg", picture.getvalue())
        output.say(f"files: {out}")
    output.document(asdict(found))
