"""Talk to the accelerator on the board: images in, logits out.

Copy the folder ``host``, with ``accelerator.json`` beside it, to the machine that the board hangs on. It
needs numpy, and pyserial for a real board.

    from host import Accelerator
    with Accelerator.on_port("/dev/ttyUSB0") as accelerator:
        logits = accelerator.infer(images)          # integers (N, ...), as the network's integer graph gives
        classes = accelerator.classify(images)      # the largest logit of each

Every packet carries a checksum. What was damaged on the way is sent again; what stays damaged is an error.
Where the design was built with writable weights, ``accelerator.load("weights.bin")`` puts another network of
the same shape into it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from .frames import BoardError, checked, from_bytes, to_bytes
from .weights import read_weights, verified

INFER, INFO, RESET, WRITE, OPEN, CHECK, CLOSE = 1, 2, 3, 4, 5, 6, 7
MEANING = {
    0x81: "the board received a wrong checksum",
    0x82: "the packet stopped on its way to the board",
    0x83: "the board does not know the command",
    0x84: "no result came within the time limit; the accelerator was reset",
    0x85: "the board expects other weights, or none",
    0x86: "its weights are not complete: load them again",
}
INFO_FIELDS = (
    ("build", 8), ("frames", 4), ("crc_errors", 2), ("timeouts", 2), ("unknown", 2), ("lost", 2),
    ("cycles", 4),
)  # fmt: skip
TRIES = 3


class Line(Protocol):
    """A serial line, as pyserial has it: ``read`` gives fewer bytes when its time is over."""

    def write(self, data: bytes, /) -> Any: ...

    def read(self, size: int, /) -> bytes: ...

    def close(self) -> None: ...


def checksum(data: bytes) -> int:
    """CRC-16 of CCITT: polynomial 1021, start FFFF."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1
        crc &= 0xFFFF
    return crc


def packet(first: int, kind: int, number: int, payload: bytes = b"") -> bytes:
    """A request (first byte A5) or a reply (5A)."""
    body = bytes((kind, number)) + payload
    return bytes((first,)) + body + checksum(body).to_bytes(2, "big")


class Accelerator:
    """The design of ``accelerator.json`` behind a serial line."""

    def __init__(self, line: Line, description: Mapping[str, Any]) -> None:
        self.line, self.description = line, description
        self.number = 0
        self.retries = 0
        build = self.info()["build"]
        if build != int(description["build"], 16):
            raise BoardError(
                f"the board holds build {build:016x}, accelerator.json is of {description['build']}"
            )

    @classmethod
    def on_port(cls, port: str, description: Path | str | None = None, timeout: float = 2.0) -> Accelerator:
        """Open a serial port, such as /dev/ttyUSB0 or COM3."""
        import serial  # type: ignore[import-not-found,import-untyped,unused-ignore]

        path = (
            Path(description) if description is not None else Path(__file__).parents[1] / "accelerator.json"
        )
        known = json.loads(path.read_text(encoding="utf-8"))
        return cls(serial.Serial(port, known["baud"], timeout=timeout), known)

    def __enter__(self) -> Accelerator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.line.close()

    def infer(self, images: Any) -> Any:
        """Integer results (N, ...) of images (N, H, W, C), (N, H, W) of one channel, or (N, features)."""
        taken, given = self.description["input"], self.description["output"]
        payloads = to_bytes(checked(images, taken), taken)
        results = [self.request(INFER, payload.tobytes()) for payload in payloads]
        return from_bytes(results, given)

    def classify(self, images: Any) -> Any:
        """The index of the largest logit of each image, (N,)."""
        return self.infer(images).reshape(len(images), -1).argmax(axis=1)

    def info(self) -> dict[str, int]:
        """What the board counts, and which build it holds."""
        raw, found = self.request(INFO), {}
        for name, size in INFO_FIELDS:
            found[name], raw = int.from_bytes(raw[:size], "little"), raw[size:]
        return found

    def reset(self) -> None:
        """Reset the accelerator and all counts."""
        self.request(RESET)

    def load(self, weights: Path | str) -> None:
        """Write a file that ``etb-hw weights`` made, and verify it by a checksum that is read back.

        Raises BoardError for a file of another build or a damaged one, before anything is written, and where
        the checksum is another one: the accelerator then takes no frames until weights were loaded.
        """
        image, size = read_weights(weights, self.description), self.description["input"]["bytes"]
        self.request(OPEN)
        for number, start in enumerate(range(0, len(image), size)):
            self.request(WRITE, image[start : start + size].ljust(size, b"\0"), number % 256)
        verified(self.weights(), image)
        self.request(CLOSE)

    def weights(self) -> int:
        """The CRC-32 of the weights on the board, read back now."""
        if "weights" not in self.description:
            raise BoardError("this accelerator's weights are fixed")
        return int.from_bytes(self.request(CHECK), "little")

    def request(self, kind: int, payload: bytes = b"", number: int | None = None) -> bytes:
        """One request and the payload of its reply. Raises BoardError after three tries."""
        problem = "nothing was sent"
        for _ in range(TRIES):
            self.number = (self.number + 1) % 256 if number is None else number
            self.line.write(packet(0xA5, kind, self.number, payload))
            try:
                return self._reply(kind)
            except BoardError as error:
                problem = str(error)
                self.retries += 1
                while self.line.read(4096):  # what is left of it
                    pass
        raise BoardError(f"{problem}; tried {TRIES} times")

    def _reply(self, kind: int) -> bytes:
        head = self._exactly(3)
        if head[0] != 0x5A:
            raise BoardError(f"the reply begins with {head[0]:02x} instead of 5a")
        sizes = {INFER: self.description["output"]["bytes"], INFO: sum(size for _, size in INFO_FIELDS)}
        sizes[CHECK] = 4
        payload = self._exactly(sizes.get(head[1], 0))
        if int.from_bytes(self._exactly(2), "big") != checksum(head[1:] + payload):
            raise BoardError("the reply has a wrong checksum")
        if head[1] in MEANING:
            raise BoardError(MEANING[head[1]])
        if head[1] != kind or head[2] != self.number:
            raise BoardError("the reply is to another request")
        return payload

    def _exactly(self, size: int) -> bytes:
        data = self.line.read(size) if size else b""
        if len(data) != size:
            raise BoardError("the board does not answer")
        return data
