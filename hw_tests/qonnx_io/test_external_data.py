"""Values in files beside a model: read as those in the model are, and never from anywhere else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from etb_hw.errors import BadInput
from etb_hw.flow.proofs import prove_import, random_inputs
from etb_hw.integer import DataType
from etb_hw.qonnx_io import ImportOptions, import_model
from etb_hw.qonnx_io.model_file import read_model
from hw_tests.fuzz.onnx_emitter import Emitter
from hw_tests.qonnx_io.test_forms_of_the_field import signs

DATA = "net.data"


def parted(folder: Path, constant: bool = False) -> Path:
    """A model whose weights lie behind eight other bytes of a file."""
    out = Emitter((20,), "INT4")
    weights = signs(20, 12).astype(np.float32)
    model = out.model(out.node("MatMul", "x", out.const(weights)))
    tensor = model.graph.initializer[0]
    if constant:
        node = helper.make_node("Constant", [], [tensor.name], "held", value=tensor)
        model.graph.node.insert(0, node)
        del model.graph.initializer[:]
        tensor = node_tensor(model)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    say(tensor, location=DATA, offset="8", length=str(weights.nbytes))
    (folder / DATA).write_bytes(bytes(8) + weights.tobytes())
    (folder / "net.onnx").write_bytes(model.SerializeToString())
    return folder / "net.onnx"


def node_tensor(model: onnx.ModelProto) -> onnx.TensorProto:
    return model.graph.node[0].attribute[0].t


def say(tensor: onnx.TensorProto, **entries: str) -> None:
    kept = {entry.key: entry.value for entry in tensor.external_data} | entries
    del tensor.external_data[:]
    for key, value in kept.items():
        tensor.external_data.add(key=key, value=value)


@pytest.mark.parametrize("constant", [False, True])
def test_values_beside_the_model(constant: bool, tmp_path: Path) -> None:
    path = parted(tmp_path, constant)
    graph = import_model(path)
    np.testing.assert_array_equal(graph.nodes[-1].weights, signs(20, 12).T)  # type: ignore[attr-defined]
    assert prove_import(graph, path, random_inputs(graph, 24)).mismatches == 0


def test_what_torch_s_newer_exporter_writes(tmp_path: Path) -> None:
    net = torch.nn.Sequential(torch.nn.Linear(300, 8, bias=False), torch.nn.ReLU()).eval()
    with torch.no_grad():
        net[0].weight.copy_(torch.from_numpy(signs(8, 300)))
    path = tmp_path / "net.onnx"
    torch.onnx.export(net, (torch.zeros(1, 300),), path, dynamo=True, verbose=False)
    assert (tmp_path / "net.onnx.data").stat().st_size >= 4 * 8 * 300, "the case that is tested"
    graph = import_model(path, ImportOptions(input_dtype=DataType.parse("INT8")))
    assert prove_import(graph, path, random_inputs(graph, 24)).mismatches == 0


def elsewhere(name: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        model = onnx.load(str(path), load_external_data=False)
        say(model.graph.initializer[0], location=name)
        path.write_bytes(model.SerializeToString())

    return change


def entry(**entries: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        model = onnx.load(str(path), load_external_data=False)
        say(model.graph.initializer[0], **entries)
        path.write_bytes(model.SerializeToString())

    return change


def link(path: Path) -> None:
    outside = path.parent.parent / "outside.data"
    (path.parent / DATA).rename(outside)
    (path.parent / DATA).symlink_to(outside)


def pipe(path: Path) -> None:
    (path.parent / DATA).unlink()
    os.mkfifo(path.parent / DATA)


CHANGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "a folder above": (elsewhere("../net.data"), "no plain file beside"),
    "a folder below": (elsewhere("below/net.data"), "no plain file beside"),
    "an absolute path": (elsewhere("/etc/hostname"), "no plain file beside"),
    "separators of Windows": (elsewhere("..\\net.data"), "no plain file beside"),
    "the folder": (elsewhere("."), "no plain file beside"),
    "the folder above": (elsewhere(".."), "no plain file beside"),
    "no name": (elsewhere(""), "no plain file beside"),
    "a null byte": (elsewhere("net\0.data"), "cannot be read"),
    "a long name": (elsewhere("n" * 5000), "cannot be read"),
    "a link": (link, "no plain file beside"),
    "a pipe": (pipe, "no regular file"),
    "none": (lambda path: (path.parent / DATA).unlink(), r"net\.data: does not exist"),
    "cut off": (lambda path: os.truncate(path.parent / DATA, 900), r"960 bytes.*'net\.data'"),
    "behind its end": (entry(offset="10000"), r"'net\.data', which holds fewer"),
    "before its beginning": (entry(offset="-8"), "no number"),
    "no number": (entry(length="many"), "no number"),
    "an absurd number": (entry(length="9" * 5000), "no number"),
    "fewer than its shape": (entry(length="956"), "cannot be decoded"),
}


@pytest.mark.parametrize("change", list(CHANGES))
def test_anything_else_is_refused(change: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    path = parted(tmp_path / "folder")
    damage, said = CHANGES[change]
    damage(path)
    with pytest.raises(BadInput, match=said):
        import_model(path)


def test_many_tensors_of_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file cannot stand for a flood of memory."""
    path = parted(tmp_path)
    model = onnx.load(str(path), load_external_data=False)
    for i in range(40):
        model.graph.initializer.add().CopyFrom(model.graph.initializer[0])
        model.graph.initializer[-1].name = f"more_{i}"
    path.write_bytes(model.SerializeToString())
    read_model(path)
    monkeypatch.setattr("etb_hw.qonnx_io.model_file.MAX_BYTES", 30_000)
    with pytest.raises(BadInput, match="too many for one model"):
        read_model(path)
