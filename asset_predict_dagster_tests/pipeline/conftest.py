"""One small simulated market, run through the whole pipeline once for all tests of this folder."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from asset_predict_dagster.definitions import build_definitions
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.pipeline.tables import ASSET_TABLES
from asset_predict_dagster.settings import Settings, load_settings
from asset_predict_dagster.table_content import content_digest

AS_OF = date(2020, 12, 30)

STRONG = 0.3
"""Planted rank IC that three simulated years suffice to find."""


@dataclass(frozen=True)
class Workplace:
    """One data folder with its Dagster instance: what a person has after installing."""

    settings: Settings
    instance: dg.DagsterInstance

    @property
    def lake(self) -> Lake:
        return Lake(self.settings.lake_root)

    def run(self, job: str, **changes: object) -> dg.ExecuteInProcessResult:
        """Run a job by name, some settings changed; the result may be a failure."""
        settings = load_settings(**{**self.settings.model_dump(), **changes})
        definitions = build_definitions(settings)
        return definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance, raise_on_error=False
        )

    def contents(self, *, without_volatile: bool = True) -> dict[str, str]:
        """Name of each table that was made → digest of what it says, without clock and version."""
        return {
            name: content_digest(
                table, self.lake.read(table), without=table.volatile if without_volatile else ()
            )
            for name, table in ASSET_TABLES.items()
            if self.lake.exists(table)
        }

    def versions(self) -> dict[str, int | None]:
        """Table name → Delta version: a table that nobody touched keeps its own."""
        return {name: self.lake.version(table) for name, table in ASSET_TABLES.items()}


def new_workplace(folder: Path, **settings: object) -> Workplace:
    home = folder / "dagster_home"
    home.mkdir(parents=True)
    return Workplace(
        load_settings(
            **{"data": folder / "data", "as_of": AS_OF, "signal_strength": STRONG, **settings}
        ),
        dg.DagsterInstance.local_temp(str(home), overrides={"telemetry": {"enabled": False}}),
    )


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Workplace:
    """A workplace in which `complete_pipeline` has run once. Tests must not change it."""
    place = new_workplace(tmp_path_factory.mktemp("finished"))
    result = place.run("complete_pipeline")
    assert result.success, [e.step_failure_data.error for e in result.get_step_failure_events()]
    return place
