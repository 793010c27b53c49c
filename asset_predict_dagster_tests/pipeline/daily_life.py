"""A workplace seen by its schedule and sensors at a time that the test has set."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pandas as pd

from asset_predict_dagster.definitions import build_definitions
from asset_predict_dagster.pipeline.resources import Clock, LakeTables, market_source
from asset_predict_dagster.tables import CHAMPIONS, DAY, PREDICTIONS, QUOTES, TEXT
from asset_predict_dagster_tests.pipeline.conftest import Workplace, new_workplace

SAO_PAULO = ZoneInfo("America/Sao_Paulo")
FINISHED, FAILED = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE
STARTED = dg.DagsterRunStatus.STARTED

Answer = dg.RunRequest | dg.SkipReason


class SetClock(Clock):
    """A clock that a test has set."""

    at: str

    def now(self) -> datetime:
        return datetime.fromisoformat(self.at)


def at(moment: str) -> datetime:
    """São Paulo's wall clock, `2024-02-09 03:00`."""
    return datetime.fromisoformat(moment).replace(tzinfo=SAO_PAULO)


@dataclass
class Life:
    """One workplace; the schedule and the sensors are those of its code location."""

    place: Workplace

    def tick(self, moment: str | datetime, late: str | None = None) -> Answer:
        """What the schedule says at its tick; `late`: Dagster comes to it only then."""
        tick = at(moment) if isinstance(moment, str) else moment
        with dg.build_schedule_context(
            instance=self.place.instance,
            scheduled_execution_time=tick,
            resources=self._resources(tick if late is None else at(late)),
        ) as context:
            return self._location.get_schedule_def("daily_prediction_schedule")(context)

    def catch_up(self, moment: str | datetime) -> Answer:
        return self.look("catch_up_predictions", moment, None)[0]

    def look(
        self, sensor: str, moment: str | datetime, cursor: str | None
    ) -> tuple[Answer, str | None]:
        """What a sensor says, and the cursor it leaves."""
        with dg.build_sensor_context(
            instance=self.place.instance,
            cursor=cursor,
            resources=self._resources(at(moment) if isinstance(moment, str) else moment),
        ) as context:
            return self._location.get_sensor_def(sensor)(context), context.cursor

    def ran(self, request: Answer, became: dg.DagsterRunStatus) -> None:
        """What the daemon makes of a request, and what became of it."""
        assert isinstance(request, dg.RunRequest), request
        self.place.instance.add_run(
            dg.DagsterRun(job_name="daily_prediction", tags=dict(request.tags), status=became)
        )

    def predicted(self, session: str) -> None:
        """One row about the session in the ledger, as a run leaves thousands."""
        day = pd.Timestamp(session)
        texts = {"ticker": "ZZAA3", "model": "lstm", "model_version": "1", "action": "hold"}
        days = {"session": day, "target_session": day, "created_at": datetime.now(UTC)}
        said = {**texts, **days, "horizon": 1, "status": "unproven", "reason": ""}
        frame = pd.DataFrame([dict.fromkeys(PREDICTIONS.column_names, 0) | said])
        self.place.lake.insert_new(PREDICTIONS, frame)

    def quoted(self, session: str) -> None:
        """One quote of the session, the newest there is."""
        values = {DAY: pd.Timestamp(session), TEXT: "ZZAA3"}
        row = {column.name: values.get(column.type, 0) for column in QUOTES.columns}
        self.place.lake.write(QUOTES, pd.DataFrame([row]))

    @cached_property
    def _location(self) -> dg.RepositoryDefinition:
        return build_definitions(self.place.settings).get_repository_def()

    def _resources(self, now: datetime) -> dict[str, object]:
        settings = self.place.settings
        return {
            "lake": LakeTables(root=settings.lake_root),
            "market": market_source(settings),
            "clock": SetClock(at=now.isoformat(), as_of=str(settings.as_of or "")),
        }


def life_with_champions(folder: Path, **settings: object) -> Life:
    """A workplace in which models serve; its tables are there and empty."""
    place = new_workplace(folder, **{"as_of": None, **settings})
    for table in (QUOTES, CHAMPIONS):
        place.lake.write(table, table.schema.empty_table().to_pandas(date_as_object=False))
    return Life(place)


def reason(answer: Answer) -> str:
    """Why nothing is asked for."""
    assert isinstance(answer, dg.SkipReason), answer
    return answer.skip_message or ""


def session_of(answer: Answer) -> date | None:
    """The session that a run is asked for; None if none is."""
    if isinstance(answer, dg.SkipReason):
        return None
    return date.fromisoformat(answer.tags["asset_predict/session"])
