"""A year of the world, lived through by the unattended system, and what was seen of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd

from asset_predict_dagster.lake import Lake
from asset_predict_dagster.registry.store import Registry
from asset_predict_dagster.settings import Settings, load_settings
from asset_predict_dagster.tables import (
    CHAMPIONS,
    EVALUATION,
    FORECASTS_OUT_OF_SAMPLE,
    MODEL_HEALTH,
    OUTCOMES,
    PREDICTIONS,
)
from asset_predict_dagster_tests.proofs.year_driver import Daemon, Run, SimulatedClock
from asset_predict_dagster_tests.proofs.year_rules import EXPIRES_AFTER, MODELS, Seen, who_serves
from asset_predict_dagster_tests.proofs.year_world import SAO_PAULO, World, Year, midnight

TINY = {
    "random_forest": {"n_estimators": 30, "max_depth": 6},
    "lstm": {"n_seeds": 1, "epochs": 8, "units": 16, "lookback": 8, "learning_rate": 0.005},
}

SENSOR_HOURS = (3, 9, 15, 21, 22)
"""At a quarter past each of them sensors are asked, never at a tick of the schedule. A file counts
for them once it was the same at two looks: those of the evening are noticed before the night."""

FAILING = 2
"""Trainings that fail before what they fail of is mended."""

HOLDOUT = {"window": ["holdout"], "horizon": [1]}


@dataclass
class Lived:
    """What was seen.

    Attributes
    ----------
    looks
        One per look of the sensors, with what they could see.
    by_rule, by_table
        Model → since when which version has served, by the rule and by the table of champions.
    trained_at
        Model and version → when it was trained, of those that have served.
    rewritten
        Month → rows of the ledger that are no longer what they were a month before.
    """

    year: Year
    settings: Settings
    daemon: Daemon
    looks: list[Seen] = field(default_factory=list)
    by_rule: dict[str, list[tuple[datetime, str]]] = field(
        default_factory=lambda: {model: [] for model in MODELS}
    )
    by_table: dict[str, list[tuple[datetime, str]]] = field(
        default_factory=lambda: {model: [] for model in MODELS}
    )
    trained_at: dict[tuple[str, str], datetime] = field(default_factory=dict)
    rewritten: dict[str, int] = field(default_factory=dict)
    diary: list[str] = field(default_factory=list)
    _rows: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def lake(self) -> Lake:
        return Lake(self.settings.lake_root)

    @property
    def retrains(self) -> list[Run]:
        """Trainings that the sensor asked for."""
        return [run for run in self.daemon.runs if run.asked_by == "retrain_stale_models"]

    def compare_the_ledger(self, month: str) -> list[int]:
        """Count what was rewritten since the last time, and how many rows there are by now."""
        self.rewritten[month], counts = 0, []
        for table in (PREDICTIONS, OUTCOMES):
            rows = pd.util.hash_pandas_object(self.lake.read(table), index=False).to_numpy()
            before = self._rows.get(table.name, rows[:0])
            self.rewritten[month] += int((~np.isin(before, rows)).sum())
            self._rows[table.name] = rows
            counts.append(len(rows))
        return counts


def live_through(year: Year, folder: Path, tell: Callable[[str], None]) -> Lived:
    """The year from the evening before its first session to the day after its last."""
    begin = midnight(year.first) - timedelta(hours=4)
    world, clock = World(year, folder / "landing"), SimulatedClock(file=str(folder / "clock"))
    clock.set(begin)
    world.publish_the_past()
    home = folder / "dagster_home"
    home.mkdir()
    settings = load_settings(data=folder / "data", source="cotahist", cotahist_folder=world.folder)
    instance = dg.DagsterInstance.local_temp(str(home), overrides={"telemetry": {"enabled": False}})
    lived = Lived(year, settings, Daemon(settings, instance, clock, TINY))

    def note(at: datetime, sentence: str) -> None:
        lived.diary.append(f"{at.astimezone(SAO_PAULO):%Y-%m-%d %H:%M}  {sentence}")
        tell(lived.diary[-1])

    first = lived.daemon.run_by_hand("complete_pipeline", begin)
    assert first.is_success, first.failure
    _observe(lived, first, note)
    trainings = Sabotage(settings.registry_database.parent / "mlflow_artifacts")
    coming = world.arrivals()
    for moment, at_sensors in _moments(lived.daemon, year, begin):
        while coming and coming[0][0] <= moment:
            arrived, what, session = coming.pop(0)
            world.deliver(what, session, arrived)
            if what != "file":
                note(arrived, f"the {what} of {session} lands")
        if moment >= midnight(year.session(year.trainings_fail_from)):
            trainings.fail(until_failed=FAILING, failed=[r for r in lived.retrains if r.failure])
        if at_sensors:
            lived.looks.append(_seen(lived, moment))
        before = len(lived.daemon.runs)
        ran = lived.daemon.look(moment, at_sensors=at_sensors)
        for run in lived.daemon.runs[before:]:
            if run.job.name != "daily_prediction":
                note(moment, f"{run.asked_by} asks for {run.job.name}: {_why(run)}")
        for run in ran:
            _observe(lived, run, note)
        _keep_the_month(lived, moment, note)
    lived.compare_the_ledger("the end")
    return lived


class Sabotage:
    """The folder that trainings write for people to, replaced by a file while they are to fail."""

    def __init__(self, folder: Path):
        self._folder, self._aside = folder, folder.with_name("aside")
        self._is_over = False

    def fail(self, until_failed: int, failed: list[Run]) -> None:
        if self._is_over:
            return
        if not self._aside.exists():
            self._folder.rename(self._aside)
            self._folder.write_text("")
        elif len(failed) >= until_failed:
            self._folder.unlink()
            self._aside.rename(self._folder)
            self._is_over = True


def _moments(daemon: Daemon, year: Year, begin: datetime) -> Iterator[tuple[datetime, bool]]:
    """Each moment at which somebody looks, and whether sensors do; none while all is down."""
    end = midnight(year.sessions[-1]) + timedelta(days=2)
    first_down, last_down = (year.session(number) for number in year.downtime)
    down = midnight(first_down), midnight(last_down) + timedelta(days=2)
    days = [begin.date() + timedelta(days=place) for place in range((end - begin).days + 2)]
    of_sensors = {
        midnight(day) + timedelta(hours=hour, minutes=15) for day in days for hour in SENSOR_HOURS
    }
    for moment in sorted(of_sensors | set(daemon.ticks(begin, end))):
        if begin < moment < end and not down[0] <= moment < down[1]:
            yield moment, moment in of_sensors


def _seen(lived: Lived, at: datetime) -> Seen:
    lake, waiting = lived.lake, lived.daemon.waiting
    champions, health = lake.read(CHAMPIONS), lake.read(MODEL_HEALTH)
    return Seen(
        at.astimezone(UTC),
        any(run.job.name == "retrain" for run in waiting),
        {row.model: (row.model_version, row.trained_at) for row in champions.itertuples()},
        {
            row.model: (row.model_version, frozenset(row.causes.split(",")))
            for row in health.itertuples()
        },
    )


def _observe(lived: Lived, run: Run, note: Callable[[datetime, str], None]) -> None:
    """What a run has changed: who serves, and whether that is what the rule says."""
    assert run.ran_at is not None
    if not run.is_success:
        note(run.ran_at, f"{run.job.name} failed: {run.failure}")
    if run.job.name == "daily_prediction" or not run.is_success:
        return
    lake, registry = lived.lake, Registry(lived.settings.registry_database)
    champions = lake.read(CHAMPIONS).set_index("model")
    evaluation = lake.read(EVALUATION, where=HOLDOUT)
    forecasts = lake.read(FORECASTS_OUT_OF_SAMPLE, where=HOLDOUT)
    for model in MODELS:
        known = lived.by_rule[model]
        incumbent = known[-1][1] if known else None
        candidate = registry.challenger(model).version
        has_expired = incumbent is not None and (
            run.ran_at - lived.trained_at[model, incumbent] > EXPIRES_AFTER
        )
        serves = who_serves(
            model,
            candidate,
            incumbent,
            evaluation,
            forecasts,
            lived.settings.seed,
            failed_checks=run.failed_checks,
            has_expired=has_expired,
        )
        row = champions.loc[model]
        lived.trained_at[model, row["model_version"]] = row["trained_at"]
        if serves != incumbent:
            known.append((run.ran_at, serves))
        if row["model_version"] != incumbent:
            lived.by_table[model].append((run.ran_at, row["model_version"]))
        if candidate != incumbent:
            note(run.ran_at, f"{model} {candidate} {row['decision']}: {row['reason']}")


def _why(run: Run) -> str:
    return run.tags.get("asset_predict/causes", "")


def _keep_the_month(lived: Lived, at: datetime, note: Callable[[datetime, str], None]) -> None:
    """At the first moment of a month: is every row of the ledger still what it was a month ago."""
    month = f"{at.astimezone(SAO_PAULO):%Y-%m}"
    if month not in lived.rewritten:
        counts = lived.compare_the_ledger(month)
        note(at, f"the ledger has {counts[0]:,} predictions and {counts[1]:,} outcomes")
