"""Files that packages of several kinds hold."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files


def host_files(module: str) -> dict[str, str]:
    """The host's program as a Python package ``host``; ``module`` is the one that talks to the board."""
    folder = files("etb_hw.board") / "host"
    texts = {
        f"host/{name}.py": (folder / f"{name}.py").read_text(encoding="utf-8")
        for name in ("frames", "weights", module)
    }
    init = f'"""Talk to the accelerator; see {module}.py."""\n\n'
    init += f'from .{module} import Accelerator, BoardError\n\n__all__ = ["Accelerator", "BoardError"]\n'
    return {**texts, "host/__init__.py": init}


def test_bench_files(bench: str, parameters: Mapping[str, int], sources: str) -> dict[str, str]:
    """The test bench ``etb_tb_<bench>``, its top and the program that runs it.

    Args:
        sources: the folder of the package that holds the design.
    """
    folder = files("etb_hw.board") / "test_bench"
    wired = ", ".join(f".{name}({value})" for name, value in parameters.items())
    return {
        f"test/etb_tb_{bench}.sv": (folder / f"etb_tb_{bench}.sv").read_text(encoding="utf-8"),
        "test/tb.sv": f"module tb;\n  etb_tb_{bench} #({wired}) u_bench ();\nendmodule\n",
        "test/run.py": (folder / "run.py").read_text(encoding="utf-8").replace("SOURCES_FOLDER", sources),
    }


def cocotb_files(bench: str) -> dict[str, str]:
    """The tests ``cocotb_<bench>``, and the program that runs them; ``test_bench_files`` go with them."""
    folder = files("etb_hw.board") / "test_bench"
    texts = {
        name: (folder / name).read_text(encoding="utf-8") for name in (f"cocotb_{bench}.py", "run_cocotb.py")
    }
    # a package stands alone: its modules lie in `test`, which is where they run, and in `host`
    moved = (("from etb_hw.board.test_bench.", "from "), ("from etb_hw.board.host.", "from host."))
    for here, there in moved:
        texts = {name: text.replace(here, there) for name, text in texts.items()}
    return {f"test/{name}": text for name, text in texts.items()}


def words_text(data: bytes, size: int) -> str:
    """Bytes as a memory file of words of ``size`` bytes, the first byte lowest."""
    words = (data[i : i + size][::-1].hex() for i in range(0, len(data), size))
    return "\n".join(words) + "\n"
