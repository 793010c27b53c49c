"""Live metrics: how what was said of the next session came out, month by month.

A row of the ledger at the horizon of the action is one of four:

    refused       it says nothing
    late          it is made from an older session, because the last one's file had not come
    caught up     made after its target session had opened: no live forecast. What became a
                  holiday since counts as opened at its midnight
    in time       all others. The figures are of these, of those whose outcome is known

A month is that of the target sessions, a session on which nothing was said in time has no figure,
and with f the expected and r the realised return (close t → t+1):

    rank_ic           mean over sessions of Spearman's correlation between f and r; a session of
                      fewer than three tickers, or in which all f or all r are alike, has none
    low, high         rank_ic ± t s / √n, within -1 and 1: Student's 95 % interval over its n
                      sessions; missing of fewer than five, which say next to nothing. Of a month
                      the bootstrap's is too narrow: of 21 independent sessions it holds the truth
                      91 % of the time, Student's 94 %
    hit_rate          share of sign(f) = sign(r) among rows with r ≠ 0 and f ≠ 0
    naive_hit_rate    the same of the commoner sign of r in these rows, always said. Which one that
                      is, nobody knew before
    mae, naive_mae    mean |r - f|; mean |r|, which is that of "nothing changes"
    coverage          share of outcomes within the 90 % interval

A figure that cannot be told (nothing in time, nothing met yet) is missing.
"""

from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.bootstrap import LEVEL
from asset_predict_dagster.dataset.samples import ACTION_HORIZON
from asset_predict_dagster.evaluation.metrics import session_rank_ic
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.market.sessions import TIME_ZONE, is_session, opens_at
from asset_predict_dagster.predictions.due import MOST_LATE
from asset_predict_dagster.predictions.refusals import is_refused
from asset_predict_dagster.tables import LIVE_METRICS, OUTCOMES, PREDICTIONS

FEWEST_SESSIONS = 5
"""Of an interval."""

_KEY = ["model", "ticker", "session"]
_SAID = [*_KEY, "target_session", "horizon", "sessions_late", "reason", "created_at"]
_CAME = [
    *(*_KEY, "expected_return", "realised_return", "absolute_error"),
    *("naive_absolute_error", "is_within_interval"),
]


def read_live_metrics(lake: Lake) -> pd.DataFrame:
    """`live_metrics` of what the lake holds; of thirty horizons only the action's is read.

    Raises
    ------
    MissingTableError
        If nothing has been predicted yet.
    """
    nearest = {"horizon": [ACTION_HORIZON]}
    in_time = lake.read(PREDICTIONS, _SAID, where={**nearest, "sessions_late": [0]})
    late = lake.read(PREDICTIONS, _SAID, where={"sessions_late": range(1, MOST_LATE + 1)})
    late = late[late["horizon"] == ACTION_HORIZON + late["sessions_late"]]
    said = pd.concat([in_time, late], ignore_index=True)
    return live_metrics(said, lake.read(OUTCOMES, _CAME, where=nearest))


def live_metrics(predictions: pd.DataFrame, outcomes: pd.DataFrame) -> pd.DataFrame:
    """Rows of `tables.LIVE_METRICS`: each model in each month in which it was asked.

    Parameters
    ----------
    predictions
        Rows of `tables.PREDICTIONS` at the horizon of the action, which is 1 + sessions_late.
    outcomes
        Rows of `tables.OUTCOMES` at horizon 1: of late ones no figure is made.
    """
    rows = predictions.assign(
        month=predictions["target_session"].dt.strftime("%Y-%m"),
        kind=_kinds(predictions),
    )
    met = rows[rows["kind"] == "in time"].merge(outcomes, on=_KEY, validate="one_to_one")
    met_by_month = dict(iter(met.groupby(["model", "month"])))
    table = []
    for (model, month), asked in rows.groupby(["model", "month"]):
        counts = asked["kind"].value_counts()
        n = {kind: int(counts.get(kind, 0)) for kind in _KINDS}
        n_said = sum(n.values()) - n["refused"]
        table.append(
            {
                "model": model,
                "month": month,
                "n_sessions": asked.loc[asked["kind"] == "in time", "target_session"].nunique(),
                "n_predictions": n["in time"],
                "n_refused": n["refused"],
                "n_late": n["late"],
                "n_caught_up": n["caught up"],
                "share_in_time": n["in time"] / n_said if n_said else np.nan,
                **_figures(met_by_month.get((model, month), met.iloc[:0])),
            }
        )
    return pd.DataFrame(table, columns=LIVE_METRICS.column_names)


_KINDS = ("refused", "late", "caught up", "in time")


def _kinds(predictions: pd.DataFrame) -> np.ndarray:
    """One of `_KINDS` for each row."""
    days = predictions["target_session"]
    opening = {day: _opening(day.date()) for day in days.unique()}
    opened = pd.to_datetime(days.map(opening), utc=True)
    holds = [
        is_refused(predictions["reason"]),
        predictions["sessions_late"] > 0,
        predictions["created_at"] >= opened,
    ]
    return np.select(holds, _KINDS[:-1], default=_KINDS[-1])


def _opening(day: date) -> datetime:
    if is_session(day):
        return opens_at(day)
    return datetime.combine(day, time(), ZoneInfo(TIME_ZONE))


def _figures(met: pd.DataFrame) -> dict[str, float]:
    """Of one model's rows in time with a known outcome."""
    expected, realised = met["expected_return"], met["realised_return"]
    by_session = session_rank_ic(met.assign(score=expected), "realised_return").dropna()
    low, high = _mean_interval(by_session.to_numpy())
    moves = (realised != 0) & (expected != 0)
    is_rise = realised[moves] > 0
    rises = is_rise.mean()
    return {
        "n_met": len(met),
        "rank_ic": by_session.mean(),
        "rank_ic_low": low,
        "rank_ic_high": high,
        "hit_rate": ((expected[moves] > 0) == is_rise).mean(),
        "naive_hit_rate": max(rises, 1 - rises),
        "mae": met["absolute_error"].mean(),
        "naive_mae": met["naive_absolute_error"].mean(),
        "coverage": met["is_within_interval"].astype(float).mean(),
    }


def _mean_interval(values: np.ndarray) -> tuple[float, float]:
    """Student's interval of the mean, within -1 and 1; missing of fewer than five values."""
    from scipy.special import stdtrit

    n = len(values)
    if n < FEWEST_SESSIONS:
        return np.nan, np.nan
    half = stdtrit(n - 1, (1 + LEVEL) / 2) * values.std(ddof=1) / np.sqrt(n)
    return max(values.mean() - half, -1.0), min(values.mean() + half, 1.0)
