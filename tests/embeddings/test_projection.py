import os
import warnings
from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from lab.embeddings import projection
from lab.embeddings.projection import MapSettings, Projection, cached, principal_components, project
from lab.embeddings.space import EmbeddingSpace

EUCLIDEAN = MapSettings(metric="euclidean")
BY_PCA = MapSettings(method="pca", metric="euclidean")


def space_of(vectors: np.ndarray) -> EmbeddingSpace:
    return EmbeddingSpace([f"item {row}" for row in range(len(vectors))], vectors)


def points(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


@pytest.fixture(scope="module")
def digits() -> EmbeddingSpace:
    images, labels = load_digits(return_X_y=True)
    return EmbeddingSpace([str(row) for row in range(500)], images[:500], {"label": labels[:500]})


@pytest.fixture(scope="module")
def map_of_digits(digits) -> Projection:
    return project(digits, EUCLIDEAN)


# --- UMAP


def test_a_umap_map_keeps_neighbourhoods(digits, map_of_digits):
    """A floor of quality, as umap-learn's own tests have; coordinates are not compared with stored ones."""
    assert map_of_digits.method == "umap"
    assert map_of_digits.coordinates.shape == (500, 2)
    assert map_of_digits.coordinates.dtype == np.float32
    assert map_of_digits.trustworthiness > 0.95
    assert map_of_digits.continuity > 0.95
    by_pca = project(digits, BY_PCA)
    assert map_of_digits.trustworthiness > by_pca.trustworthiness + 0.05


@pytest.mark.slow  # compiles the search that the lab spares itself
def test_a_umap_map_is_as_good_as_that_of_approximate_neighbours(digits, map_of_digits):
    """umap-learn finding the neighbours itself is the oracle."""
    import umap

    from lab.evaluation.geometry import trustworthiness

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = umap.UMAP(random_state=0, n_jobs=1).fit_transform(digits.vectors)
    expected = trustworthiness(digits.vectors, other, 15, "euclidean")
    assert map_of_digits.trustworthiness == pytest.approx(expected, abs=0.01)


def test_the_same_settings_give_the_same_map_and_another_seed_another(digits, map_of_digits):
    np.testing.assert_array_equal(project(digits, EUCLIDEAN).coordinates, map_of_digits.coordinates)
    other = project(digits, replace(EUCLIDEAN, seed=1))
    assert np.abs(other.coordinates - map_of_digits.coordinates).max() > 0.1


def test_no_warning_reaches_the_reader(digits):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        project(digits.subset(np.arange(12)), MapSettings(neighbors=50))


def test_the_cosine_does_not_see_lengths():
    directions = points(60, 70)
    lengths = np.random.default_rng(1).choice([0.25, 1, 8], size=(60, 1)).astype(np.float32)
    settings = MapSettings(neighbors=5)
    np.testing.assert_array_equal(
        project(space_of(directions), settings).coordinates,
        project(space_of(directions * lengths), settings).coordinates,
    )


def test_umap_is_given_exact_neighbours_and_cosine_distances(monkeypatch):
    vectors = points(40, 6)
    given = {}

    class Recorder:
        def __init__(self, **arguments):
            given.update(arguments)

        def fit_transform(self, data):
            return data[:, :2]

    class FakeUmap:
        UMAP = Recorder

    monkeypatch.setattr(projection, "_umap", lambda: FakeUmap)
    project(space_of(vectors), MapSettings(neighbors=7, min_dist=0.3, seed=5))
    indices, distances = given["precomputed_knn"]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = 1 - unit @ unit.T
    np.testing.assert_array_equal(indices, np.argsort(expected, axis=1)[:, :7])
    np.testing.assert_allclose(distances, np.sort(expected, axis=1)[:, :7], atol=1e-6)
    assert (given["n_neighbors"], given["min_dist"], given["random_state"], given["n_jobs"]) == (7, 0.3, 5, 1)


def test_pca_comes_first_above_fifty_dimensions(monkeypatch):
    seen = []

    class FakeUmap:
        class UMAP:
            def __init__(self, **_):
                pass

            def fit_transform(self, data):
                seen.append(data)
                return data[:, :2]

    monkeypatch.setattr(projection, "_umap", lambda: FakeUmap)
    project(space_of(points(80, 50)), EUCLIDEAN)
    project(space_of(points(80, 51)), EUCLIDEAN)
    np.testing.assert_array_equal(seen[0], points(80, 50))
    np.testing.assert_array_equal(seen[1], principal_components(points(80, 51), 50))


@pytest.mark.parametrize("n", [1, 2, 3, 9, 10, 11, 17])
@pytest.mark.parametrize("kind", ["random", "all the same", "two places", "zero"])
def test_tiny_and_degenerate_spaces_have_a_map(n, kind):
    vectors = points(n, 60)
    vectors[:] = {
        "random": vectors,
        "all the same": vectors[0],
        "two places": vectors[np.arange(n) % 2 * (n > 1)],
        "zero": 0,
    }[kind]
    made = project(space_of(vectors))
    assert made.coordinates.shape == (n, 2)
    assert np.isfinite(made.coordinates).all()
    assert made.method == ("umap" if n >= 10 else "pca")
    assert np.isnan(made.trustworthiness) == (n < 3)


def test_a_map_that_umap_cannot_make_is_made_by_pca(monkeypatch):
    class FakeUmap:
        class UMAP:
            def __init__(self, **_):
                pass

            def fit_transform(self, data):
                return np.full((len(data), 2), np.nan)

    monkeypatch.setattr(projection, "_umap", lambda: FakeUmap)
    made = project(space_of(points(30, 4)), EUCLIDEAN)
    assert made.method == "pca"
    np.testing.assert_array_equal(made.coordinates, principal_components(points(30, 4), 2))


def test_large_maps_are_judged_by_a_sample():
    vectors, few = points(400, 3), replace(BY_PCA, judged=200)
    whole = project(space_of(vectors), BY_PCA)
    sampled = project(space_of(vectors), few)
    assert (whole.judged, sampled.judged) == (400, 200)
    assert sampled.trustworthiness == pytest.approx(whole.trustworthiness, abs=0.02)
    assert sampled.trustworthiness != whole.trustworthiness
    assert sampled.trustworthiness == project(space_of(vectors), few).trustworthiness
    assert np.isnan(project(space_of(vectors), replace(BY_PCA, judged=0)).continuity)


# --- PCA


@pytest.mark.parametrize(("n", "d"), [(200, 8), (20, 30), (30, 30)])
def test_principal_components_are_those_of_scikit_learn_up_to_the_sign(n, d):
    vectors = points(n, d) @ np.diag(np.linspace(3, 1, d)).astype(np.float32)
    found = principal_components(vectors, 4)
    expected = PCA(4, svd_solver="full").fit_transform(vectors.astype(np.float64))
    signs = np.sign((found * expected).sum(axis=0))
    np.testing.assert_allclose(found, expected * signs, atol=1e-4)


def test_the_sign_of_a_component_is_no_accident():
    """The largest loading is positive; so turning all points round turns the map round, and nothing else does."""
    vectors = points(100, 5)
    found = principal_components(vectors, 2)
    loadings = np.linalg.lstsq(found, vectors - vectors.mean(axis=0), rcond=None)[0]
    for row in loadings:
        assert row[np.abs(row).argmax()] > 0
    np.testing.assert_allclose(principal_components(-vectors, 2), -found, atol=1e-5)


def test_missing_directions_are_zero():
    np.testing.assert_allclose(np.abs(principal_components(np.array([[1.0], [3.0]]), 2)), [[1, 0], [1, 0]], atol=1e-6)


# --- kept maps


def test_a_map_is_made_again_only_for_other_settings_or_vectors(tmp_path, monkeypatch):
    made = []
    project_once = projection.project
    monkeypatch.setattr(projection, "project", lambda *arguments: made.append(arguments) or project_once(*arguments))
    space = space_of(points(40, 5))

    first = cached(space, BY_PCA, tmp_path / "maps")
    again = cached(space_of(points(40, 5)), BY_PCA, tmp_path / "maps")
    assert len(made) == 1
    np.testing.assert_array_equal(again.coordinates, first.coordinates)
    assert list(again.ids) == list(first.ids)
    for name in ("method", "settings", "trustworthiness", "continuity", "k", "judged"):
        assert getattr(again, name) == getattr(first, name)

    changed = points(40, 5)
    changed[3, 2] += 1e-6
    for count, (other, settings) in enumerate(
        [
            (space, replace(BY_PCA, neighbors=4)),
            (space, replace(BY_PCA, metric="cosine")),
            (space, replace(BY_PCA, seed=2)),
            (space_of(changed), BY_PCA),
            (EmbeddingSpace([f"other {row}" for row in range(40)], points(40, 5)), BY_PCA),
        ]
    ):
        cached(other, settings, tmp_path / "maps")
        assert len(made) == 2 + count
    cached(space, BY_PCA, tmp_path / "maps")
    assert len(made) == 6


def test_scores_that_do_not_exist_are_kept_as_such(tmp_path):
    cached(space_of(points(2, 5)), BY_PCA, tmp_path)
    assert np.isnan(cached(space_of(points(2, 5)), BY_PCA, tmp_path).trustworthiness)


@pytest.mark.parametrize("damage", ["torn", "other version", "not parquet"])
def test_a_damaged_file_is_made_again(tmp_path, damage, monkeypatch):
    space = space_of(points(40, 5))
    first = cached(space, BY_PCA, tmp_path)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    if damage == "other version":
        monkeypatch.setattr(projection, "VERSION", 2)
        monkeypatch.setattr(projection, "_key", lambda *_: path.stem)
    else:
        path.write_bytes(whole[:-30] if damage == "torn" else b"x,y\n")
    again = cached(space, BY_PCA, tmp_path)
    np.testing.assert_array_equal(again.coordinates, first.coordinates)
    assert os.listdir(tmp_path) == [path.name]
    if damage != "other version":
        assert path.read_bytes() == whole


def test_a_folder_that_cannot_be_written_keeps_nothing(tmp_path):
    (tmp_path / "maps").write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="the map was not kept"):
        made = cached(space_of(points(40, 5)), BY_PCA, tmp_path / "maps")
    assert made.coordinates.shape == (40, 2)
