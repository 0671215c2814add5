"""The small modules that everything is made of equal their plain specifications, proved by SAT (Yosys).

Simulation tries some values; these proofs cover all of them. Modules without a state: for every input. Dot
products: for every input and every content of the registers, over as many cycles as the tree is deep, and no
register moves without ``en``. Streams (width converters, FIFOs): by induction over time, with any pauses on
both sides, that bits come out as they went in, none lost, none twice. A converter between widths that do not
divide one another is a chain of those. The fill level of a window's buffer: by induction, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil, log2
from pathlib import Path

import pytest

from etb_hw.errors import MissingTool
from etb_hw.rtl.library import module_text, needed_modules
from etb_hw.rtl.tools import find_yosys

SPEC = (Path(__file__).parent / "spec/functions.sv").read_text(encoding="utf-8")
TOP = "top"


@dataclass(frozen=True)
class Claim:
    """Something about a module: a top with assertions around it, and how Yosys is to prove them.

    ``peeks``: registers within the module that the top's undriven wires show, for the induction.
    """

    name: str
    module: str
    top: str
    sat: str
    before: tuple[str, ...] = ()
    peeks: Mapping[str, str] = field(default_factory=dict)


def parameter_text(parameters: Mapping[str, int]) -> str:
    return f"#({', '.join(f'.{key}({value})' for key, value in parameters.items())})" if parameters else ""


def function(module: str, ports: Mapping[str, int], result: int, **parameters: int) -> Claim:
    """A module without a state gives ``result`` bits as its specification does."""
    inputs = ", ".join(f"input logic [{bits - 1}:0] {name}" for name, bits in ports.items())
    out = "count" if module == "popcount18" else "y"
    wired = ", ".join(f".{name}({name})" for name in ports)
    given = parameter_text(parameters)
    top = f"""
module {TOP} ({inputs});
  logic [{result - 1}:0] ours, plain;
  etb_{module} {given} dut ({wired}, .{out}(ours));
  spec_{module} {given} spec ({wired}, .{out}(plain));
  always_comb assert (ours == plain);
endmodule
"""
    return Claim(f"{module} {parameters}", f"etb_{module}", top, "sat -verify -prove-asserts")


def dot(
    n: int, mode: int, xb: int = 1, x_signed: int = 0, wb: int = 1, extra: int = 0, split: int = 0
) -> Claim:
    """A tree of depth as needed, or ``extra`` levels deeper; ``split``: with registers within its leaves."""
    leaf = (18, 2, 1)[mode]
    levels = ceil(log2(ceil(n / leaf))) + extra
    bits = ceil(log2(n + 1)) if mode == 0 else (xb if mode == 1 else xb + wb) + ceil(log2(n))
    same = {"N": n, "MODE": mode, "XB": xb, "X_SIGNED": x_signed, "WB": wb}
    ports = ".clk(clk), .en(en), .x(x), .w(w)"
    top = f"""
module {TOP} (input logic clk, en, input logic [{n * xb - 1}:0] x, input logic [{n * wb - 1}:0] w);
  logic [{bits - 1}:0] ours, plain;
  etb_dot {parameter_text(same | {"LEVELS": levels, "SPLIT": split})} dut ({ports}, .y(ours));
  spec_dot {parameter_text(same | {"YB": bits, "LATENCY": levels + 1 + split})} spec ({ports}, .y(plain));
  always_comb assert (ours == plain);
endmodule
"""
    held = (
        "opt_dff",
        "select -assert-none t:$dff",
        "select -assert-none t:$dffe w:en %co1:+[EN] t:$dffe %i %d",
    )
    steps = levels + 1 + split
    sat = f"sat -verify -seq {steps + 1} -prove-skip {steps} -set en 1 -prove-asserts"
    return Claim(f"dot {same}, {levels} levels, split {split}", "etb_dot", top, sat, held)


def stream(
    module: str,
    wide: tuple[int, int],
    invariant: str,
    peeks: Mapping[str, tuple[int, str]],
    **parameters: int,
) -> Claim:
    """Bits come out as they went in. ``invariant`` holds between registers and the bits within."""
    into, out = wide
    room = 2 * (into + out)
    wires = "".join(f"  (* keep *) wire [{bits - 1}:0] {name};\n" for name, (bits, _) in peeks.items())
    top = f"""
module {TOP} (input logic clk, rst, in_valid, out_ready, input logic [{into - 1}:0] in_data);
  logic in_ready, out_valid;
  logic [{out - 1}:0] out_data;
  {module} {parameter_text(parameters)} dut (.*);
  // what went in and has not come out: n bits, the oldest lowest
  logic [{room - 1}:0] q;
  logic [7:0] n;
  logic begun = 0;
  always_ff @(posedge clk) begun <= 1;
  wire take = in_valid & in_ready, give = out_valid & out_ready;
  wire [{room - 1}:0] rest = give ? q >> {out} : q;
  wire [7:0] m = give ? n - 8'd{out} : n;
  always_ff @(posedge clk)
    if (rst) begin
      q <= 0;
      n <= 0;
    end else begin
      q <= take ? rest | ({room}'(in_data) << m) : rest;
      n <= take ? m + 8'd{into} : m;
    end
{wires}
  always_comb begin
    assume (begun | rst);
    if (begun & !rst) begin
      if (out_valid) assert (n >= {out} && out_data == q[{out - 1}:0]);
      assert (in_ready | out_valid);
      assert ((q >> n) == 0);
      {invariant}
    end
  end
endmodule
"""
    sat = "sat -verify -tempinduct -maxsteps 3 -seq 1 -set-assumes -prove-asserts"
    return Claim(
        f"{module} {parameters}", module, top, sat, peeks={name: path for name, (_, path) in peeks.items()}
    )


def joined(narrow: int, wide: int) -> Claim:
    last = wide // narrow - 1
    invariant = f"""assert (c <= {last});
      if (out_valid) assert (c == 0 && n == {wide});
      else assert (n == {narrow} * c);
      for (int i = 0; i < {last}; i++)
        if (!out_valid && i < c)
          assert (out_data[({wide} - {narrow} * c + {narrow} * i)+:{narrow}] == q[{narrow}*i+:{narrow}]);"""
    peeks = {"c": (last.bit_length(), "genblk1.g_join.u_count.g_count.count")}
    return stream("etb_width_converter", (narrow, wide), invariant, peeks, IN_WIDTH=narrow, OUT_WIDTH=wide)


def split(wide: int, narrow: int) -> Claim:
    parts = wide // narrow
    invariant = f"""assert (c <= {parts - 1});
      if (out_valid) assert (n == {wide} - {narrow} * c);
      else assert (c == 0 && n == 0);
      for (int i = 0; i < {parts}; i++)
        if ({narrow} * i < n) assert (r[{narrow}*i+:{narrow}] == q[{narrow}*i+:{narrow}]);"""
    inside = "genblk1.genblk1.g_split"
    peeks = {
        "c": ((parts - 1).bit_length(), f"{inside}.u_count.g_count.count"),
        "r": (wide, f"{inside}.rest"),
    }
    return stream("etb_width_converter", (wide, narrow), invariant, peeks, IN_WIDTH=wide, OUT_WIDTH=narrow)


def fifo(width: int) -> Claim:
    invariant = f"""assert (n == {width} * (32'(v) + 32'(out_valid)));
      if (v) assert (out_valid && q[{2 * width - 1}:{width}] == s);"""
    peeks = {"v": (1, "g_skid.spare_valid"), "s": (width, "g_skid.spare")}
    return stream("etb_fifo", (width, width), invariant, peeks, WIDTH=width, DEPTH=2)


def memory_fifo(width: int, depth: int, rows: int = 0) -> Claim:
    """``rows``: of a part of its memory, which is read ahead of time then."""
    words, shown = depth - 1, "32'(out_valid)"
    address_bits = (words - 1).bit_length()
    held = f"(f ? {words} : (32'd{words} + t - h) % {words})"
    invariant = f"""assert (n == {width} * ({held} + {shown}));
      assert (h < {words} && t < {words} && s == ({held} != 0) && (!f || h == t));"""
    peeks = {
        "f": (1, "g_memory.full"),
        "s": (1, "g_memory.some"),
        "h": (address_bits, "g_memory.head"),
        "t": (address_bits, "g_memory.tail"),
    }
    plain, ahead = "g_memory.g_plain.u_words.genblk1.genblk1.genblk1.g_auto", "g_memory.g_ahead"
    for word in range(words):
        place = f"(32'd{word + words} - h) % {words}"
        invariant += f"""
      if ({place} < {held}) assert (w{word} == q[{width}*({place}+{shown})+:{width}]);"""
        part, row = divmod(word, rows or words)
        there = f"{ahead}.u_words.g_parts.g_part[{part}]" if rows else plain
        peeks[f"w{word}"] = (width, f"{there}.mem[{row}]")
    if rows:
        invariant += f"""
      assert (bh == (h + 1) % {words} && bt == (t + 1) % {words});
      if (s) assert ((late ? fresh : ready) == q[{width}*{shown}+:{width}]);
      if (late) assert (s);"""
        peeks |= {
            "bh": (address_bits, "g_memory.behind_head"),
            "bt": (address_bits, "g_memory.behind_tail"),
            "late": (1, f"{ahead}.is_fresh"),
            "fresh": (width, f"{ahead}.fresh"),
            "ready": (width, f"{ahead}.word"),
        }
    more = {"AHEAD": 1, "ROWS": rows} if rows else {}
    claim = stream("etb_fifo", (width, width), invariant, peeks, WIDTH=width, DEPTH=depth, **more)
    return replace(claim, before=("memory_map",))


def window_level(bits: int, depth: int) -> Claim:
    """A window's buffer may be read while beats are there, and written while words are free.

    Windows keep both numbers below ``2 ** (bits - 1)``, and read nothing that is not there.
    """
    most = 2 ** (bits - 1) - 1
    top = f"""
module {TOP} (input logic clk, rst, asked, read, done, input logic signed [{bits - 1}:0] taken, freed);
  logic may_write, may_read;
  wire write = asked & may_write;
  wire [{bits - 1}:0] taken_one = taken + 1'b1;
  etb_window_level #(.DEPTH({depth}), .BITS({bits})) dut (.freed(freed[{bits - 2}:0]), .*);
  // beats that are there from the next read on, and words that are free
  logic signed [{bits + 1}:0] beats, words;
  wire signed [{bits + 1}:0] then_beats = beats + write + (read ? taken : 0);
  wire signed [{bits + 1}:0] then_words = words - write + (done ? freed : 0);
  logic begun = 0;
  always_ff @(posedge clk) begin
    begun <= 1;
    beats <= rst ? 0 : then_beats;
    words <= rst ? {depth} : then_words;
  end
  (* keep *) wire [{bits - 1}:0] there;
  (* keep *) wire [{bits - 2}:0] written, bound;
  always_comb begin
    assume (begun | rst);
    assume (then_beats > -{most} && then_beats <= {most} && then_words <= {most} && freed > 0);
    if (begun & !rst) begin
      assert (may_read == (beats > 0) && may_write == (words > 0));
      assert (beats > -{most} && beats <= {most} && words >= 0 && words <= {most});
      assert (there == {bits}'(beats - 1));
      assert ({bits - 1}'(bound - written) == {bits - 1}'(words - 1));
    end
  end
endmodule
"""
    peeks = {name: name for name in ("there", "written", "bound")}
    sat = "sat -verify -tempinduct -maxsteps 3 -seq 1 -set-assumes -prove-asserts"
    return Claim(f"window level of {depth} words", "etb_window_level", top, sat, peeks=peeks)


def compare(bits: int, signed: int, steps: int, out_bits: int, bias: int) -> Claim:
    ports = {"x": bits, "t": steps * bits}
    return function(
        "compare", ports, out_bits,
        BITS=bits, SIGNED=signed, STEPS=steps, OUT_BITS=out_bits, OUT_BIAS=bias,
    )  # fmt: skip


def choose(width: int, count: int) -> Claim:
    place = ceil(log2(count))
    return function("choose", {"place": place, "words": width * count}, width, WIDTH=width, COUNT=count)


POPCOUNT = function("popcount18", {"x": 18, "w": 18}, 5)
CLAIMS = (
    POPCOUNT,
    compare(8, 1, 1, 1, 0),
    compare(7, 0, 3, 2, 0),
    compare(5, 1, 7, 4, -3),
    *(choose(width, count) for width, count in ((1, 2), (3, 5), (2, 8), (1, 19))),
    *(dot(n, 0) for n in (1, 7, 18, 23)),
    dot(18, 0, extra=1),
    dot(23, 0, split=1),
    *(dot(n, 1, xb, signed) for n, xb, signed in ((1, 3, 0), (2, 8, 0), (5, 3, 1))),
    *(dot(n, 2, xb, 1, wb) for n, xb, wb in ((1, 3, 2), (3, 2, 2), (4, 3, 2))),
    joined(2, 6),
    joined(4, 12),
    split(6, 2),
    split(12, 6),
    fifo(12),
    memory_fifo(1, 4),
    memory_fifo(1, 4, rows=2),
    window_level(6, 20),
)


def proved(claims: Sequence[Claim], folder: Path, texts: Mapping[str, str] | None = None) -> str:
    """Prove all in one run of Yosys, whose start takes a second; what it says of the first that fails.

    ``texts`` stand in place of the package's modules, by name.
    """
    try:
        tool = find_yosys()
    except MissingTool as error:
        pytest.skip(str(error))
    (folder / "spec.sv").write_text(SPEC, encoding="utf-8")
    script: list[str] = []
    for number, claim in enumerate(claims):
        names = needed_modules([claim.module])
        for name in names:
            text = (texts or {}).get(name) or module_text(name)
            (folder / f"{name}.sv").write_text(text, encoding="utf-8")
        (folder / f"top{number}.sv").write_text(claim.top, encoding="utf-8")
        files = " ".join(f"{name}.sv" for name in names)
        script += [
            f"log claim: {claim.name}",
            "design -reset",
            f"read_verilog -formal -sv -defer spec.sv {files} top{number}.sv",
            f"prep -flatten -top {TOP}",
            *claim.before,
            f"cd {TOP}",
            *(f"connect -set {name} dut.{path}" for name, path in claim.peeks.items()),
            "cd ..",
            "chformal -lower",
            f"{claim.sat} {TOP}",
            "log proved",
        ]
    (folder / "prove.ys").write_text("\n".join(script) + "\n", encoding="utf-8")
    done = tool.run(["-s", "prove.ys"], folder, 500)
    if done.returncode == 0:
        assert done.stdout.count("\nproved\n") == len(claims)
        return ""
    failed = [line for line in done.stdout.splitlines() if line.startswith("claim: ")]
    return f"{failed[-1]}: {done.stderr.strip()[-500:]}"


def test_modules_equal_their_specifications(tmp_path: Path) -> None:
    assert proved(CLAIMS, tmp_path) == ""


@pytest.mark.slow
def test_larger_ones(tmp_path: Path) -> None:
    assert proved([dot(36, 0), dot(7, 1, 8), dot(5, 2, 3, 1, 3), compare(12, 1, 15, 4, 0)], tmp_path) == ""


@pytest.mark.parametrize(
    ("claim", "module", "right", "wrong"),
    [
        (POPCOUNT, "etb_popcount18", "x[3*g+:3] ~^ w[3*g+:3]", "x[3*g+:3] ~^ {w[3*g+:2], w[3*g+2]}"),
        (dot(23, 0), "etb_dot", ".x(x[NL*XB-1:0])", ".x(x[N*XB-1:(N-NL)*XB])"),
        (dot(7, 0), "etb_dot", "if (en) y <= count", "y <= count"),
        (compare(8, 1, 1, 1, 0), "etb_compare", ">=", ">"),
        (choose(3, 5), "etb_choose", "place[b]", "place[PB-1-b]"),
        (joined(2, 6), "etb_width_converter", "~out_valid | out_ready", "1'b1"),
        (split(6, 2), "etb_width_converter", "(out_ready & last)", "(out_ready & in_valid)"),
        (fifo(12), "etb_fifo", "if (in_ready) spare <= in_data", "spare <= in_data"),
        (memory_fifo(1, 4), "etb_fifo", "~(read & behind_head == tail)", "~read"),
        (window_level(6, 20), "etb_window_level", "~done & (full", "(full"),
        (window_level(6, 20), "etb_window_level", "written == bound", "written == bound & ~read"),
    ],
    ids=lambda value: value.module if isinstance(value, Claim) else "",
)  # fmt: skip
def test_a_wrong_module_is_not_proved(
    claim: Claim, module: str, right: str, wrong: str, tmp_path: Path
) -> None:
    text = module_text(module)
    assert right in text
    assert claim.name in proved([claim], tmp_path, {module: text.replace(right, wrong)})
