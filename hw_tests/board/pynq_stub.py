"""The module ``pynq`` as far as a driver sees it, in front of a simulated Zynq.

Names, defaults and what is refused are those of PYNQ 2.6 to 3.1 (Xilinx/PYNQ: ``pynq/overlay.py``,
``mmio.py``, ``buffer.py``).
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from etb_hw.board.zynq.simulated import DMA, Buffer, SimulatedZynq

ADDRESSES = {"etb_accelerator_0": (0x43C00000, 0x1000), "axi_dma_0": (0x40400000, 0x10000)}


def pynq_stub(hardware: SimulatedZynq, loaded: list[str]) -> ModuleType:
    """The module. ``loaded`` gets the name of every bitfile, and ``free`` when it is freed."""
    module = ModuleType("pynq")
    banks = {ADDRESSES["etb_accelerator_0"][0]: 0, ADDRESSES["axi_dma_0"][0]: DMA}

    class Overlay:
        def __init__(self, bitfile_name: str, dtbo: Any = None, download: bool = True) -> None:
            assert isinstance(bitfile_name, str)
            loaded.append(bitfile_name)
            self.ip_dict = {
                name: {"phys_addr": base, "addr_range": size, "type": "", "fullpath": name}
                for name, (base, size) in ADDRESSES.items()
            }

        def free(self) -> None:
            loaded.append("free")

    class MMIO:
        def __init__(self, base_addr: int, length: int = 4, device: Any = None) -> None:
            self.base, self.length = banks[base_addr], length

        def _checked(self, offset: int) -> int:
            if offset < 0:
                raise ValueError("Offset cannot be negative.")
            if offset % 4:
                raise MemoryError("Unaligned access: offset must be multiple of 4.")
            if offset >= self.length:
                raise IndexError("out of the mapped range")
            return self.base + offset

        def read(self, offset: int = 0, length: int = 4, word_order: str = "little") -> int:
            assert length == 4
            hardware.tell("r", self._checked(offset))
            return hardware.number()

        def write(self, offset: int, data: int | bytes) -> None:
            if type(data) is not int:  # a numpy integer is none
                raise ValueError("Data type must be int or bytes.")
            hardware.tell("w", self._checked(offset), int(np.uint32(data)))

    def allocate(shape: Any, dtype: Any = "u4", target: Any = None) -> Buffer:
        assert np.dtype(dtype) == np.uint8
        return hardware.allocate(int(np.prod(shape)))

    for item in (Overlay, MMIO, allocate):
        setattr(module, item.__name__, item)
    return module
