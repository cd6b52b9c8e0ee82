"""`Run`: reads a run directory, each file when it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import LabError, UserError, nearest
from lab.runs.artifacts import file_name
from lab.runs.files import check_format, is_temporary, read_json, read_parquet
from lab.runs.journal import read_records
from lab.runs.locks import is_locked

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from lab.embeddings.space import EmbeddingSpace
    from lab.experiment import Encoder, Predictor


@dataclass(frozen=True)
class Figure:
    """A figure of a run: its PNG and the words and numbers that belong to it."""

    name: str
    path: Path
    title: str
    caption: str
    alt: str | None
    data: dict[str, Any]

    def _repr_png_(self) -> bytes:
        return self.path.read_bytes()


class Run:
    """One experiment with one config and one seed, as its directory tells it.

    `info` is run.json as it was when this was made; make another `Run` to look again. Raises `UserError` for a folder
    that is no run directory, and for one that a newer `lab` wrote.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).absolute()
        if not (self.path / "run.json").is_file():
            raise UserError(f"{self.path} is not a run directory (there is no run.json in it)")
        self.info: dict[str, Any] = read_json(self.path / "run.json")

    # --- what it is

    @property
    def id(self) -> str:
        """Twelve hexadecimal digits."""
        return self.info["id"]

    @property
    def experiment(self) -> str:
        """The name of the recipe."""
        return self.info["experiment"]

    @property
    def seed(self) -> int:
        """What fed the run's random streams."""
        return self.info["seed"]

    @cached_property
    def replicate(self) -> dict[str, Any]:
        """What tells it from the other runs of its row: seed, and seed and fold of the split where it has them."""
        from lab.runs.replicates import replicate_of

        return {"seed": self.seed, **replicate_of(self.config)}

    @property
    def error(self) -> str | None:
        """Why it failed, in one line."""
        return self.info["error"]

    @property
    def warnings(self) -> list[str]:
        """What the run warned of."""
        return self.info.get("warnings", [])

    @cached_property
    def status(self) -> str:
        """`running`, `finished`, `interrupted` or `failed`; one that was killed is `interrupted`."""
        status = self.info["status"]
        return "interrupted" if status == "running" and not is_locked(self.path) else status

    @cached_property
    def config(self) -> dict[str, Any]:
        """The resolved config."""
        from lab.config import from_yaml

        text = (self.path / "config.yaml").read_text(encoding="utf-8")
        first = text.partition("\n")[0]
        if first.startswith("# format_version:"):
            check_format(first.rpartition(":")[2].strip(), self.path / "config.yaml")
        return from_yaml(text, str(self.path / "config.yaml"))

    # --- numbers

    @cached_property
    def results(self) -> pd.DataFrame:
        """One row per number: evaluation, metric, split, value, n, higher_is_better, primary, and whatever else."""
        import pandas as pd

        path = self.path / "results.json"
        listed = read_json(path)["results"] if path.exists() else []
        frame = pd.DataFrame(listed, columns=None if listed else _RESULT_COLUMNS)
        return frame.astype({"value": "float64"})

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """One row per line of metrics.jsonl: step, the values (NaN where a line lacks one), time in seconds."""
        import pandas as pd

        records = read_records(self.path / "metrics.jsonl")
        frame = pd.DataFrame(records, columns=None if records else ["step", "time"])
        values = [name for name in frame.columns if name not in ("step", "time")]
        return frame[["step", *values, "time"]].astype(dict.fromkeys(values, "float64"))

    def scores(
        self, evaluation: str | None = None, metric: str | None = None, split: str | None = None
    ) -> pd.DataFrame:
        """One row per evaluated item: id, evaluation, metric, split, value, and what else was kept of it.

        Raises `UserError` where nothing was kept for the evaluation, metric or split that is named.
        """
        import pandas as pd

        wanted = {"evaluation": evaluation, "metric": metric, "split": split}
        frames, available = [], []
        files = self._files("scores", ".parquet")
        if evaluation and metric and split:  # one file, which goes by their names
            name = ".".join(map(file_name, (evaluation, metric, split)))
            files = [path for path in files if path.name == f"{name}.parquet"] or files
        for path in files:
            frame = read_parquet(path).to_pandas()
            about = {column: str(frame[column].iloc[0]) for column in wanted}
            available.append(" ".join(about.values()))
            if all(value is None or about[column] == value for column, value in wanted.items()):
                frames.append(frame)
        if frames:
            return pd.concat(frames, ignore_index=True)
        if any(wanted.values()):
            asked = " ".join(value for value in wanted.values() if value)
            raise self._missing("scores of", asked, available)
        return pd.DataFrame(columns=["id", "evaluation", "metric", "split", "value"]).astype({"value": "float64"})

    # --- spaces, models, figures

    @property
    def embedding_names(self) -> list[str]:
        """Names of its embedding spaces."""
        return [path.name.removesuffix(".parquet") for path in self._files("embeddings", ".parquet")]

    @property
    def default_embedding(self) -> str | None:
        """The embedding space that is meant where none is named."""
        names = self.embedding_names
        kept = self.info.get("default_embedding")
        return kept if kept in names else next(iter(names), None)

    def space(self, name: str | None = None) -> EmbeddingSpace:
        """An embedding space, by default the run's main one. Raises `UserError` where it has none of that name."""
        from lab.embeddings.space import EmbeddingSpace

        chosen = name or self.default_embedding
        if chosen not in self.embedding_names:
            raise self._missing("embedding space", name, self.embedding_names)
        return EmbeddingSpace.load(self.path / "embeddings" / f"{chosen}.parquet")

    def tensors(self, name: str) -> dict[str, np.ndarray]:
        """The arrays that the recipe kept under a name. Raises `UserError` where there are none."""
        from lab.runs.tensors import read_tensors

        return read_tensors(self.tensor_file(name))

    def tensor_file(self, name: str) -> Path:
        """The safetensors file behind `tensors(name)`. Raises `UserError` where there is none."""
        return self._kept(name, ".safetensors")

    def tensor_metadata(self, name: str) -> dict[str, Any]:
        """What the recipe kept beside `tensors(name)`."""
        from lab.runs.tensors import read_tensor_metadata

        return read_tensor_metadata(self.tensor_file(name))

    def json(self, name: str) -> Any:
        """The plain data that the recipe kept under a name. Raises `UserError` where there is none."""
        return read_json(self._kept(name, ".json"))["value"]

    @cached_property
    def figures(self) -> list[Figure]:
        """Its figures, by name."""
        found = []
        for path in self._files("figures", ".json"):
            about = read_json(path)
            words = {key: about[key] for key in ("name", "title", "caption", "alt", "data")}
            found.append(Figure(path=path.with_suffix(".png"), **words))
        return found

    @cached_property
    def splits(self) -> dict[str, list[str]]:
        """Ids of the items of each split."""
        contents = [read_json(path) for path in self._files("splits", ".json")]
        return {content["name"]: content["ids"] for content in contents}

    @property
    def log(self) -> str:
        """The text of log.txt."""
        path = self.path / "log.txt"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def encoder(self) -> Encoder:
        """What embeds new items as this run did. Raises `UserError` where its experiment has no such thing."""
        from lab.config.experiments import load_recipe

        recipe = load_recipe(self.experiment)
        if recipe.load_encoder is None:
            raise UserError(f"run {self.id}: {self.experiment} cannot embed new items")
        if self.status != "finished":
            raise UserError(f"run {self.id} is {self.status}; it can embed new items once it is finished")
        return recipe.load_encoder(self)

    def classifier(self) -> Predictor:
        """What classifies new items as this run did. Raises `UserError` where its experiment has no such thing."""
        from lab.config.experiments import load_recipe

        recipe = load_recipe(self.experiment)
        if recipe.load_classifier is None:
            raise UserError(f"run {self.id}: {self.experiment} is no classifier; a run of finetune or baseline is")
        if self.status != "finished":
            raise UserError(f"run {self.id} is {self.status}; it can classify new items once it is finished")
        return recipe.load_classifier(self)

    # --- whether it still stands

    def why_stale(self, *, check_data: bool = True) -> str | None:
        """Why the same config would not give this run today, in words; None where it would.

        `check_data`: also look whether the data have changed, for which they may have to be read.
        """
        from lab.config.experiments import load_recipe
        from lab.runs.identity import source_hash

        try:
            recipe = load_recipe(self.experiment)
        except LabError:
            return f"its experiment {self.experiment} is not installed"
        if recipe.version != self.info["recipe_version"]:
            return f"made by version {self.info['recipe_version']} of {self.experiment}, which is now {recipe.version}"
        if check_data and (why := self._why_data_stale(recipe)):
            return why
        return None if source_hash(recipe) == self.info["source_hash"] else "made by other source of lab or the recipe"

    def _why_data_stale(self, recipe: Any) -> str | None:
        try:
            facts = recipe.plan(recipe.config.model_validate(self.config))
        except (LabError, ValueError) as error:
            return f"its config or data cannot be read any more: {' '.join(str(error).split())}"
        return data_change(self.info["data"], facts)

    # --- how it shows itself

    def contents(self) -> dict[str, list[str]]:
        """Names of what it holds, by kind; kinds of which it holds nothing are left out."""
        model = [path.name for path in [*self._files("model", ".json"), *self._files("model", ".safetensors")]]
        names = {
            "embeddings": [f"{n} (default)" if n == self.default_embedding else n for n in self.embedding_names],
            "scores": [path.stem for path in self._files("scores", ".parquet")],
            "figures": [path.stem for path in self._files("figures", ".json")],
            "splits": [path.stem for path in self._files("splits", ".json")],
            "model": model,
        }
        return {kind: listed for kind, listed in names.items() if listed}

    def __repr__(self) -> str:
        lines = [f"Run {self.id}: {self.experiment}, seed {self.seed}, {self.status}"]
        lines += [f"  error: {self.error}"] if self.error else []
        lines += [f"  {kind}: {', '.join(names)}" for kind, names in self.contents().items()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head, *rest = repr(self).split("\n")
        listed = "".join(f"<li>{escape(line.strip())}</li>" for line in rest)
        table = self.results.to_html(index=False, max_rows=20, float_format="{:.4g}".format, na_rep="")
        return f"<p><b>{escape(head)}</b></p><ul>{listed}</ul>{table if len(self.results) else ''}"

    # --- inside

    def _files(self, folder: str, suffix: str) -> list[Path]:
        path = self.path / folder
        found = path.iterdir() if path.is_dir() else []
        return sorted(file for file in found if file.name.endswith(suffix) and not is_temporary(file))

    def _kept(self, name: str, suffix: str) -> Path:
        path = self.path / "model" / f"{file_name(name)}{suffix}"
        if not path.is_file():
            raise self._missing("model file", name, [file.stem for file in self._files("model", suffix)])
        return path

    def _missing(self, what: str, name: str | None, available: list[str]) -> UserError:
        unfinished = "" if self.status == "finished" else f" (it is {self.status})"
        if not available:
            return UserError(f"run {self.id} has no {what.removesuffix(' of')}{unfinished}")
        listed = ", ".join(nearest(name or "", available) or available[:10])
        return UserError(f"run {self.id} has no {what} {name!r}{unfinished}; it has: {listed}")


_RESULT_COLUMNS = ["evaluation", "metric", "split", "value", "n", "higher_is_better", "primary"]


def data_change(before: dict[str, Any], facts: Any) -> str | None:
    """How data differ from what run.json has of them: `612 → 662 documents since this run`; None where they do not."""
    if before["fingerprint"] == facts.fingerprint:
        given, now = before.get("inputs", {}), facts.inputs
        changed = [name for name in now if given.get(name, now[name]) != now[name]]
        return f"the {' and '.join(changed)} have changed" if changed else None
    old, new = before.get("counts", {}), facts.counts
    changes = [f"{old[name]:,} → {new[name]:,} {name}" for name in new if name in old and new[name] != old[name]]
    return f"the data have changed: {', '.join(changes) or 'other content, the same counts'}"
