"""What others published of topologies that we have, to set a run beside."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """Somebody's network, or build of it.

    Attributes:
        topology: by our name (``model.name``); the network has one-bit weights and activations, unpruned.
        accuracy: a share of the data set's test images; None where it was not given.
        lut, ff, bram_18k: by the vendor's tools, with whatever ``how`` says is in them; None: not given.
        interval: cycles a frame, of a clock of ``clock_mhz``.
    """

    topology: str
    title: str
    data: str
    how: str
    accuracy: float | None = None
    lut: int | None = None
    ff: int | None = None
    bram_18k: int | None = None
    interval: int | None = None
    clock_mhz: float = 100.0


BREVITAS = "Brevitas' bnn_pynq examples, README"
PUBLISHED = (
    Published(
        "cnv", "FINN, bnn-pynq build of CNV-W1A1", "CIFAR-10",
        "Vivado, Zynq-7020 at 100 MHz, with FINN's shell (DMA, interconnect); accuracy of " + BREVITAS,
        accuracy=0.8422, lut=21_135, ff=31_517, bram_18k=98 * 2 + 9, interval=32_768,
    ),
    Published(
        "cnv", "FINN, MLPerf Tiny 0.7 submission of CNV-W1A1", "CIFAR-10",
        "Vivado, Zynq-7020, with FINN's shell", lut=22_714, bram_18k=201, interval=32_768,
    ),
    Published("tfc", "Brevitas, TFC_1W1A", "MNIST", BREVITAS, accuracy=0.9317),
    Published("sfc", "Brevitas, SFC_1W1A", "MNIST", BREVITAS, accuracy=0.9781),
    Published("lfc", "Brevitas, LFC_1W1A", "MNIST", BREVITAS, accuracy=0.9888),
)  # fmt: skip


def published(topology: str) -> tuple[Published, ...]:
    """What is known of a topology."""
    return tuple(found for found in PUBLISHED if found.topology == topology)
