"""What is needed of external tools, for those who find them and for ``doctor``, which loads no library."""

from __future__ import annotations

COMPILERS = ("g++", "clang++")  # the first that is there
VERILATOR_MAJOR = 5  # older ones lack --timing's semantics and read our packages differently


def is_version(text: str, name: str, major: int) -> bool:
    """Whether what a program prints of its version is ``name`` of a major version."""
    return text.startswith((f"{name} {major}.", f"{name} {major} "))
