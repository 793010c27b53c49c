"""Clean-up of models: versions that nobody will ask for again, and whatever nothing refers to.

A version stays if it is the champion or the challenger, if the caller says that it is trusted, if
it is one of the last few of its model, or if it was trained within a day. Of what goes, that which
points goes first: the version, then its MLflow run, the run's artefacts, the bundles. What is to go
is read from the registry each time, so the next clean-up takes what a killed one left.

Presets, studies and the runs of tunings are results of their own and stay.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from shutil import rmtree
from typing import Any

import pandas as pd

from asset_predict_dagster.registry.live_run import no_run_begins
from asset_predict_dagster.registry.mlflow_database import (
    TRAININGS,
    TUNINGS,
    artifacts_folder,
    forget_run,
    open_client,
    runs_of,
)
from asset_predict_dagster.registry.store import Registry
from asset_predict_dagster.registry.versions import ModelVersion

YOUNG = timedelta(days=1)
"""What is younger may belong to a training or a promotion under way."""

_ANY = re.compile(".*")
_RUN_ID = re.compile("[0-9a-f]{32}")
_DIGEST_OR_LEFTOVER = re.compile(r"[0-9a-f]{64}|\.writing-.*")


@dataclass(frozen=True)
class KeptModels:
    """What a clean-up leaves alone.

    Attributes
    ----------
    trusted
        Model → versions that serve, have served or may be gone back to.
    last
        How many of the other versions of each model, those trained last.
    keep_for
        For how long runs of trainings that came to nothing stay, and checkpoints.
    """

    trusted: Mapping[str, Set[str]]
    last: int
    keep_for: timedelta


def unneeded_versions(registry: Registry, kept: KeptModels, now: datetime) -> list[ModelVersion]:
    """The versions that a clean-up at `now` drops, each model's latest first."""
    unneeded = []
    for model in registry.models():
        named = set(kept.trusted.get(model, ())) | registry.aliased(model)
        others = [v for v in registry.versions(model) if v.version not in named]
        others.sort(key=lambda v: (v.trained_at, int(v.version)), reverse=True)
        unneeded += [v for v in others[kept.last :] if now - v.trained_at > YOUNG]
    return unneeded


def clean_up_models(
    registry: Registry,
    bundles: Path,
    checkpoints: Path,
    kept: KeptModels,
    now: datetime,
    *,
    dry_run: bool = False,
) -> pd.DataFrame | None:
    """Drop unneeded versions, and all that nothing refers to any more.

    No training begins meanwhile. While one is under way nothing is dropped: it may be about to
    register a bundle, or to come out the same as an old version.

    Parameters
    ----------
    bundles, checkpoints
        Their folders.
    dry_run
        Say what would go and change nothing.

    Returns
    -------
    One row per thing: `what` (`version`, `run`, `artefacts`, `bundle`, `checkpoint`), its `name`
    (`lstm 3`, an MLflow run id, a digest, a file) and `n_bytes`, 0 for what lies in the database.
    None if a training is under way.

    Raises
    ------
    RegistryError
        If the registry cannot be written.
    """
    with no_run_begins(registry.database) as nobody_trains:
        if not nobody_trains:
            return None
        client = open_client(registry.database)
        dropped = unneeded_versions(registry, kept, now)
        versions = [version for model in registry.models() for version in registry.versions(model)]
        stay = [version for version in versions if version not in dropped]
        trainings, tunings = (list(runs_of(client, name)) for name in (TRAININGS, TUNINGS))
        sweep = _Sweep(dry_run)
        for version in dropped:
            name = f"{version.model} {version.version}"
            sweep.take("version", name, partial(registry.drop, version))
        gone = _unneeded_runs(trainings, stay, now - kept.keep_for)
        for run_id in gone:
            sweep.take("run", run_id, partial(forget_run, registry.database, run_id))
        named = {run.info.run_id for run in (*trainings, *tunings)} - gone
        for folder in _named(artifacts_folder(registry.database), _RUN_ID):
            if folder.name not in named:
                # Files of bundles have another name: what they take goes with the bundle.
                sweep.take_path("artefacts", folder, most_names=1)
        pointed_at = {digest for v in stay for digest in (v.bundle, v.evaluation_bundle)}
        for folder in _named(bundles, _DIGEST_OR_LEFTOVER):
            if folder.name not in pointed_at and _age(folder, now) > YOUNG:
                sweep.take_path("bundle", folder)
        for path in _named(checkpoints):
            if _age(path, now) > kept.keep_for:
                sweep.take_path("checkpoint", path)
        return pd.DataFrame(sweep.rows, columns=["what", "name", "n_bytes"])


class _Sweep:
    """Takes things away one by one, or only says so, and lists them."""

    def __init__(self, dry_run: bool):
        self.rows: list[dict[str, Any]] = []
        self._dry_run = dry_run

    def take(self, what: str, name: str, drop: Callable[[], None], n_bytes: int = 0) -> None:
        self.rows.append({"what": what, "name": name, "n_bytes": n_bytes})
        if not self._dry_run:
            drop()

    def take_path(self, what: str, path: Path, most_names: int = 2) -> None:
        """A file or folder; counted are files with at most so many names."""
        files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
        found = [file.stat() for file in files]
        n_bytes = sum(stat.st_size for stat in found if stat.st_nlink <= most_names)
        self.take(
            what, path.name, path.unlink if path.is_file() else partial(rmtree, path), n_bytes
        )


def _unneeded_runs(runs: Iterable[Any], stay: Iterable[ModelVersion], since: datetime) -> set[str]:
    """Ids of trainings that have ended: of versions that do not stay, or long ago of none."""
    versions = {(version.model, version.version) for version in stay}
    unneeded = set()
    for run in runs:
        told = run.data.tags
        if run.info.end_time is None:
            continue
        version = told.get("model_version")
        is_old = datetime.fromtimestamp(run.info.end_time / 1000, UTC) < since
        if is_old if version is None else (told.get("model"), version) not in versions:
            unneeded.add(run.info.run_id)
    return unneeded


def _named(folder: Path, pattern: re.Pattern[str] = _ANY) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if pattern.fullmatch(path.name))


def _age(path: Path, now: datetime) -> timedelta:
    return now - datetime.fromtimestamp(path.stat().st_mtime, UTC)
