"""The page says what the run's files say, leaves out what is missing, and loads in a browser as it stands."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from etb_hw.artifacts.run_files import FLOW, OUTDATED, SUMMARY, VERIFICATION
from etb_hw.cli.summary_table import summary_table
from etb_hw.dataflow import Target, finn, fold, lower
from etb_hw.errors import BadInput
from etb_hw.report import compare, pictures, render, show
from etb_hw.report.card import card
from etb_hw.report.network import read_stages
from etb_hw.report.run import read_run
from etb_hw.report.sections.pipeline import pipeline_picture
from hw_tests.networks import POOL, conv_net

VOID = {"meta", "link", "input", "br"}


class Structure(HTMLParser):
    """Checks that tags nest; collects what the page would fetch, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.text: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        for key in ("src", "href", "xlink:href"):
            target = values.get(key)
            if target and not target.startswith(("#", "data:")):
                self.fetched.append(target)
        if "id" in values:
            self.ids.append(str(values["id"]))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def parsed(html: str) -> Structure:
    page = Structure()
    page.feed(html)
    page.close()
    assert page.open == []
    assert len(set(page.ids)) == len(page.ids)
    return page


def test_page_is_whole_well_formed_and_fetches_nothing(run_dir: Path) -> None:
    html = render(run_dir)
    page = parsed(html)
    assert page.fetched == []
    assert "url(" not in html
    assert "@import" not in html
    assert "<script" not in html
    sections = [
        "summary", "proof", "evolution", "filters", "savings", "pipeline", "resources", "thresholds",
        "confusion", "reproduce",
    ]  # fmt: skip
    assert [i for i in page.ids if not i.startswith("theme")] == sections
    assert render(run_dir) == html


def test_page_shows_the_figures_of_the_files(run_dir: Path) -> None:
    text = " ".join(" ".join(parsed(render(run_dir)).text).split())
    summary = json.loads((run_dir / "summary.json").read_text())
    cycles = json.loads((run_dir / "report/estimate_layer_cycles.json").read_text())
    assert "90.00 %" in text
    assert "dense baseline 95.00%, −5.00 points" in text
    assert f"{summary['lut']:,.0f}" in text
    assert "3 comparisons over 384 samples: 0 mismatches" in text
    assert "Pynq-Z1 (xc7z020)" in text
    assert f"{max(cycles.values()):,} ◂ slowest" in text
    assert "13 of 16" in text
    equal = json.loads((run_dir / "report/comparison.json").read_text())["at_equal_fps"]
    ratio = equal["pruned"]["resources"]["lut"] / equal["dense"]["resources"]["lut"]
    assert "At 2,000 frames a second" in text
    assert f"{equal['pruned']['resources']['lut']:,.0f} ×{ratio:.2f}" in text
    assert "As fast as xc7z020 allows" in text
    assert "The folding is proved optimal." in text
    assert "class 8 (1)" in text
    assert "noise <b>&" in text  # escaped in the source, whole on the page


def test_page_shows_the_zeros_in_what_stays(make_run: Callable[[Path], Path], tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert "zero weights, epoch" not in render(run)  # as in files of older versions
    lines = [json.dumps(row | {"zero_weights": 0.127}) for row in rows]
    (run / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    assert f"zero weights, epoch {rows[-1]['epoch']}: 12.7%" in render(run)


def test_missing_parts_name_the_step_that_makes_them(residual_run: Path) -> None:
    page = parsed(render(residual_run))
    text = " ".join(page.text)
    assert "missing" in page.ids
    assert "evolution" not in page.ids
    assert "etb-hw train FLOW.toml" in text
    assert "pipeline" in page.ids


def test_figures_of_before_a_change_are_not_shown(make_run: Callable[[Path], Path], tmp_path: Path) -> None:
    """A run that was changed and stopped holds files of two networks: the page shows one."""
    run = make_run(tmp_path / "run")
    assert {"summary", "pipeline", "thresholds"} <= set(parsed(render(run)).ids)
    OUTDATED.write(
        run, {"summary.json": "report", "dataflow.onnx": "build", "streamlined.onnx": "streamline"}
    )
    page = parsed(render(run))
    assert not {"summary", "pipeline", "thresholds"} & set(page.ids)
    assert {"savings", "missing"} <= set(page.ids)


def test_residual_branches_get_their_own_rail(residual_run: Path) -> None:
    assert 'class="rail skip"' in render(residual_run)


def test_several_pixels_a_cycle_are_told(tmp_path: Path) -> None:
    design = fold(lower(conv_net([8, 6, POOL], [], (3, 8, 8))), Target(cycles=50)).graph
    finn.write(design, tmp_path)
    stages = read_stages(tmp_path / "dataflow.onnx", {}, {})
    assert stages is not None
    several = sum("M" in block.fold for block in design.blocks)
    assert str(pipeline_picture(stages)).count("2 pixels at once") == several > 0


def test_a_mismatch_leads_the_page(make_run: Callable[[Path], Path], tmp_path: Path) -> None:
    run = make_run(tmp_path / "broken")
    rows = json.loads((run / "verification.json").read_text())
    rows[1] |= {"mismatches": 3, "max_abs_diff": 2.0, "status": "different"}
    (run / "verification.json").write_text(json.dumps(rows))
    html = render(run)
    assert 'class="verdict bad"' in html
    assert "model.qonnx.onnx in qonnx differs from slim: 3 mismatches" in html


def test_interrupted_training_still_renders(make_run: Callable[[Path], Path], tmp_path: Path) -> None:
    run = make_run(tmp_path / "cut")
    lines = (run / "metrics.jsonl").read_text().splitlines()
    (run / "metrics.jsonl").write_text(lines[0] + "\n" + lines[1][:40])
    (run / "summary.json").unlink()
    text = " ".join(parsed(render(run)).text)
    assert "the last step of `etb-hw run` writes summary.json" in text


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("summary.json", "{", "summary.json"),
        ("pruning.json", '{"model": "m", "count": "parameters"}', "pruning.json: target"),
        ("verification.json", '[{"step": 1}]', "verification.json"),
        ("dataflow.onnx", "no onnx", "dataflow.onnx: is no readable ONNX file"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(BadInput, match=message.replace(".", r"\.")):
        render(tmp_path)


def test_folders_without_a_run_are_refused(tmp_path: Path) -> None:
    empty = tmp_path / "of nothing"
    empty.mkdir()
    with pytest.raises(BadInput, match="holds none of a run's files") as caught:
        render(empty)
    assert caught.value.remedy.endswith(f"--out '{empty}'")
    with pytest.raises(BadInput, match="is no folder"):
        render(tmp_path / "none")


def test_page_table_and_card_take_their_figures_from_the_summary(
    make_run: Callable[[Path], Path], tmp_path: Path
) -> None:
    run = make_run(tmp_path / "run")
    figures = {
        "accuracy_integer": (0.8765, "87.65"),
        "accuracy_dense_baseline": (0.8321, "83.21"),
        "pruned_parameter_ratio": (0.237, "23.7"),
        "size_bytes": (12_345, "12"),
    }
    told = {"lut": (6_789.0, "6,789"), "bram_18k": (77.0, "77"), "estimated_fps": (54_321.0, "54,321")}
    values = {name: value for name, (value, _) in (figures | told).items()}
    summary = replace(SUMMARY.need(run), **values)
    SUMMARY.write(run, summary)
    page = " ".join(parsed(render(run)).text)
    console = Console(file=io.StringIO(), width=100)
    with console.capture() as captured:
        console.print(summary_table(summary, run))
    readme = card("net", summary, FLOW.need(run), VERIFICATION.need(run), (3, 8, 8), 60.0, (1,))
    for _, text in figures.values():
        assert all(text in shown for shown in (page, captured.get(), readme)), text
    for _, text in told.values():
        assert all(text in shown for shown in (page, captured.get())), text


def test_the_bars_of_the_page_add_up_to_the_summary(run_dir: Path) -> None:
    run = read_run(run_dir)
    assert run.summary is not None
    for name, total in (("LUT", run.summary.lut), ("BRAM_18K", run.summary.bram_18k)):
        shown = sum(stage.resources.get(name, 0.0) for stage in run.stages or ())
        shown += sum(found.get(name, 0.0) for found in run.plumbing.values())
        assert shown == pytest.approx(total)


def test_comparison(run_dir: Path, other_run: Path) -> None:
    page = parsed(compare([run_dir, other_run]))
    text = " ".join(" ".join(page.text).split())
    assert page.fetched == []
    assert "92.00%" in text
    assert "×1" in text
    assert "All 2 runs are proved" in text
    with pytest.raises(BadInput, match="at least two"):
        compare([run_dir])


def test_pictures_are_svg_files_of_their_own(run_dir: Path, residual_run: Path) -> None:
    found = pictures(run_dir)
    assert set(found) == {"evolution.svg", "filters.svg", "pipeline.svg", "proof.svg"}
    for svg in found.values():
        root = ElementTree.fromstring(svg)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert "--paper" in svg
    assert set(pictures(residual_run)) == {"pipeline.svg"}


def test_sections_for_notebooks(run_dir: Path) -> None:
    html = show(run_dir, "filters", height=300)._repr_html_()
    assert html.startswith('<iframe srcdoc="')
    assert "height:300px" in html
    assert "<" not in html.split('srcdoc="')[1].split('"')[0]
    with pytest.raises(BadInput, match="use one of: summary, proof"):
        show(run_dir, "nothing")


# --- in a real browser

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))),
    None,
)
MEASURE = """<script>addEventListener("load", () => {
const d = document.documentElement;
d.dataset.fetched = performance.getEntriesByType("resource").length;
d.dataset.overflow = d.scrollWidth - innerWidth;
const drawn = svg => svg.getBoundingClientRect().height > 20;
const seen = [...document.querySelectorAll("svg")].filter(drawn);
d.dataset.pictures = seen.length;
const heights = seen.flatMap(s => [...s.querySelectorAll("text")]).map(t => t.getBoundingClientRect().height);
d.dataset.letters = Math.min(...heights.filter(h => h > 0));
d.dataset.clipped = seen.filter(s => s.getBoundingClientRect().right > innerWidth + 1).length;
d.dataset.paper = getComputedStyle(document.body).backgroundColor;
})</script></body>"""


def browse(html: str, folder: Path, width: int = 1200) -> tuple[str, dict[str, str]]:
    """What the browser logs on its console, and what the page measures of itself."""
    assert CHROMIUM is not None
    path = folder / "page.html"
    path.write_text(html.replace("</body>", MEASURE), encoding="utf-8")
    flags = [
        "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", f"--user-data-dir={folder / 'profile'}",
        f"--window-size={width},900", "--enable-logging=stderr", "--dump-dom",
    ]  # fmt: skip
    done = subprocess.run(
        [CHROMIUM, *flags, path.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    logged = "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)
    head = done.stdout[: done.stdout.index("<head>")]
    return logged, dict(re.findall(r'data-(\w+)="([^"]*)"', head))


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (apt-get install chromium)")
def test_browser_renders_without_complaint(run_dir: Path, residual_run: Path, tmp_path: Path) -> None:
    html = render(run_dir)
    for width in (390, 800, 1400):
        logged, found = browse(html, tmp_path, width)
        assert logged == ""
        assert found["fetched"] == "0"
        assert int(found["overflow"]) <= 0
        # what is drawn twice shows once; the graph of the proofs is for wide pages
        twice, alone = html.count('class="slim"'), int(width > 720)
        assert int(found["pictures"]) == html.count("<svg") - twice - 1 + alone
        assert float(found["letters"]) >= 9, f"letters are too small to read at {width} pixels"
        assert found["clipped"] == "0"
    dark = html.replace('id="theme-auto" checked', 'id="theme-auto"').replace(
        'id="theme-dark"', 'id="theme-dark" checked'
    )
    assert browse(dark, tmp_path)[1]["paper"] != found["paper"]
    logged, found = browse(render(residual_run), tmp_path, width=500)
    assert logged == ""
    assert int(found["overflow"]) <= 0  # wide tables and pictures scroll by themselves


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (apt-get install chromium)")
def test_browser_check_sees_errors(tmp_path: Path) -> None:
    logged, _ = browse("<html><head></head><body><script>null.x</script></body></html>", tmp_path)
    assert "TypeError" in logged
