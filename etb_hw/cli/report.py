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
@click.option(
    "--comparison", is_flag=True, help="Beside its dense baseline, others' figures and the sweeps given."
)
@force_option
@output_options
def command(
    run_dirs: tuple[Path, ...], out: Path | None, comparison: bool, force: bool, output: Output
) -> None:
    """Write one self-contained HTML page about a run; with several RUN_DIRs, set them side by side.

    A run followed by folders of sweeps or baselines is set beside its dense baseline, what others published
    of its topology, and their fronts; --comparison does so without such folders.
    """
    from etb_hw.artifacts.run_files import PAGE
    from etb_hw.files import write_text
    from etb_hw.flow.outputs import output_file
    from etb_hw.report import beside, compare, render
    from etb_hw.report.study import is_study

    studies = [folder for folder in run_dirs[1:] if is_study(folder)]
    if comparison or (studies and len(studies) == len(run_dirs) - 1 and not is_study(run_dirs[0])):
        page, name = beside(run_dirs[0], studies), "comparison.html"
    elif len(run_dirs) == 1:
        page, name = render(run_dirs[0]), PAGE.name
    else:
        page, name = compare(run_dirs), "comparison.html"
    out = out or run_dirs[0] / name
    with output_file(out, "report", force=force, replaces=("run",)) as path:
        write_text(path, page)
    output.say(str(out))
    output.document({"file": str(out)})
