"""Text of one block instance: parameters, ports and memory files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from etb_hw.dataflow.block import Parameter, RtlInstance, RtlMemory
from etb_hw.dataflow.resources import RAM_STYLES

WRITABLE, CHAIN_BITS = "WRITABLE", 11  # the parameter of modules with the chain's ports; bits of a token

# the modules take memory styles as numbers: strings in parameters are where tools differ most
_STYLE_NUMBERS = {style: number for number, style in enumerate(RAM_STYLES)}


def memory_file(name: str, memory: RtlMemory) -> str:
    """File name of a block's memory."""
    return f"{name}_{memory.parameter.lower()}.mem"


def memory_text(memory: RtlMemory) -> str:
    """Contents for $readmemh: one hexadecimal word a line."""
    digits = (memory.width + 3) // 4
    return "".join(f"{word:0{digits}x}\n" for word in memory.words)


def parameter_text(value: Parameter) -> str:
    if isinstance(value, str):
        return str(_STYLE_NUMBERS[value])
    if isinstance(value, tuple):  # the first of a list stands in the lowest bits
        numbers = ", ".join(f"16'd{number}" for number in reversed(value))
        return f"{{{numbers}}}"
    return str(value)


def instance_text(
    module: str, name: str, parameters: Mapping[str, Parameter], ports: Sequence[tuple[str, str]]
) -> str:
    """``module #(parameters) name (ports);``, indented by two."""
    head = ""
    if parameters:
        inner = ",\n".join(f"      .{key}({parameter_text(value)})" for key, value in parameters.items())
        head = f" #(\n{inner}\n  )"
    body = ",\n".join(f"      .{port}({signal})" for port, signal in ports)
    return f"  {module}{head} {name} (\n{body}\n  );\n"


def block_text(
    name: str,
    instance: RtlInstance,
    ports: Sequence[tuple[str, str]],
    chain: tuple[str, str] = ("load_in", "load_out"),
) -> str:
    """A block of a design with its memory files.

    ``chain``: what goes into and comes out of its memories, where they are writable.
    """
    parameters: dict[str, Parameter] = dict(instance.parameters)
    before = ""
    if WRITABLE in parameters and not parameters[WRITABLE]:
        before, chain = f"  logic [{CHAIN_BITS - 1}:0] l_{name};\n", (f"l_{name}",) * 2
    if WRITABLE in parameters:
        ports = [*ports, ("load_in", chain[0]), ("load_out", chain[1])]
    text = before + instance_text(f"etb_{instance.module}", f"u_{name}", parameters, ports)
    if not instance.memories:
        return text
    files = ",\n".join(
        f'      .{memory.parameter}("{memory_file(name, memory)}")' for memory in instance.memories
    )
    at = text.index("\n  ) ") if parameters else -1
    return f"{text[:at]},\n{files}{text[at:]}"
