"""What the design takes of a device."""

from __future__ import annotations

from collections import defaultdict

from markupsafe import Markup

from etb_hw.dataflow.devices import Device, devices, find_device
from etb_hw.errors import BadInput
from etb_hw.report.run import Run
from etb_hw.report.section import Section, at_both_widths, figure, legend
from etb_hw.report.sections.pipeline import caption_of
from etb_hw.report.svg.bars import Bar, Part, bar_chart
from etb_hw.report.svg.scale import number

INTRO = "Estimated resources of all blocks together, coloured by what kind of block takes them."
NAMES = (
    ("LUT", "lut", "LUT"),
    ("BRAM_18K", "bram_18k", "BRAM 18k"),
    ("URAM", "uram", "URAM"),
    ("DSP", "dsp", "DSP"),
)

WORDS = {
    "mvau": "matrix-vector units",
    "window": "windows, padding",
    "pool": "pools",
    "threshold": "thresholds",
    "join": "duplicate, add",
    "plumbing": "FIFOs, width converters",
}


def resources(run: Run) -> Section:
    """A bar a resource of the flow's device, or of the smallest known one that holds the design."""
    key, title = "resources", "Resources on the device"
    if not run.stages or not any(stage.resources for stage in run.stages):
        missing = "mapping writes report/estimate_layer_resources.json: etb-hw build MODEL.onnx"
        return Section(key, title, INTRO, None, missing)
    totals = {name: sum(_amounts(run, name).values()) for name, *_ in NAMES}
    device, chosen = _device(run, totals)
    bars = []
    for name, field, words in NAMES:
        available = float(getattr(device.resources, field)) if device is not None else totals[name]
        if not available and not totals[name]:
            continue
        share = f"  ({totals[name] / available:.1%})" if device is not None and available else ""
        limit = f" of {number(available)}" if device is not None else ""
        bars.append(
            Bar(
                words,
                _parts(run, name),
                available or totals[name],
                f"{number(totals[name])}{limit}{share}",
            )
        )
    seen = [class_ for class_ in WORDS if any(_amounts(run, name).get(class_) for name, *_ in NAMES)]
    body = legend(*((name, WORDS[name]) for name in seen)) + figure(
        at_both_widths(lambda narrow: bar_chart("Resources", bars, narrow=narrow)), f"{chosen}"
    )
    return Section(key, title, INTRO, body)


def _amounts(run: Run, name: str) -> dict[str, float]:
    """How much of a resource each kind of block takes."""
    sums: dict[str, float] = defaultdict(float)
    for stage in run.stages or ():
        sums[caption_of(stage).colour] += stage.resources.get(name, 0.0)
    for found in run.plumbing.values():
        sums["plumbing"] += found.get(name, 0.0)
    return sums


def _parts(run: Run, name: str) -> list[Part]:
    return [
        Part(value, class_, f"{WORDS[class_]}: {number(value)} {name}")
        for class_, value in _amounts(run, name).items()
        if value
    ]


def _device(run: Run, totals: dict[str, float]) -> tuple[Device | None, Markup]:
    """The device to compare with, and a sentence on why this one."""
    build = (run.flow or {}).get("build")
    wanted = build.get("device") if isinstance(build, dict) else None
    if isinstance(wanted, str):
        try:
            device = find_device(wanted)
        except BadInput:
            return None, Markup("The device {} is not known; bars show the design alone.").format(wanted)
        return device, Markup("Of {} ({}).").format(wanted, device.part)
    fitting = [
        device
        for device in devices()
        if device.lut_inputs == 6
        and all(totals[name] <= float(getattr(device.resources, field)) for name, field, _ in NAMES)
    ]
    if not fitting:
        return None, Markup("No known device holds this design; bars show the design alone.")
    device = min(fitting, key=lambda d: d.resources.lut)
    return device, Markup(
        "The flow names no device; {} is the smallest known part that holds the design."
    ).format(f"{device.part} ({', '.join(device.boards)})" if device.boards else device.part)
