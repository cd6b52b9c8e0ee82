"""Maps: two dimensions for the eye, by PCA or UMAP, with the two numbers that say how far to believe them."""

from __future__ import annotations

import hashlib
import json
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lab.atomic import replacing
from lab.embeddings.neighbors import row_norms, top_k

if TYPE_CHECKING:
    from lab.embeddings.space import EmbeddingSpace

VERSION = 1  # of the arithmetic and of the file: a kept map of another version is made again
DIMENSIONS_BEFORE_UMAP = 50
FEWEST_FOR_UMAP = 10  # items; fewer are shown by PCA


@dataclass(frozen=True)
class MapSettings:
    """How a map is made; names and defaults as in umap-learn. `metric` is the distance in the original space.

    `epochs`: passes over the neighbours, None for UMAP's own choice by size. `judged`: items whose neighbourhoods
    trustworthiness and continuity look at; of none they are NaN.
    """

    method: Literal["umap", "pca"] = "umap"
    metric: Literal["cosine", "euclidean"] = "cosine"
    neighbors: int = 15
    min_dist: float = 0.1
    seed: int = 0
    epochs: int | None = None
    judged: int = 3000


@dataclass(frozen=True)
class Projection:
    """A map of n items: `ids` (n,), `coordinates` (n, 2) float32.

    `method` is the one that made it, which is `pca` where there were too few items, or too few different ones, for
    the UMAP that `settings` asks for. `trustworthiness` and `continuity` (see `lab.evaluation.geometry`) are taken
    over the `k` nearest of `judged` items; NaN for fewer than three items, and where none is judged.
    """

    ids: np.ndarray
    coordinates: np.ndarray
    method: str
    settings: MapSettings
    trustworthiness: float
    continuity: float
    k: int
    judged: int


def project(space: EmbeddingSpace, settings: MapSettings | None = None) -> Projection:
    """Project a space to two dimensions; the same space and settings give the same map, bit for bit, on one machine.

    UMAP (McInnes, Healy and Melville 2018, arXiv:1802.03426) starts from exact nearest neighbours, found in the 50
    first principal components where there are more dimensions, and runs on one thread. For the cosine, vectors are
    brought to unit length first, for PCA too.
    """
    from lab.evaluation.geometry import continuity, trustworthiness

    settings = settings or MapSettings()
    points = unit_rows(space.vectors) if settings.metric == "cosine" else space.vectors
    method, coordinates = "pca", None
    if settings.method == "umap" and len(space) >= FEWEST_FOR_UMAP:
        coordinates = umap_coordinates(points, settings)
        method = "pca" if coordinates is None else "umap"
    if coordinates is None:
        coordinates = principal_components(points, 2)

    n = len(space)
    k = min(settings.neighbors, (n - 1) // 2)
    judged = np.sort(np.random.default_rng(settings.seed).choice(n, min(n, settings.judged), replace=False))
    kept = dict.fromkeys(("trustworthiness", "continuity"), np.nan)
    for score in (trustworthiness, continuity) if k and len(judged) else ():
        kept[score.__name__] = score(space.vectors, coordinates, k, settings.metric, judged)
    return Projection(space.ids, coordinates, method, settings, k=k, judged=len(judged), **kept)


def principal_components(points: np.ndarray, dimensions: int) -> np.ndarray:
    """Coordinates (n, dimensions) float32 along the directions of largest variance, largest first (Pearson 1901).

    In each direction the largest loading is positive, so that the sign is no accident. Where the points span fewer
    dimensions the rest is zero.
    """
    from sklearn.decomposition import PCA

    found = min(dimensions, *points.shape)
    solver = "covariance_eigh" if points.shape[0] > points.shape[1] else "full"
    coordinates = np.zeros((len(points), dimensions), dtype=np.float32)
    with np.errstate(invalid="ignore", divide="ignore"):  # shares of a variance that is zero; they are not used
        coordinates[:, :found] = PCA(found, svd_solver=solver).fit_transform(points.astype(np.float64))
    return coordinates


def umap_coordinates(
    points: np.ndarray, settings: MapSettings, start: np.ndarray | None = None, learning_rate: float = 1.0
) -> np.ndarray | None:
    """UMAP's map of `points` (n, d): (n, 2) float32, or None where it finds none, as for points that are all one.

    `points` have unit length where the metric is the cosine. `start` (n, 2): where they lie at first, by default as a
    spectral layout has them; `learning_rate`: how far they go in a step.
    """
    if points.shape[1] > DIMENSIONS_BEFORE_UMAP:
        points = principal_components(points, DIMENSIONS_BEFORE_UMAP)
    count = min(settings.neighbors, len(points) - 1)  # UMAP's neighbours include the item itself
    own = np.arange(len(points))
    indices, distances = top_k(points, points, max(1, count - 1), "euclidean", exclude=own)
    if settings.metric == "cosine":
        distances = distances**2 / 2  # of unit vectors: 1 - cosine
    known = np.hstack([own[:, None], indices]), np.hstack([np.zeros((len(points), 1), np.float32), distances])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = _umap().UMAP(
            n_neighbors=known[0].shape[1],
            min_dist=settings.min_dist,
            n_epochs=settings.epochs,
            metric="euclidean",
            init="spectral" if start is None else start.astype(np.float32),
            learning_rate=learning_rate,
            random_state=settings.seed,
            n_jobs=1,
            precomputed_knn=known,  # exact, and spares the compilation of an approximate search
        )
        coordinates = model.fit_transform(points)
    return np.asarray(coordinates, dtype=np.float32) if np.isfinite(coordinates).all() else None


def warm_up() -> None:
    """Compile what UMAP needs and keep it on disk (half a minute, once an installation): no map waits for it then."""
    points = np.random.default_rng(0).standard_normal((50, 5)).astype(np.float32)
    umap_coordinates(points, MapSettings(metric="euclidean"))


def cached(space: EmbeddingSpace, settings: MapSettings, folder: str | Path) -> Projection:
    """Return the map kept in `folder`, made and kept there if none of these vectors, ids and settings is.

    A file that cannot be read, or of another version, is made again. A folder that cannot be written keeps nothing.
    """
    path = Path(folder) / f"{_key(space, settings)}.parquet"
    kept = _read(path, settings)
    if kept is not None:
        return kept
    made = project(space, settings)
    try:
        _write(made, path)
    except OSError as error:
        warnings.warn(f"the map was not kept: {error}", stacklevel=2)
    return made


def _umap() -> Any:
    """Import umap-learn, with the compiled form of its slowest functions kept on disk: 8 s less in each process."""
    import umap
    from umap import layouts, umap_

    for module, name in (
        (umap_, "smooth_knn_dist"),
        (umap_, "compute_membership_strengths"),
        (layouts, "_nb_optimize_layout_euclidean_single_epoch"),
    ):
        try:
            getattr(module, name).enable_caching()
        except (AttributeError, RuntimeError):  # another version of umap-learn, or no folder to keep it in: only slower
            continue
    return umap


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Rows brought to length 1, float32; zero vectors stay zero."""
    norms = row_norms(vectors)[:, None]
    return np.divide(vectors, norms, out=np.zeros(vectors.shape), where=norms > 0).astype(np.float32)


def _key(space: EmbeddingSpace, settings: MapSettings) -> str:
    """Digest of all that determines a map: 16 hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=8)
    digest.update(json.dumps([VERSION, asdict(settings), space.vectors.shape], sort_keys=True).encode())
    digest.update(json.dumps(list(space.ids)).encode())
    digest.update(space.vectors.data)
    return digest.hexdigest()


def _write(made: Projection, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"id": pa.array(made.ids, pa.string()), "x": made.coordinates[:, 0], "y": made.coordinates[:, 1]})
    facts = {"method": made.method, "k": made.k, "judged": made.judged}
    facts |= {"trustworthiness": made.trustworthiness, "continuity": made.continuity}
    kept = {"format_version": str(VERSION), "settings": json.dumps(asdict(made.settings)), "facts": json.dumps(facts)}
    with replacing(path) as temporary:
        pq.write_table(table.replace_schema_metadata(kept), temporary)


def _read(path: Path, settings: MapSettings) -> Projection | None:
    if not path.is_file():
        return None
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        kept = table.schema.metadata
        if kept[b"format_version"] != str(VERSION).encode():
            return None
        coordinates = np.column_stack([table.column(axis).to_numpy() for axis in "xy"]).astype(np.float32)
        ids = table.column("id").to_numpy()
        return Projection(ids, coordinates, settings=settings, **json.loads(kept[b"facts"]))
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError):
        return None
