"""A workplace: what a person has after installing, and the small simulated market in it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from asset_predict_dagster.definitions import build_definitions
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.pipeline import failures
from asset_predict_dagster.pipeline.tables import ASSET_TABLES
from asset_predict_dagster.settings import Settings, load_settings
from asset_predict_dagster.table_content import content_digest

AS_OF = date(2020, 12, 30)

STRONG = 0.3
"""Planted rank IC that three simulated years suffice to find, small models too."""

SMALL = {"random_forest": {"n_estimators": 30}, "lstm": {"n_seeds": 1, "epochs": 6}}
"""Models that are trained in seconds; `test_complete_pipeline.py` trains the usual ones, too."""


@dataclass(frozen=True)
class Workplace:
    """One data folder with its Dagster instance: what a person has after installing.

    `models` is what the run config says of each model; nothing of those it does not name.
    """

    settings: Settings
    instance: dg.DagsterInstance
    models: Mapping[str, dict[str, Any]] = field(default_factory=lambda: SMALL)
    _digests: dict[tuple[str, int, bool], str] = field(default_factory=dict)

    @property
    def lake(self) -> Lake:
        return Lake(self.settings.lake_root)

    def run(self, job: str, **changes: object) -> dg.ExecuteInProcessResult:
        """Run a job by name, some settings changed; the result may be a failure."""
        settings = load_settings(**{**self.settings.model_dump(), **changes})
        whole = build_definitions(settings).resolve_job_def(job)
        return self._execute(whole, {node.name for node in whole.nodes})

    def materialise(self, *assets: str) -> dg.ExecuteInProcessResult:
        """Make some assets from what is there; the result may be a failure."""
        job = build_definitions(self.settings).resolve_implicit_global_asset_job_def()
        return self._execute(job, assets, [dg.AssetKey(name) for name in assets])

    def _execute(
        self, job: dg.JobDefinition, steps: Iterable[str], chosen: list[dg.AssetKey] | None = None
    ) -> dg.ExecuteInProcessResult:
        config = config_of(**self.models)["ops"]
        return job.execute_in_process(
            instance=self.instance,
            raise_on_error=False,
            asset_selection=chosen,
            run_config={"ops": {name: config[name] for name in config.keys() & set(steps)}},
        )

    def contents(self, *, without_volatile: bool = True) -> dict[str, str]:
        """Name of each table that was made → digest of what it says, without clock and version."""
        lake, made = self.lake, {n: v for n, v in self.versions().items() if v is not None}
        for name, version in made.items():
            # A version of a Delta table never changes: what it says is reckoned once.
            if (name, version, without_volatile) in self._digests:
                continue
            table = ASSET_TABLES[name]
            self._digests[name, version, without_volatile] = content_digest(
                table,
                lake.read(table, version=version),
                without=table.volatile if without_volatile else (),
            )
        return {name: self._digests[name, made[name], without_volatile] for name in made}

    def versions(self) -> dict[str, int | None]:
        """Table name → Delta version: a table that nobody touched keeps its own."""
        return {name: self.lake.version(table) for name, table in ASSET_TABLES.items()}


def config_of(**models: dict[str, Any]) -> dict[str, Any]:
    """The run config that says so of each model."""
    return {"ops": {f"{model}_model": {"config": knobs} for model, knobs in models.items()}}


def new_workplace(
    folder: Path, models: Mapping[str, dict[str, Any]] = SMALL, **settings: object
) -> Workplace:
    home = folder / "dagster_home"
    home.mkdir(parents=True)
    return Workplace(
        load_settings(
            **{"data": folder / "data", "as_of": AS_OF, "signal_strength": STRONG, **settings}
        ),
        dg.DagsterInstance.local_temp(str(home), overrides={"telemetry": {"enabled": False}}),
        models,
    )


@pytest.fixture(scope="session", autouse=True)
def impatience() -> Iterator[None]:
    """What may pass is tried again as often as ever, and at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(failures, "PAUSES", (0, 0, 0))
        yield
