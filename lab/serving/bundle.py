"""What a service needs of a run, in a folder that plain faiss and safetensors read: index, ids, vectors, weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from lab.embeddings.index import IndexKind, IndexMetric, VectorIndex
    from lab.embeddings.space import EmbeddingSpace
    from lab.runs.run import Run

FORMATS: dict[str, IndexKind | None] = {"faiss": None, "faiss-flat": "flat", "faiss-ivf": "ivf", "faiss-hnsw": "hnsw"}
"""What `lab export --to` calls them; `faiss` is flat or HNSW, by size."""
LEAST_RECALL = 0.95
WEIGHTS = ("towers.safetensors", "tower_features.safetensors", "tower_features.json", "reranker.safetensors")
FILES = ("index.faiss", "vectors.safetensors", "ids.json", *WEIGHTS, "about.json")


@dataclass(frozen=True)
class Searched:
    """What is put into an index: `items` (n, d) float32 under `ids`, compared by `metric`.

    `users` (m, d) float32 under `user_ids` are what asks, where the run has two sides.
    """

    ids: list[str]
    names: list[str]
    items: np.ndarray
    metric: IndexMetric
    user_ids: list[str] | None = None
    users: np.ndarray | None = None


def export_index(source: str, folder: Path, to: str, ids: str | None = None) -> dict[str, Any]:
    """Write the serving bundle of a run, a vector file or a text backbone to `folder`, and return its about.json.

    index.faiss: over the items of two towers, else over all vectors, with the least effort that finds 95 % of the
    exact 100 best; vectors.safetensors: `items`, and `users`, of length 1 where they are compared by cosine; ids.json:
    `items`, `item_names`, `users`, in the order of the vectors; what the run kept of its towers, and a funnel of its
    second stage; about.json: metric, kind, what was measured (`chosen`: the point written), versions.
    Raises `UserError` for an unknown format, a folder that holds something else, or where faiss is missing.
    """
    from lab.embeddings.index import default_kind, require_faiss
    from lab.runs.provenance import host
    from lab.serving.measure import drawn_queries, least_effort, measured_indexes

    kind = _kind_of(to)
    require_faiss()
    _check_folder(folder)
    space, run, weights = _find(source, ids)
    searched = searched_of(space, run)
    kind = kind or default_kind(len(searched.items))
    queries = (
        drawn_queries(searched.items, "its own vectors, each without itself", 0, own=True)
        if searched.users is None
        else drawn_queries(searched.users, "its own users", 0)
    )
    indexes, measured = measured_indexes(queries, searched.items, searched.metric, (kind,))
    index, chosen = indexes[kind], least_effort(measured, kind, LEAST_RECALL)
    index.spend(chosen["effort"])
    about = {
        "source": source if run is None else f"run:{run.id}",
        "metric": searched.metric,
        "index": {"kind": kind, **index.parameters, "effort": chosen["effort"], "items": len(index)},
        "measured": measured,
        "chosen": chosen,
        "versions": _versions(),
        "host": host(),
    }
    _write(folder, searched, index, weights, about)
    return about


def _write(folder: Path, searched: Searched, index: VectorIndex, weights: list[Path], about: dict[str, Any]) -> None:
    """All files of a bundle, each whole; about.json is the last."""
    from lab.embeddings.index import prepared
    from lab.runs.files import write_atomic, write_json
    from lab.runs.tensors import write_tensors

    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (folder / name).unlink(missing_ok=True)
    write_atomic(folder / "index.faiss", index.to_bytes())
    vectors = {"items": searched.items, "users": searched.users}
    known = {name: prepared(own, searched.metric) for name, own in vectors.items() if own is not None}
    write_tensors(folder / "vectors.safetensors", known)
    for path in weights:
        write_atomic(folder / path.name, path.read_bytes())
    listed = {"items": searched.ids, "item_names": searched.names, "users": searched.user_ids}
    ids = {name: own for name, own in listed.items() if own is not None}
    write_atomic(folder / "ids.json", json.dumps(ids, ensure_ascii=False))
    write_json(folder / "about.json", about)


def told_export(about: dict[str, Any]) -> str:
    """What `export_index` wrote, in words: how large the index is, what it finds and how quickly."""
    from lab.terminal import columns

    measured, chosen = about["measured"], about["chosen"]
    at, queries = measured["at"], measured["queries"]
    size = f"{measured['count']:,} vectors of {measured['dimension']} dimensions, {chosen['name']}"
    head = ["  index", *(f"recall@{k}" for k in at), "p50 ms", "p99 ms", "build s", "MB", ""]
    rows = [
        [
            f"  {point['name']}",
            *(f"{point[f'recall@{k}']:.3f}" for k in at),
            *(f"{point[name]:.3f}" for name in ("p50", "p99")),
            f"{point['build_seconds']:.2f}",
            f"{point['bytes'] / 1e6:.2f}",
            "written" if point is chosen else "",
        ]
        for point in measured["points"]
    ]
    how = f"  {queries['count']:,} queries ({queries['what']}), one at a time on one thread, against exact search"
    return f"{size}\n{columns(rows, head)}\n{how}"


def searched_of(space: EmbeddingSpace, run: Run | None) -> Searched:
    """What of a space is searched, and by what: of two towers the items by the users, else everything by itself."""
    columns = set(space.metadata.columns)
    if run is None or not {"side", "item_id"} <= columns:
        names = [str(name) for name in space.ids]
        return Searched(names, names, space.vectors, "cosine")
    is_item = (space.metadata["side"] == "item").to_numpy()
    own = space.metadata["item_id"].astype(str).to_numpy()
    metric: IndexMetric = "dot" if (run.config.get("similarity") or {}).get("kind") == "dot" else "cosine"
    return Searched(
        list(own[is_item]),
        [str(name) for name in space.ids[is_item]],
        space.vectors[is_item],
        metric,
        list(own[~is_item]),
        space.vectors[~is_item],
    )


def _kind_of(to: str) -> IndexKind | None:
    if to not in FORMATS:
        raise UserError(f"unknown index {to!r}: use one of {', '.join(FORMATS)}")
    return FORMATS[to]


def _check_folder(folder: Path) -> None:
    """A folder that is new, empty, or holds an older bundle and nothing else."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: is a file; an index is a folder of files")
    strange = sorted({path.name for path in folder.iterdir()} - set(FILES)) if folder.is_dir() else []
    if strange:
        raise UserError(f"{folder}: holds {strange[0]!r}, which is no part of an index; name an empty or a new folder")


def _find(source: str, ids: str | None) -> tuple[EmbeddingSpace, Run | None, list[Path]]:
    """The space, its run (None: of a file or a backbone), and the files of weights that belong to it.

    A funnel's vectors are those of its towers.
    """
    from lab.runs.built_on import PREFIX
    from lab.runs.refs import load_run
    from lab.spaces import find_run, is_text_backbone, vectors_from

    if is_text_backbone(source) or Path(source).expanduser().is_file():
        return vectors_from(source, ids), None, []
    run = find_run(source)
    runs = [run]
    if run.experiment == "funnel":
        run = load_run(run.config["retriever"].removeprefix(PREFIX))
        runs.append(run)
    kept = [one.path / "model" / name for one in runs for name in WEIGHTS]
    return run.space(), run, [path for path in kept if path.is_file()]


def _versions() -> dict[str, str]:
    import faiss
    import numpy as np

    from lab import __version__

    return {"lab": __version__, "faiss": faiss.__version__, "numpy": np.__version__}
