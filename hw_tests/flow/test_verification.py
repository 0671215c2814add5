"""A proof compares every value, and says where the first difference is."""

from __future__ import annotations

import numpy as np
import pytest

from etb_hw.verification import ProofFailed, first_difference, first_differing_layer, prove


def batches() -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).integers(-50, 50, (5, 3, 2, 4))
    return x, x.copy()


def failed(*args: object, **more: object) -> ProofFailed:
    with pytest.raises(ProofFailed) as caught:
        prove("ours", "theirs", *args, **more)
    return caught.value


def test_equal_batches() -> None:
    proof = prove("ours", "theirs", *batches())
    assert (proof.step, proof.against, proof.status) == ("ours", "theirs", "equal")
    assert (proof.samples, proof.mismatches, proof.max_abs_diff, proof.ties) == (5, 0, 0.0, 0)


def test_every_single_value_counts() -> None:
    for place in np.ndindex(5, 3, 2, 4):
        found, expected = batches()
        found[place] += 1
        error = failed(found, expected)
        assert f"sample {place[0]}, " in str(error)
        assert f"channel {place[1]}, position {place[2:]}" in str(error)


def test_what_a_difference_says() -> None:
    found, expected = batches()
    found[2, 1, 0, 3] += 7
    found[4, 0, 1, 1] -= 9
    error = failed(found, expected, layer="conv_3")
    row = error.proof
    assert (row.samples, row.mismatches, row.max_abs_diff, row.status) == (5, 2, 9.0, "different")
    values = f"{found[2, 1, 0, 3]} instead of {expected[2, 1, 0, 3]}"
    assert (
        f"2 of 5 samples differ; first: sample 2, layer conv_3, channel 1, position (0, 3): {values}"
        in str(error)
    )
    assert "ours against theirs" in str(error)


def test_who_knows_more_is_asked() -> None:
    found, expected = batches()
    found[3] += 1
    asked: list[int] = []

    def locate(sample: int) -> str:
        asked.append(sample)
        return "the block behind"

    assert "sample 3, the block behind" in str(failed(found, expected, locate=locate))
    assert asked == [3]
    assert "layer output, channel 0" in str(failed(found, expected, locate=lambda _: None))


def test_other_shapes_are_no_proof() -> None:
    found, expected = batches()
    error = failed(found[:, :2], expected)
    assert "shape (5, 2, 2, 4) instead of (5, 3, 2, 4)" in str(error)
    assert (error.proof.mismatches, error.proof.max_abs_diff, error.proof.status) == (
        5,
        float("inf"),
        "different",
    )
    assert error.proof.samples == 5


@pytest.mark.parametrize("shape", [(5,), (5, 3), (5, 3, 4)])
def test_batches_of_every_shape_are_compared(shape: tuple[int, ...]) -> None:
    found, expected = np.zeros(shape), np.zeros(shape)
    assert prove("ours", "theirs", found, expected).samples == 5
    found[1:3] = 1.5
    error = failed(found, expected)
    assert (error.proof.mismatches, error.proof.max_abs_diff) == (2, 1.5)
    assert "sample 1, layer output, channel 0" in str(error)
    found[-1] = -4
    assert failed(found, expected).proof.max_abs_diff == 4


def test_no_samples_are_no_difference() -> None:
    proof = prove("ours", "theirs", np.zeros((0, 3)), np.zeros((0, 3)))
    assert (proof.samples, proof.mismatches, proof.status) == (0, 0, "equal")


def test_places_in_flat_batches() -> None:
    a, b = np.zeros((2, 3)), np.zeros((2, 3))
    b[1, 2] = 4
    assert first_difference(a, b, "logits") == "layer logits, channel 2: 0.0 instead of 4.0"
    assert first_difference(np.zeros(2), np.ones(2), "class") == "layer class, channel 0: 0.0 instead of 1.0"


def test_places_in_signals() -> None:
    found = first_difference(np.array([[[1, 2, 3]]]), np.array([[[1, 2, 4]]]), "conv")
    assert found == "layer conv, channel 0, position (2,): 3 instead of 4"


def test_the_first_layer_that_differs() -> None:
    a, b = batches()
    other = b.copy()
    other[0, 0, 0, 0] += 1
    assert first_differing_layer(iter([("x", a), ("y", a)]), iter([("x", b), ("y", b)])) is None
    found = first_differing_layer(
        iter([("x", a), ("y", a), ("z", a)]), iter([("x", b), ("y", other), ("z", other)])
    )
    assert found is not None
    assert "layer y, channel 0, position (0, 0)" in found
    assert first_differing_layer(iter([("only ours", a)]), iter([("x", other)])) is None
