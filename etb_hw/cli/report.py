"""``etb-hw report``: pages to look at."""

from __future__ import annotations

from pathlib import Path

import click

from etb_hw.cli.options import force_option
from etb_hw.cli.output import Output, output_options


@click.command("report")
@click.argument("run_dirs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN_DIR...")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Default: report.html in the (first) run folder."
)
@force_option
@output_options
def command(run_dirs: tuple[Path, ...], out: Path | None, force: bool, output: Output) -> None:
    """Write one self-contained HTML page about a run; with several RUN_DIRs, set them side by side."""
    from etb_hw.artifacts.run_files import PAGE
    from etb_hw.files import write_text
    from etb_hw.flow.outputs import output_file
    from etb_hw.report import compare, render

    page = render(run_dirs[0]) if len(run_dirs) == 1 else compare(run_dirs)
    out = out or run_dirs[0] / (PAGE.name if len(run_dirs) == 1 else "comparison.html")
    with output_file(out, "report", force=force, replaces=("run",)) as path:
        write_text(path, page)
    output.say(str(out))
    output.document({"file": str(out)})
