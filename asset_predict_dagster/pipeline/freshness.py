"""Freshness: from which age on Dagster's UI calls an asset late.

The policy of an asset is reckoned from its last materialisation and knows no calendar, so a window
is as long as the longest that may pass while all is well.
"""

from datetime import timedelta

import dagster as dg

from asset_predict_dagster.models.kinds import MODEL_NAMES
from asset_predict_dagster.settings import Settings
from asset_predict_dagster.tables import PREDICTIONS, QUOTES

LONGEST_CLOSURE = timedelta(days=5)
"""From one session of B3 to the next, at the most: Carnival, Easter, the turn of a year."""

LATEST_HOUR = 12
"""São Paulo time at which a daily run has ended that waited for a late file until B3 opened."""

_A_DAY = timedelta(days=1)


def freshness_policies(settings: Settings) -> dict[str, dg.FreshnessPolicy]:
    """Asset → its policy.

    `quotes` and `predictions` are made on the morning after every session: late is what is older
    than B3's longest closure, and the time by which a daily run may be late. A model is asked for
    when it is stale: a day later its training should have ended (a warning), three days after that
    its second and third try, too.
    """
    hours = LATEST_HOUR - settings.daily_task_hour
    daily = dg.FreshnessPolicy.time_window(LONGEST_CLOSURE + timedelta(hours=hours))
    trained_by = timedelta(days=settings.model_stale_after_days) + _A_DAY
    model = dg.FreshnessPolicy.time_window(trained_by + 3 * _A_DAY, warn_window=trained_by)
    return {QUOTES.name: daily, PREDICTIONS.name: daily} | {
        f"{name}_model": model for name in MODEL_NAMES
    }
