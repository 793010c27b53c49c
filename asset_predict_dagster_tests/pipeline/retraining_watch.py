"""The sensor `retrain_stale_models` as the daemon asks it, at a time that a test has set."""

from dataclasses import dataclass, field
from datetime import datetime

import dagster as dg

from asset_predict_dagster.definitions import build_definitions
from asset_predict_dagster.pipeline.resources import Clock, LakeTables, Models
from asset_predict_dagster.pipeline.sensors import retrain_stale_models
from asset_predict_dagster_tests.pipeline.conftest import Workplace


class MovedClock(Clock):
    """A clock that a test has set."""

    at: str

    def now(self) -> datetime:
        return datetime.fromisoformat(self.at)


@dataclass
class Watch:
    """The sensor looking at one workplace at a given time."""

    place: Workplace
    definitions: dg.Definitions = field(default_factory=dg.Definitions)

    def __post_init__(self):
        if self.definitions.jobs is None:
            self.definitions = build_definitions(self.place.settings)

    def at(self, now: datetime) -> dg.RunRequest | dg.SkipReason:
        """As the daemon asks."""
        settings = self.place.settings
        with dg.build_sensor_context(
            instance=self.place.instance,
            definitions=self.definitions,
            resources={
                "lake": LakeTables(root=settings.lake_root),
                "clock": MovedClock(at=now.isoformat()),
                "models": Models(
                    database="",
                    bundles="",
                    presets="",
                    checkpoints="",
                    seed=0,
                    stale_after_days=15,
                    expires_after_days=60,
                ),
            },
        ) as context:
            tick = retrain_stale_models.evaluate_tick(context)
        if tick.run_requests:
            (request,) = tick.run_requests
            return request
        return dg.SkipReason(tick.skip_message)
