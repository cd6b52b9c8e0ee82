"""The parts of a config that every experiment shares."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from lab.trackers.installed import known


def presentation(default: Any = ..., **kwargs: Any) -> Any:
    """A field that cannot change the numbers (names, report settings): it is left out of a run's identity."""
    return Field(default, json_schema_extra={"identity": False}, **kwargs)


class Section(BaseModel):
    """A mapping in a config: unknown keys are errors, values never change after validation."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, protected_namespaces=(), allow_inf_nan=False
    )

    def changed(self) -> set[str]:
        """The keys whose values are not their defaults: what a config really asks for, also where it spells out all."""
        fields = type(self).model_fields.items()
        return {name for name, field in fields if getattr(self, name) != field.get_default(call_default_factory=True)}


def _folder_name(name: str) -> str:
    if not name.strip() or name.startswith(".") or len(name) > 100 or any(c in '/\\:<>|"?*' for c in name):
        raise ValueError(
            'expected the name of a folder: at most 100 characters, none of / \\ : < > | " ? *, no leading dot'
        )
    return name


StudyName = Annotated[str, AfterValidator(_folder_name)]
TrackerNames = Annotated[str | list[str] | None, AfterValidator(known)]
_TRACKER = "who else is told of the runs: mlflow, tensorboard, none, or a list; by default what LAB_TRACKER says"


class MapConfig(Section):
    """How maps in the report are drawn (UMAP; McInnes, Healy and Melville 2018)."""

    items: Annotated[int, Field(ge=10)] = Field(
        2000, description="items on the map: for words the most frequent, otherwise the first"
    )
    labels: Annotated[int, Field(ge=0)] = Field(60, description="items that carry a text label in the PNG")
    neighbors: Annotated[int, Field(ge=2)] = Field(15, description="UMAP's n_neighbors")
    min_dist: Annotated[float, Field(ge=0, le=1)] = Field(0.1, description="UMAP's min_dist")
    metric: Literal["cosine", "euclidean"] = Field("cosine", description="distance in the original space")
    method: Literal["umap", "pca"] = Field("umap", description="projection to two dimensions")
    color: str = Field("cluster", description="`cluster` (k-means of the vectors) or a metadata column")
    seed: Annotated[int, Field(ge=0)] = Field(0, description="UMAP's random state")


class ReportConfig(Section):
    """What the HTML report shows; nothing here changes a number."""

    title: str | None = Field(None, description="heading of the report")
    question: str | None = Field(None, description="the question it answers, in a reader's words")
    words: list[str] = Field(default_factory=list, description="items whose nearest neighbours are listed per run")
    analogies: list[str] = Field(default_factory=list, description='e.g. "king - man + woman", shown per run')
    map: MapConfig = Field(default_factory=MapConfig)


class ExperimentConfig(Section):
    """Keys every experiment has. A recipe's config class derives from this and narrows `experiment`."""

    experiment: str = Field(description="which recipe runs; `lab list experiments` names them")
    name: StudyName | None = presentation(None, description="name of the study; by default the file's")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(
        0, description="feeds initialisation, order, dropout and negatives; never the split"
    )
    tracker: TrackerNames = presentation(None, description=_TRACKER)
    report: ReportConfig = presentation(default_factory=ReportConfig)


class StudyConfig(Section):
    """What a study file says beside its entries."""

    name: StudyName | None = presentation(None, description="name of the study; by default the file's")
    tracker: TrackerNames = presentation(None, description=_TRACKER)
    report: ReportConfig = presentation(default_factory=ReportConfig)
