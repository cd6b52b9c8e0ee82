"""What a service needs of a run, in a folder that plain faiss and safetensors read: index, ids, vectors, weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from lab.embeddings.index import IndexKind, IndexMetric
    from lab.embeddings.space import EmbeddingSpace
    from lab.runs.run import Run

FORMATS: dict[str, IndexKind | None] = {"faiss": None, "faiss-flat": "flat", "faiss-ivf": "ivf", "faiss-hnsw": "hnsw"}
"""What `lab export --to` calls them; `faiss` is flat or HNSW, by size."""
LEAST_RECALL = 0.95
FILES = ("index.faiss", "vectors.safetensors", "ids.json", "towers.safetensors", "reranker.safetensors", "about.json")


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
    exact 100 best; vectors.safetensors: `items`, and `users`; ids.json: `items`, `item_names`, `users`, in the order
    of the vectors; towers.safetensors (and reranker.safetensors of a funnel): the weights, where the run kept them;
    about.json: metric, kind, what was measured, versions. Raises `UserError` for an unknown format, a folder that
    holds something else, or where faiss is missing.
    """
    from lab.embeddings.index import default_kind, prepared, require_faiss
    from lab.runs.files import write_atomic, write_json
    from lab.runs.tensors import write_tensors
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
    chosen = least_effort(measured, kind, LEAST_RECALL)
    indexes[kind].spend(chosen["effort"])
    vectors = {"items": searched.items} | ({} if searched.users is None else {"users": searched.users})
    listed = {"items": searched.ids, "item_names": searched.names, "users": searched.user_ids}
    about = {
        "source": source if run is None else f"run:{run.id}",
        "experiment": None if run is None else run.experiment,
        "similarity": {
            "metric": searched.metric,
            "search": "inner product",
            "unit_length": searched.metric == "cosine",
        },
        "index": {"kind": kind, **indexes[kind].parameters, "effort": chosen["effort"], "items": len(searched.items)},
        "measured": measured,
        "versions": _versions(),
        "host": _host(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (folder / name).unlink(missing_ok=True)
    write_atomic(folder / "index.faiss", indexes[kind].to_bytes())
    write_tensors(folder / "vectors.safetensors", {k: prepared(v, searched.metric) for k, v in vectors.items()})
    for name, tensors in weights.items():
        write_tensors(folder / f"{name}.safetensors", tensors)
    write_atomic(
        folder / "ids.json", json.dumps({k: v for k, v in listed.items() if v is not None}, ensure_ascii=False)
    )
    write_json(folder / "about.json", about)
    return {**about, "chosen": chosen}


def print_export(source: str, folder: Path, to: str, ids: str | None = None) -> None:
    """`lab export --to faiss`: write the bundle, and print what its index finds, how quickly."""
    from lab.serving.measure import spoken_point
    from lab.terminal import columns

    about = export_index(source, folder, to, ids)
    measured, chosen = about["measured"], about["chosen"]
    at, queries = measured["at"], measured["queries"]
    print(f"{folder}: {measured['count']:,} vectors of {measured['dimension']} dimensions, {spoken_point(chosen)}")
    head = ["  index", *(f"recall@{k}" for k in at), "p50 ms", "p99 ms", "build s", "MB", ""]
    rows = [
        [
            f"  {spoken_point(point)}",
            *(f"{point[f'recall@{k}']:.3f}" for k in at),
            *(f"{point[name]:.3f}" for name in ("p50", "p99")),
            f"{point['build_seconds']:.2f}",
            f"{point['bytes'] / 1e6:.2f}",
            "written" if point is chosen else "",
        ]
        for point in measured["points"]
    ]
    print(columns(rows, head))
    print(f"  {queries['count']:,} queries ({queries['what']}), one at a time on one thread, against exact search")


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


def _find(source: str, ids: str | None) -> tuple[EmbeddingSpace, Run | None, dict[str, dict[str, np.ndarray]]]:
    """The space, its run (None: of a file or a backbone), and the weights that belong to it; a funnel's are two."""
    from lab.runs.built_on import PREFIX
    from lab.runs.refs import load_run
    from lab.spaces import find_run, is_text_backbone, vectors_from

    if is_text_backbone(source) or Path(source).expanduser().is_file():
        return vectors_from(source, ids), None, {}
    run = find_run(source)
    weights = {}
    if run.experiment == "funnel":
        weights["reranker"] = run.tensors("reranker")
        run = load_run(run.config["retriever"].removeprefix(PREFIX))
    if "towers.safetensors" in run.contents().get("model", []):
        weights["towers"] = run.tensors("towers")
    return run.space(), run, weights


def _versions() -> dict[str, str]:
    import faiss
    import numpy as np

    from lab import __version__

    return {"lab": __version__, "faiss": faiss.__version__, "numpy": np.__version__}


def _host() -> dict[str, Any]:
    from lab.runs.provenance import host

    return host()
