"""Registered versions as a server asks for them: read from MLflow's database without MLflow.

Its import takes seconds and a hundred megabytes; what is asked here are a few rows. Nothing is
written, and a database that is not there is not made.
"""

import csv
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from asset_predict_dagster.errors import RegistryError
from asset_predict_dagster.registry.mlflow_database import artifacts_folder
from asset_predict_dagster.registry.versions import RUN

_VERSIONS = "SELECT name, version, run_id FROM model_versions"
_TAGS = "SELECT name, version, key, value FROM model_version_tags"
_TIMES = "SELECT run_uuid, start_time, end_time FROM runs"


@dataclass(frozen=True)
class Registered:
    """One version: its bundles by digest, and the MLflow run of its last training.

    `training_seconds` is missing while the training lasts, and of versions that recorded none.
    `scope` says in words what a scoped version learned else than the default; empty for others.
    """

    model: str
    version: str
    bundle: str
    evaluation_bundle: str
    trained_at: str
    training_end: str
    run_id: str
    training_seconds: float | None
    scope: str = ""


def registered_versions(database: Path) -> dict[tuple[str, str], Registered]:
    """(model, version) → what is registered of it; nothing before the first training.

    Raises
    ------
    RegistryError
        If the database cannot be read.
    """
    if not database.exists():
        return {}
    try:
        with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as asked:
            versions = asked.execute(_VERSIONS).fetchall()
            tags: dict[tuple[str, str], dict[str, str]] = {}
            for model, version, key, value in asked.execute(_TAGS):
                tags.setdefault((model, str(version)), {})[key] = value
            times = {run: (start, end) for run, start, end in asked.execute(_TIMES)}
    except sqlite3.Error as error:
        raise RegistryError(
            f"the registry {database} cannot be read ({error}); put back the file that MLflow made"
        ) from error
    found = {}
    for model, number, first_run in versions:
        said = tags.get((model, str(number)), {})
        if "bundle" not in said:
            continue  # a version that is being registered at this moment
        run = said.get(RUN, first_run)
        start, end = times.get(run, (None, None))
        found[model, str(number)] = Registered(
            model,
            str(number),
            said["bundle"],
            said["evaluation_bundle"],
            said["trained_at"],
            said["training_end"],
            run,
            (end - start) / 1000 if start and end else None,
            said.get("scoped", ""),
        )
    return found


def last_trained(database: Path, model: str) -> Registered | None:
    """The version of a model that was trained last, scoped ones too; None if none ever was.

    Raises
    ------
    RegistryError
        If the database cannot be read.
    """
    mine = [one for (name, _), one in registered_versions(database).items() if name == model]
    return max(mine, key=lambda one: (one.trained_at, int(one.version)), default=None)


def importance_of(database: Path, run_id: str) -> dict[str, float]:
    """Feature → by how much the log-loss on validation rises without it, the largest first.

    Empty if the training of that MLflow run did not measure it, or the run is not known.
    """
    if not run_id:
        return {}
    file = artifacts_folder(database) / run_id / "artifacts/tables/importance.csv"
    if not file.exists():
        return {}
    with file.open(newline="") as lines:
        rows = [(row["feature"], float(row["log_loss_increase"])) for row in csv.DictReader(lines)]
    return dict(sorted(rows, key=lambda row: -row[1]))
