"""Yosys: cells counted, families, cache, errors; the calibrated model on its own data."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etb_hw.calibration.fit import held_out
from etb_hw.calibration.rows import block_of
from etb_hw.dataflow import DataflowGraph, Effort, Target, finn_model, fold, lower
from etb_hw.dataflow.block import Block
from etb_hw.dataflow.blocks import MaxPool, Mvau
from etb_hw.dataflow.calibrated import load_calibration
from etb_hw.dataflow.fabric import FABRICS
from etb_hw.dataflow.fabric.memories import block_memory, choice, lut_memory, rom_columns, rom_luts
from etb_hw.errors import BadInput, MissingTool
from etb_hw.integer.datatype import BIPOLAR
from etb_hw.rtl import SynthesisError, Usage, synth, synth_block
from etb_hw.rtl.cells import count
from etb_hw.rtl.place_ecp5 import place_ecp5
from etb_hw.rtl.tools import find_yosys
from etb_hw.rtl.yosys import Family, netlist, synth_blocks
from hw_tests.networks import mlp

XC7, ECP5 = FABRICS["xc7"], FABRICS["ecp5"]
POOL = MaxPool(name="p", layer="", size=(4, 4), channels=4, kernel=(2, 2), dtype=BIPOLAR, pe=2)


@pytest.fixture(scope="module")
def tiny() -> DataflowGraph:
    return fold(lower(mlp(16, (6,), 3)), Target(cycles=32), Effort(time_limit_s=3)).graph


def test_a_design_block_by_block(tiny: DataflowGraph, synthesis_cache: Path) -> None:
    report = synth(tiny, "xc7", cache_dir=synthesis_cache)
    names = [row.name for row in report.rows]
    assert [name for name in names if not name.startswith("StreamingFIFO")] == [
        block.name for block in tiny.blocks
    ]
    assert sum(name.startswith("StreamingFIFO") for name in names) == len(tiny.edges)
    assert report.total.luts == sum(row.usage.luts for row in report.rows) > 0
    assert not report.total.other
    assert report.tool.startswith("Yosys")


def test_equal_blocks_are_synthesised_once(synthesis_cache: Path) -> None:
    first = synth_block(POOL, "xc7", cache_dir=synthesis_cache)
    before = len(list((synthesis_cache / "yosys").iterdir()))
    again = MaxPool(name="other", layer="x", size=(4, 4), channels=4, kernel=(2, 2), dtype=BIPOLAR, pe=2)
    assert synth_block(again, "xc7", cache_dir=synthesis_cache) == first
    assert len(list((synthesis_cache / "yosys").iterdir())) == before


@pytest.mark.parametrize("family", ["xcup", "ecp5", "ice40"])
def test_other_families(family: str, synthesis_cache: Path) -> None:
    usage = synth_block(POOL, family, cache_dir=synthesis_cache)  # type: ignore[arg-type]
    assert usage.luts > 0
    assert usage.ff > 0
    assert not usage.other


@pytest.mark.slow
@pytest.mark.parametrize("family", ["xc7", "xcup", "ecp5", "ice40"])
def test_a_design_in_one_piece(tiny: DataflowGraph, family: Family, synthesis_cache: Path) -> None:
    """Flattened, it takes about what its blocks take one by one: nothing is lost or counted twice."""
    report = synth(tiny, family, whole=True, cache_dir=synthesis_cache)
    whole = report.total
    parts = synth(tiny, family, cache_dir=synthesis_cache).total
    assert not whole.other
    assert not parts.other
    assert 0.85 * parts.luts <= whole.luts <= 1.1 * parts.luts
    assert 0.85 * parts.ff <= whole.ff <= 1.1 * parts.ff
    assert whole.bram == parts.bram
    assert (report.path is not None) == (family == "xc7")
    if report.path is not None:
        instances = {block.name for block in tiny.blocks} | {fifo.name for fifo in tiny.fifos.values()}
        assert {report.path.start.block, report.path.end.block} <= {"", *instances}
        assert report.path.levels > 0


@pytest.mark.slow
@pytest.mark.parametrize("family", ["xcup", "ecp5", "ice40"])
def test_every_kind_of_block_in_other_families(family: Family, synthesis_cache: Path) -> None:
    """LUT memories, block RAMs and DSP blocks included: no cell is left uncounted."""
    blocks = list({block.kind: block for row in rows() if small(block := block_of(row["spec"]))}.values())
    for block, usage in zip(blocks, synth_blocks(blocks, family, cache_dir=synthesis_cache), strict=True):
        assert usage.luts + usage.dsp > 0, block.name
        assert not usage.other, (block.name, usage)


@pytest.mark.slow
def test_ultraram_holds_buffers_and_no_weights(synthesis_cache: Path) -> None:
    """As the estimate says. Families without UltraRAM build block RAM."""
    window = {"kind": "SlidingWindow", "h": 34, "w": 34, "c": 256, "k": 3, "s": 1, "x": "UINT8", "simd": 8}
    mvau = {"kind": "Mvau", "w": "BIPOLAR", "x": "BIPOLAR", "mh": 64, "mw": 144, "pe": 4, "simd": 12}
    blocks = [block_of({**window, "style": "ultra"}), block_of({**mvau, "steps": 1, "style": "ultra"})]
    model = load_calibration()
    for block, usage in zip(blocks, synth_blocks(blocks, "xcup", cache_dir=synthesis_cache), strict=True):
        estimate = model(block)
        assert (usage.uram, usage.bram) == (estimate.uram, estimate.bram_18k)
        assert abs(usage.luts - estimate.lut) < 0.1 * usage.luts
    for usage in synth_blocks(blocks, "xc7", cache_dir=synthesis_cache):
        assert usage.uram == 0 < usage.bram


def small(block: Block) -> bool:
    """Whether it is synthesised in a second or so."""
    return not isinstance(block, Mvau) or block.mh * block.mw <= 4096


def test_bad_family_and_bad_source(synthesis_cache: Path) -> None:
    with pytest.raises(BadInput, match="xc7"):
        synth_block(POOL, "virtex2", cache_dir=synthesis_cache)  # type: ignore[arg-type]
    with pytest.raises(SynthesisError, match="syntax error"):
        netlist({"a.sv": "module a (; endmodule"}, "a", "xc7", cache_dir=synthesis_cache)


def test_cells_are_counted_as_the_vendor_counts_them() -> None:
    cells = {
        "LUT6": 3,
        "LUT2": 1,
        "RAM32M": 2,
        "RAMB36E1": 1,
        "RAMB18E1": 1,
        "FDRE": 7,
        "BUFG": 1,
        "$scopeinfo": 9,
        "X": 2,
    }
    usage = count(cells, "xc7")
    assert usage == Usage(lut=4, lutram=8, ff=7, bram=3, other={"X": 2})
    assert usage.luts == 12
    assert (usage + usage).other == {"X": 4}


@pytest.mark.slow
def test_place_and_route_on_ecp5(tiny: DataflowGraph, synthesis_cache: Path) -> None:
    try:
        placed = place_ecp5(tiny, "25k", cache_dir=synthesis_cache)
    except MissingTool as error:
        pytest.skip(str(error))
    assert placed.fmax_mhz > 50
    assert placed.bitstream
    assert 0 < placed.utilization["TRELLIS_FF"][0] < placed.utilization["TRELLIS_FF"][1]


@pytest.mark.slow
def test_both_yosys_count_alike(synthesis_cache: Path) -> None:
    try:
        tools = [find_yosys("native"), find_yosys("pinned")]
    except MissingTool as error:
        pytest.skip(str(error))
    luts = [synth_block(POOL, "xc7", cache_dir=synthesis_cache, yosys=tool).luts for tool in tools]
    assert abs(luts[0] - luts[1]) <= 0.2 * luts[0]


# -- the calibrated model


def rows(family: str = "xc7") -> list[dict[str, dict[str, Any]]]:
    text = (files("etb_hw.dataflow.calibrated") / f"rows_{family}.json").read_text(encoding="utf-8")
    found = json.loads(text)["rows"]
    assert isinstance(found, list)
    return found


def test_the_model_is_nearer_to_synthesis_than_finns_formulas() -> None:
    model = load_calibration()
    ours, finn = [], []
    for row in rows():
        block = block_of(row["spec"])
        counted = row["usage"].get("lut", 0) + row["usage"].get("lutram", 0)
        ours.append(abs(model(block).lut - counted) / counted)
        finn.append(abs(finn_model(block).lut - counted) / counted)
    assert np.median(ours) < 0.05
    assert np.quantile(ours, 0.9) < 0.15
    assert np.median(finn) > 4 * np.median(ours)


def test_weights_in_ultraram_are_estimated_as_the_block_ram_they_become() -> None:
    model = load_calibration()
    specs = [row["spec"] for row in rows() if row["spec"].get("style") == "block" and "mh" in row["spec"]]
    block = block_of(specs[0])
    estimates = [model(block.folded({"ram_style": style})) for style in ("ultra", "block")]
    assert estimates[0] == estimates[1]
    assert estimates[0].uram == 0 < estimates[0].bram_18k


def test_block_rams_and_dsps_are_exact() -> None:
    model = load_calibration()
    wrong = [
        row["spec"]
        for row in rows()
        if (row["usage"].get("bram", 0), row["usage"].get("dsp", 0))
        != ((made := model(block_of(row["spec"]))).bram_18k, made.dsp)
    ]
    assert len(wrong) <= 0.01 * len(rows())


@pytest.mark.parametrize("weights", ["BINARY", "UINT2", "TERNARY"])
def test_where_products_are_dsps(weights: str, synthesis_cache: Path) -> None:
    """A weight without a sign gets one: of these, only UINT2 has three bits then."""
    spec = {"kind": "Mvau", "w": weights, "x": "UINT8", "mh": 2, "mw": 6, "pe": 1, "simd": 2, "steps": 1}
    block = block_of({**spec, "style": "distributed"})
    assert load_calibration()(block).dsp == synth_block(block, "xc7", cache_dir=synthesis_cache).dsp
    assert (load_calibration()(block).dsp > 0) == (weights == "UINT2")


def test_flip_flops_and_whole_data_held_out() -> None:
    held = load_calibration().held_out["all"]
    assert held["rows"] == len(rows())
    assert held["lut"]["median"] <= 0.05
    assert held["lut"]["p90"] <= 0.15
    assert held["ff"]["median"] <= 0.05
    assert held["ff"]["p90"] <= 0.15


def test_every_block_of_the_library_has_a_fit() -> None:
    model = load_calibration()
    kinds = {block_of(row["spec"]).kind for row in rows()}
    assert kinds == set(model.lut) == set(model.ff) == set(model.held_out) - {"all"}
    assert "calibrated" in model.name
    assert "Yosys" in model.name


def test_cost_grows_with_the_fold() -> None:
    model = load_calibration()
    rng = np.random.default_rng(0)
    weights = rng.choice(np.array([-1, 1]), (64, 576))
    common = {
        "name": "m",
        "layer": "",
        "weight_dtype": BIPOLAR,
        "input_dtype": BIPOLAR,
        "output_dtype": BIPOLAR,
    }
    sizes = [
        model(
            Mvau(
                **common,  # type: ignore[arg-type]
                weights=weights,
                thresholds=np.zeros((64, 1), dtype=np.int64),
                pixels=(4, 4),
                pe=fold,
                simd=fold,
                ram_style="block",
            )
        ).lut
        for fold in (1, 4, 16, 32)
    ]
    assert sizes == sorted(sizes)
    assert sizes[-1] > 5 * sizes[0]


def test_memory_rules() -> None:
    assert lut_memory(6, 32, XC7) == (4, 1)
    assert lut_memory(24, 64, XC7) == (32, 1)
    assert lut_memory(64, 152, XC7) == (220, 5)
    assert lut_memory(1, 128, XC7) == (4, 1)
    assert lut_memory(0, 9, XC7) == (0, 1)
    assert lut_memory(12, 16, ECP5) == (18, 1)
    assert block_memory(36, 512, XC7) == (1, 1)
    assert block_memory(256, 576, XC7) == (15, 1)
    assert block_memory(64, 2304, XC7) == (9, 5)  # five parts of 512 words, side by side in nine RAMB18s
    assert block_memory(4, 4608, XC7) == (1, 9)
    assert block_memory(8, 4416, XC7, written=True) == (3, 3)
    assert block_memory(64, 4096, ECP5, written=True) == (16, 1)
    assert (choice(1), choice(4), choice(9)) == (0, 1, 3)
    assert rom_luts(8, 64, XC7) == 8
    assert rom_luts(8, 128, XC7) == 16
    assert rom_luts(8, 64, ECP5) == 32


def test_equal_and_constant_bits_of_a_memory_cost_nothing() -> None:
    fields = np.array([[5, 5], [3, 3], [2, 2], [1, 1]])
    assert rom_columns(fields, 4) == 3  # bits 0 to 2, once; bit 3 is always zero
    assert rom_columns(np.arange(16)[:, None], 4) == 0  # the address itself
    assert rom_columns(fields[:1], 4) == 0


def test_held_out_rows_are_not_seen() -> None:
    """A row that follows no rule cannot be predicted from the others; one that does can.

    (Not exactly: weights are held near the expected ones.)
    """
    parts = [{"one": 1.0, "n": float(n)} for n in range(1, 31)]
    counts = np.array([10.0 + 3 * n for n in range(1, 31)])
    expected = {"one": 10.0, "n": 1.0}
    assert held_out(parts, counts, expected).max() < 0.02
    counts[7] *= 4
    assert held_out(parts, counts, expected)[7] > 0.5


def test_parts_are_named_and_positive() -> None:
    for row in rows()[:40]:
        amounts = block_of(row["spec"]).lut_amounts(XC7)
        assert amounts
        assert min(amounts.values()) >= 0


# shapes that the calibration grid does not draw: other sizes, other folds, weights of another seed
UNSEEN: dict[str, dict[str, Any]] = {
    "deep weights": {
        "x": "BIPOLAR",
        "mh": 40,
        "mw": 120,
        "pe": 4,
        "simd": 6,
        "steps": 1,
        "style": "distributed",
    },
    "block RAM": {"x": "BIPOLAR", "mh": 52, "mw": 468, "pe": 4, "simd": 36, "steps": 1, "style": "block"},
    "unrolled": {
        "x": "BIPOLAR",
        "mh": 12,
        "mw": 45,
        "pe": 12,
        "simd": 45,
        "steps": 1,
        "style": "distributed",
    },
    "pixels": {"x": "UINT8", "mh": 28, "mw": 45, "pe": 7, "simd": 9, "steps": 1, "style": "distributed"},
    "sums": {"x": "BIPOLAR", "mh": 12, "mw": 88, "pe": 6, "simd": 11, "steps": 0, "style": "distributed"},
    "levels": {"x": "BIPOLAR", "mh": 26, "mw": 78, "pe": 13, "simd": 13, "steps": 3, "style": "distributed"},
}


@pytest.mark.parametrize("family", ["xc7", "ecp5"])
def test_estimates_agree_with_synthesis_on_blocks_that_no_fit_has_seen(
    family: Family, synthesis_cache: Path
) -> None:
    """Matrix-vector units above all: they are most of a network."""
    blocks = [block_of({"kind": "Mvau", "w": "BIPOLAR", **spec}, seed=7) for spec in UNSEEN.values()]
    blocks.append(block_of({"kind": "Fifo", "width": 20, "depth": 90}))
    window = {"kind": "SlidingWindow", "h": 12, "w": 12, "c": 22, "k": 3, "s": 1, "x": "BIPOLAR", "simd": 11}
    blocks.append(block_of({**window, "style": "distributed"}))
    model = load_calibration(family)
    usages = synth_blocks(blocks, family, cache_dir=synthesis_cache)
    counted = np.array([usage.luts for usage in usages])
    estimated = np.array([model(block).lut for block in blocks])
    errors = np.abs(estimated - counted) / counted
    assert errors.max() <= 2 * model.held_out["all"]["lut"]["p90"], dict(
        zip([*UNSEEN, "FIFO", "window"], zip(counted, estimated, strict=True), strict=True)
    )
    assert abs(estimated.sum() - counted.sum()) <= 0.1 * counted.sum()
    assert [usage.bram for usage in usages] == [model(block).bram_18k for block in blocks]
