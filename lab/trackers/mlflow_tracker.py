"""MLflow: a run of it for each run, below one for each study, at the server that `MLFLOW_TRACKING_URI` names."""

from __future__ import annotations

import json
import logging
import os
import re
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lab.errors import UserError
from lab.trackers.tracker import Facts, Status

EXPERIMENT = "lab"
"""The MLflow experiment that runs are put into, where `MLFLOW_EXPERIMENT_NAME` names no other."""

SETTINGS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""For a server that is down and a terminal that stays quiet; what the environment says instead, stands."""

LONGEST_NAME = 250  # characters of the name of a metric or parameter
LONGEST_VALUE = 500  # characters of a parameter that every version of the server takes
MOST_PARAMS, MOST_METRICS = 100, 1000  # in one request
ENDED = {"finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}


class MlflowTracker:
    """Follows one run or study. Raises `UserError` where the library is missing."""

    def __init__(self) -> None:
        if find_spec("mlflow") is None:
            raise UserError("tracker: mlflow needs the library mlflow: pip install 'embeddings-lab[mlflow]'")
        if not _is_server(os.environ.get("MLFLOW_TRACKING_URI", "")) and find_spec("sqlalchemy") is None:
            raise UserError(
                "tracker: mlflow: set MLFLOW_TRACKING_URI to the address of a server (http://…), or pip install "
                "mlflow, whose light client mlflow-skinny keeps no store of its own"
            )
        self.run_id = ""
        self._step = self._told_step = -1
        self._folder = Path()

    def begin(self, facts: Facts, params: Mapping[str, Any]) -> None:
        """Make a run in MLflow, nested in its study's; or go on with the one that is there."""
        self._client = _client()
        self._folder = facts.path
        self.experiment_id = getattr(facts.parent, "experiment_id", None) or self._experiment()
        older = self._older(facts)
        if facts.goes_on and older:
            self.run_id = older[0].info.run_id
            self._client.update_run(self.run_id, status="RUNNING")
            self._told_step = self._last_step(older[0]) if facts.kind == "run" else -1
            return
        for run in older:  # the run starts over; one that was killed would pass for running for ever
            if run.info.status == "RUNNING":
                self._client.set_terminated(run.info.run_id, "KILLED")
        tags = {f"lab.{name}": value for name, value in {"kind": facts.kind, "id": facts.id, **facts.tags}.items()}
        if isinstance(facts.parent, MlflowTracker):
            tags["mlflow.parentRunId"] = facts.parent.run_id
        made = self._client.create_run(self.experiment_id, tags=tags, run_name=facts.name)
        self.run_id = made.info.run_id
        self._log_params(params)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Log the numbers of one step; steps that MLflow has already are passed over."""
        self._step = step
        if step > self._told_step:
            self._log_metrics(values)

    def results(self, values: Mapping[str, float]) -> None:
        """Log results, at the last step."""
        self._log_metrics(values)

    def artifact(self, path: Path) -> None:
        """Upload a file, to the place that it has in the folder of its run."""
        inside = path.relative_to(self._folder).parent.as_posix()
        self._client.log_artifact(self.run_id, str(path), None if inside == "." else inside)

    def end(self, status: Status) -> None:
        """Set the status: FINISHED, FAILED, or KILLED where it was interrupted."""
        self._client.set_terminated(self.run_id, ENDED[status])

    def _experiment(self) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
        found = self._client.get_experiment_by_name(name)
        return found.experiment_id if found else self._client.create_experiment(name)

    def _older(self, facts: Facts) -> list[Any]:
        """Runs in MLflow of this very run or study, the latest first."""
        which = f'tags.`lab.id` = "{facts.id}" and tags.`lab.kind` = "{facts.kind}"'  # neither holds a quote
        return list(self._client.search_runs([self.experiment_id], which, order_by=["attributes.start_time DESC"]))

    def _last_step(self, run: Any) -> int:
        """The last step that MLflow has."""
        histories = [self._client.get_metric_history(self.run_id, name) for name in run.data.metrics]
        return max((metric.step for history in histories for metric in history), default=-1)

    def _log_metrics(self, values: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now, step = int(1000 * time.time()), max(0, self._step)
        listed = [Metric(_key(name), value, now, step) for name, value in values.items()]
        for first in range(0, len(listed), MOST_METRICS):
            self._client.log_batch(self.run_id, metrics=listed[first : first + MOST_METRICS])

    def _log_params(self, params: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        listed = [Param(_key(name), _value(value)) for name, value in params.items()]
        for first in range(0, len(listed), MOST_PARAMS):
            self._client.log_batch(self.run_id, params=listed[first : first + MOST_PARAMS])


def _is_server(uri: str) -> bool:
    return uri.startswith(("http", "databricks"))


def _client() -> Any:
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    for name in ("urllib3.connectionpool", "alembic", "mlflow"):  # what they have to say comes as an error, once
        logging.getLogger(name).setLevel(logging.ERROR)
    from mlflow import MlflowClient

    return MlflowClient()


def _key(name: str) -> str:
    """A name as MLflow takes it: `recall@10` is `recall_at_10`."""
    return re.sub(r"[^\w\-. /]", "_", name.replace("@", "_at_"))[:LONGEST_NAME]


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"
