"""Sheets of pictures, walks through latent spaces and loss curves: what they say is what the numbers are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lab import latent_pictures as draw
from lab.loss_curves import loss_curves
from lab.pictures import APART, GAP, Row, _strip, draw_sheet, small
from lab.reconstructions import errors_of, typical_and_extreme

RNG = np.random.default_rng(0)


def decode(vectors: np.ndarray) -> np.ndarray:
    """Grey pictures of one pixel a latent unit, after the sigmoid."""
    return (1 / (1 + np.exp(-vectors)))[:, None, :, None].astype(np.float32)


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.0083, ".0083"), (0.05, ".050"), (0.968, ".97"), (1.25, "1.2"), (12.3, "12"), (0, "0"), (3e-7, "3e-07"),
     (float("inf"), "∞"), (1234.6, "1,235"), (-0.02, "-.020")],
)  # fmt: skip
def test_numbers_are_short(number, text):
    assert small(number) == text


@pytest.mark.parametrize("channels", [1, 3])
def test_every_pixel_of_a_row_stands_where_it_belongs(channels):
    pictures = RNG.random((3, channels, 8, 6)).astype(np.float32)
    strip, middles = _strip(Row(pictures, apart=(2,)))
    tall, across = 48, 36
    lefts = [0, across + round(tall * GAP), 2 * across + round(tall * GAP) + round(tall * (GAP + APART))]
    assert strip.shape == (tall, lefts[-1] + across, 3)
    assert middles == pytest.approx([(left + across / 2) / tall for left in lefts])
    for left, picture in zip(lefts, pictures, strict=True):
        shown = strip[3::6, left + 3 : left + across : 6]
        assert np.allclose(shown, np.broadcast_to(picture.transpose(1, 2, 0), shown.shape))
    assert (strip[:, across : lefts[1]] == 1).all()


def test_a_sheet_holds_its_words():
    rows = [Row(RNG.random((2, 1, 4, 4)), "label", ["a", "b"], heading="Heading"), Row(RNG.random((1, 1, 4, 4)))]
    figure = draw_sheet(rows, ["left", "right"])
    assert {text.get_text() for text in figure.axes[0].texts} == {"label", "a", "b", "Heading", "left", "right"}


@given(arrays(np.float64, st.integers(1, 80), elements=st.floats(0, 1)), st.integers(1, 12))
def test_the_best_and_worst_are_those_and_none_is_shown_twice(values, count):
    found = typical_and_extreme(values, count)
    shown = np.concatenate(list(found.values()))
    assert len(shown) == len(set(shown.tolist()))
    assert values[found["best"]].max() <= np.delete(values, found["best"]).min(initial=np.inf)
    if len(found["worst"]):
        assert values[found["worst"]].min() >= np.delete(values, found["worst"]).max()
    assert all(len(part) <= count for part in found.values())


def test_errors_are_the_same_whatever_the_chunks(monkeypatch):
    pixels = RNG.integers(0, 256, (20, 3, 16, 16), dtype=np.uint8)
    made = RNG.random((20, 3, 16, 16)).astype(np.float32)
    whole = errors_of(pixels, np.arange(20), lambda rows: made[rows])
    monkeypatch.setattr("lab.reconstructions.CHUNK_BYTES", 4 * 3 * 16 * 16 * 3)
    parts = errors_of(pixels, np.arange(20), lambda rows: made[rows])
    assert np.array_equal(whole.mse, parts.mse)
    assert whole.means() == parts.means()
    assert whole.mse == pytest.approx(((pixels / 255 - made) ** 2).mean(axis=(1, 2, 3)))


def test_units_are_walked_in_the_order_of_their_variance():
    vectors = RNG.normal(size=(500, 4)) * [0.1, 3, 1, 2]
    drawn = draw.traversals(vectors, decode, units=True)
    assert drawn.data["directions"] == ["unit 2", "unit 4", "unit 3", "unit 1"]
    low, high = drawn.data["ranges"][0]
    centred = vectors[:, 1] - vectors[:, 1].mean()
    assert [low, high] == pytest.approx(np.quantile(centred, [0.01, 0.99]).tolist())
    assert "100% of the variance" in drawn.caption


def test_directions_are_principal_and_do_not_care_for_a_rotation():
    vectors = RNG.normal(size=(300, 3)) * [1, 5, 2]
    turn, _ = np.linalg.qr(RNG.normal(size=(3, 3)))
    straight, turned = (draw.traversals(v, lambda z: decode(z[:, :3]), units=False) for v in (vectors, vectors @ turn))
    assert straight.data["shares"] == pytest.approx(turned.data["shares"])
    ordered = np.sort(np.linalg.eigvalsh(np.cov(vectors.T)))[::-1]
    assert straight.data["shares"] == pytest.approx((ordered / ordered.sum()).tolist())


def test_codes_are_swapped_for_the_most_usual_ones():
    codebook = RNG.normal(size=(4, 2))
    chosen = RNG.choice(4, size=(400, 2), p=[0.5, 0.3, 0.15, 0.05])
    drawn = draw.code_swaps(codebook[chosen].reshape(400, 4), 2, decode)
    shares = [f"{share:.0%}" for share in np.sort(np.bincount(chosen[:, 0]) / 400)[::-1]]
    texts = [text.get_text() for text in drawn.figure.axes[0].texts]
    place = texts.index("code 1")
    assert texts[place + 2 : place + 6] == shares


@given(st.integers(0, 12), st.integers(1, 3))
def test_pairs_are_of_two_labels_and_no_row_is_used_twice(count, labels):
    rows = np.arange(100, 100 + count)
    own = np.arange(count) % labels
    pairs = draw.unlike_pairs(rows, own, np.random.default_rng(1))
    used = [row for pair in pairs for row in pair]
    assert len(used) == len(set(used))
    assert len(pairs) == min(draw.PAIRS, count // 2)
    if labels > 1 and count == 2:
        assert own[pairs[0][0] - 100] != own[pairs[0][1] - 100]


def test_nearest_pictures_are_those_of_a_search_through_all():
    queries, pictures = RNG.random((5, 1, 4, 4)), RNG.random((30, 1, 4, 4))
    places, errors = draw.nearest_pictures(queries, pictures)
    every = ((queries[:, None] - pictures[None]) ** 2).mean(axis=(2, 3, 4))
    assert places.tolist() == every.argmin(axis=1).tolist()
    assert errors == pytest.approx(every.min(axis=1))


def test_active_units_and_codebook_use_are_told():
    vectors = np.stack([RNG.normal(0, 1, 200), np.zeros(200), RNG.normal(0, 0.5, 200)], axis=1)
    drawn = draw.units_in_use(vectors, np.array([True, False, True]))
    assert drawn.caption.startswith("2 of 3 latent units are active")
    used = draw.codebook_in_use(np.array([0.5, 0.5, 0.0, 0.0]), 0.5, 2.0)
    assert "50% of the 4 entries" in used.caption
    assert "perplexity 2" in used.caption


@pytest.mark.parametrize("validated", [True, False])
def test_curves_tell_reconstruction_and_regulariser_apart(validated):
    always = {"train_loss": 0.3, "regulariser": 0.1, "divergence": 9.0}
    history = [always | {"epoch": n, "reconstruction": 0.2 / n} for n in (1, 2, 3)]
    if validated:
        history = [row | {"validation_reconstruction": 0.25, "validation_divergence": 8.0} for row in history]
    drawn = loss_curves(history, "variational", "mse", ("PCA, 8 dimensions", 0.04) if validated else None)
    assert len(drawn.figure.axes) == 2
    assert "Mean squared error a pixel: .067 on training" in drawn.caption
    assert ("8.0 on validation pictures" in drawn.caption) == validated
    assert ("PCA, 8 dimensions leaves .040" in drawn.caption) == validated
    plain = [{"epoch": 1, "train_loss": 0.3, "reconstruction": 0.2}]
    assert len(loss_curves(plain, "plain", "bce").figure.axes) == 1
