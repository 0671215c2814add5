"""Pages about sweeps and baselines, from files written by their own writers."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
from click.testing import CliRunner
from markupsafe import escape

from etb_hw.artifacts.run_files import FLOW
from etb_hw.artifacts.study import TITLES, BaselineRun, Baselines, Point, Sweep
from etb_hw.cli import main
from etb_hw.errors import BadInput
from etb_hw.report import beside, render
from etb_hw.report.run import read_run
from etb_hw.report.study import spread
from etb_hw.report.svg.scatter import Point as Dot
from etb_hw.report.svg.scatter import front
from etb_hw.training import baselines, sweep


def write_sweep(folder: Path) -> None:
    points = tuple(
        Point(ratio, seed, 0.95 - ratio**2 / 4 - seed / 100, 1000, int(9000 * (1 - ratio)), {"lut": 7000.0})
        for ratio in (0.2, 0.4, 0.6)
        for seed in (0, 1)
    )
    found = Sweep("noise", "vgg_small", points, {})
    (folder / sweep.RESULT_FILE).write_text(json.dumps(asdict(found)))


def write_baselines(folder: Path) -> None:
    runs = tuple(
        BaselineRun(method, seed, 0.9 + i / 100 + seed / 1000, 1000 + i, 500, 60_000, {}, 12.0)
        for i, method in enumerate(baselines.METHODS)
        for seed in range(3)
    )
    found = Baselines("noise", "vgg_small", 5, 0.4, "parameters", runs)
    (folder / "baselines.json").write_text(json.dumps({"key": "x", **asdict(found)}))


def test_sweep_page(tmp_path: Path) -> None:
    write_sweep(tmp_path)
    html = render(tmp_path)
    assert (
        html.count('class="point c1"') == 24
    )  # six runs, against bytes and against LUT, for wide pages and phones
    assert "ratio 40%, seed 1: 90.00%" in html
    assert re.search(r"<th>60%</th>.*?2</td>.*?85.50 ± 0.71 %", html, re.DOTALL)
    assert "etb-hw baselines FLOW.toml" in html  # what is not there


def test_baselines_page(tmp_path: Path) -> None:
    write_baselines(tmp_path)
    html = render(tmp_path)
    for method in baselines.METHODS:
        assert escape(TITLES[method]) in html
    assert "94.10 ± 0.10 %" in html
    assert html.count("point c2") == 6  # three seeds, for wide pages and phones


def test_a_run_beside_its_baseline_what_others_published_and_a_front(run_dir: Path, tmp_path: Path) -> None:
    """The figures of each are on the page, from where each of them stands."""
    folder = tmp_path / "run"
    shutil.copytree(run_dir, folder)
    flow = FLOW.read(folder)
    assert flow is not None
    FLOW.write(folder, {**flow, "model": {"name": "cnv"}})
    (tmp_path / "sweep").mkdir()
    write_sweep(tmp_path / "sweep")
    write_baselines(tmp_path / "sweep")
    html = beside(folder, [tmp_path / "sweep"])
    run = read_run(folder)
    assert run.summary is not None
    assert run.summary.accuracy_dense_baseline is not None
    dense = run.summary.comparison.at_equal_fps["dense"]
    assert dense is not None
    text = re.sub(r"<[^>]*>", " ", html)
    for figure in (
        f"{run.summary.accuracy_integer:.2%}",
        f"{run.summary.accuracy_dense_baseline:.2%}",
        f"{run.summary.lut:,.0f}",
        f"{run.summary.lut_finn:,.0f}",
        f"{dense.resources['lut']:,.0f}",
        "21,135",
        "84.22%",
        "94.10 ± 0.10 %",
    ):
        assert figure in text
    assert html.count('class="point c3"') == 4  # this run among the sweep's, twice two pictures
    FLOW.write(folder, {**flow, "model": {"name": "vgg_small"}})
    assert "21,135" not in beside(folder)


def test_the_command_makes_that_page_where_studies_follow_a_run(run_dir: Path, tmp_path: Path) -> None:
    write_sweep(tmp_path)
    out = tmp_path / "page.html"
    assert CliRunner().invoke(main, ["report", str(run_dir), str(tmp_path), "--out", str(out)]).exit_code == 0
    assert "beside others" in out.read_text()


def test_damaged_study_is_named(tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text('{"source": "x", "model": "y", "points": [{}]}')
    with pytest.raises(BadInput, match=r"sweep\.json: points\.0\.ratio"):
        render(tmp_path)


def test_front_keeps_what_nothing_beats() -> None:
    points = [Dot(1, 0.5, "a"), Dot(2, 0.4, "b"), Dot(3, 0.9, "c"), Dot(3, 0.8, "d"), Dot(4, 0.9, "e")]
    assert [point.label for point in front(points)] == ["a", "c"]


def test_spread() -> None:
    assert spread([0.9]) == "90.00 %"
    assert spread([0.9, 0.92]) == "91.00 ± 1.41 %"
