"""Live skill: does a model go on finding what it was seen to find out of sample.

Two figures of each session, at the horizon of the action, reckoned alike on the holdout and live:

    rank_ic          Spearman's correlation between expected and realised return (close t → t+1)
    log_loss_gain    mean over tickers of ln q[y] - ln prior[y]: log-loss below the class prior's,
                     which is the one beside the holdout

Each figure is watched by a CUSUM (`cusum.py`) against what a version promised (`promise.py`): the
one that served when the watch began, a year ago at most, or the first after it that had shown a
skill. A model that has shown none has none to lose, and is never said to be losing.

Routine training touches neither C nor the promise. A model retrained every two weeks would never be
found out: each new holdout has the sessions in it that are to be judged, so that what is promised
falls as fast as what comes.

An alarm stays until the model is trained again, that is, another version serves, whose own promise
counts from then on, with a C of 0; or until C is below half of its threshold.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cache

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.labels import actions
from asset_predict_dagster.dataset.samples import ACTION_HORIZON, ACTIONS
from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.evaluation.metrics import session_rank_ic
from asset_predict_dagster.predictions.cusum import PATH
from asset_predict_dagster.predictions.promise import Promise, promise

RECENT = 63
"""Sessions whose mean is told beside the promise."""

CALM = 0.5

_KEY = ["ticker", "session"]
_PROBABILITIES = [f"probability_{action}" for action in ACTIONS]


@dataclass(frozen=True)
class SkillWatch:
    """One figure of one model, as promised and as it came.

    Attributes
    ----------
    figure
        `rank_ic` or `log_loss_gain`.
    promise
        What counts for the serving version; None where nothing is watched.
    live, n_live
        Its mean over the last 63 live sessions that have one, and how many these are.
    path
        One row per live session: session, model_version, figure, cusum, is_alarm; cusum is NaN
        before anything was shown.
    since
        Session at which the alarm that stands began; None where none does.
    reason
        The finding in words.
    """

    figure: str
    promise: Promise | None
    live: float
    n_live: int
    path: pd.DataFrame
    since: date | None
    reason: str

    @property
    def is_losing(self) -> bool:
        return self.since is not None


def live_rows(
    predictions: pd.DataFrame, outcomes: pd.DataFrame, volatility: pd.DataFrame
) -> pd.DataFrame:
    """What was said of the next session beside what came true, one row per outcome.

    Columns: session, ticker, model_version, expected_return, realised_return, probability_*,
    realised_label. The label is what `labels` will say once a training makes it: waiting for that
    would show a loss to the version after the one that lost. It is missing where the volatility is
    (the ticker was renamed since, or its price stood still): the row has a return and no class.
    Left out is what was said late, of a longer horizon: it was said in time before.

    Parameters
    ----------
    predictions, outcomes
        Rows of the tables of those names, of one model.
    volatility
        The columns ticker, session and volatility_21d of `features`.
    """
    is_next = outcomes["horizon"] == ACTION_HORIZON
    met = outcomes.loc[is_next, [*_KEY, "model_version", "expected_return", "realised_return"]]
    said = predictions.loc[predictions["horizon"] == ACTION_HORIZON, [*_KEY, *_PROBABILITIES]]
    rows = met.merge(said, on=_KEY, validate="one_to_one")
    rows = rows.merge(volatility, on=_KEY, how="left", validate="one_to_one")
    width = rows.pop("volatility_21d").to_numpy(dtype=np.float64)
    rows["realised_label"] = actions(rows["realised_return"].to_numpy(dtype=np.float64), width)
    return rows.sort_values(["session", "ticker"], ignore_index=True)


def watch_skill(
    holdout_of: Callable[[str], pd.DataFrame],
    prior: pd.DataFrame,
    model_version: str,
    live: pd.DataFrame,
    seed: int,
) -> list[SkillWatch]:
    """Both figures of a model, watched over its last year of live sessions.

    Parameters
    ----------
    holdout_of
        Version → what it said out of sample, rows of `tables.FORECASTS_OUT_OF_SAMPLE` of one
        window at the horizon of the action; empty where they are gone. Sessions from its first
        live one on, which trainings add while it serves, are left out here. Of another version
        than the serving one the serving one's then stand for them.
    prior
        Rows of the baseline `prior` beside them.
    model_version
        Which serves.
    live
        From `live_rows`.
    seed
        Of the bootstrap and the simulation.

    Raises
    ------
    DatasetError
        If there are no rows of the serving version or of the prior.
    """
    shown = holdout_of(model_version)
    for name, rows in ((f"version {model_version}", shown), ("the prior", prior)):
        if rows.empty:
            raise DatasetError(
                f"forecasts_out_of_sample has no row of {name} at horizon {ACTION_HORIZON}, so"
                " nothing says what was promised; materialise forecasts_out_of_sample again"
            )
    odds = prior[_PROBABILITIES].iloc[0].to_numpy(np.float64)

    first_live = live.groupby("model_version")["session"].min()

    @cache
    def said_by(version: str) -> pd.DataFrame:
        rows = holdout_of(version)
        if rows.empty:
            rows, version = shown, model_version
        # A promise has nothing of what is to be judged by it, unless it has nothing else.
        is_before = rows["session"] < first_live.get(version, pd.Timestamp.max)
        return rows[is_before] if is_before.any() else rows

    def gain(rows: pd.DataFrame) -> pd.Series:
        return _gain(rows, odds)

    return [
        _watch("rank_ic", _rank_ic, said_by, live, model_version, seed),
        _watch("log_loss_gain", gain, said_by, live, model_version, seed),
    ]


def _rank_ic(rows: pd.DataFrame) -> pd.Series:
    """By session; missing where fewer than three tickers, or all of them, are alike."""
    return session_rank_ic(rows.assign(score=rows["expected_return"]), "realised_return")


def _gain(rows: pd.DataFrame, prior: np.ndarray) -> pd.Series:
    """By session; missing where no class is known."""
    truth = pd.Categorical(rows["realised_label"], categories=ACTIONS).codes
    said = np.clip(rows[_PROBABILITIES].to_numpy(dtype=np.float64), 1e-15, 1.0)
    gain = np.log(said[np.arange(len(rows)), truth]) - np.log(prior[truth])
    gains = pd.Series(np.where(truth >= 0, gain, np.nan), index=rows["session"].to_numpy())
    return gains.groupby(level=0).mean()


def _watch(
    figure: str,
    reckoned: Callable[[pd.DataFrame], pd.Series],
    said_by: Callable[[str], pd.DataFrame],
    live: pd.DataFrame,
    model_version: str,
    seed: int,
) -> SkillWatch:
    @cache
    def promise_of(version: str) -> Promise:
        rows = said_by(version)
        return promise(str(rows["model_version"].iloc[0]), reckoned(rows), seed)

    came = reckoned(live).sort_index()
    versions = live.groupby("session")["model_version"].first()
    path, made, height, since = _path(promise_of, came.iloc[-PATH:], versions, model_version)
    recent = came.dropna().to_numpy()[-RECENT:]
    mean = float(recent.mean()) if len(recent) else float("nan")
    told = f"live {mean:.4f} over {len(recent)} sessions" if len(recent) else "none live yet"
    reason = f"{figure}: {made.told}"
    if made.is_shown:
        delay = made.cusum.delay
        expected = f"in about {delay:.0f} sessions" if delay < PATH else "in a year or more"
        reason = (
            f"{figure}: {f'lost since {since}' if since else 'kept'}; {made.told}, {told};"
            f" CUSUM {height:.1f} of {made.cusum.threshold:.1f}"
            f" (a loss of all is noticed {expected})"
        )
    return SkillWatch(figure, made, mean, len(recent), path, since, reason)


def _path(
    promise_of: Callable[[str], Promise], came: pd.Series, versions: pd.Series, serving: str
) -> tuple[pd.DataFrame, Promise, float, date | None]:
    """The CUSUM session by session; then of the serving version the promise that counts, the CUSUM
    now, and since when what it says is in alarm."""
    rows, height, made, alarm_of, since = [], 0.0, None, None, None
    for session, figure in came.items():
        version = versions[session]
        if alarm_of not in (None, version):
            made, alarm_of = None, None
        if made is None and promise_of(version).is_shown:
            made, height = promise_of(version), 0.0
        if made is not None:
            height = made.cusum.step(height, float(figure))
            if alarm_of is None and height > made.cusum.threshold:
                alarm_of, since = version, pd.Timestamp(session).date()
            elif alarm_of is not None and height < CALM * made.cusum.threshold:
                alarm_of = None
        reached = height if made is not None else float("nan")
        rows.append((session, version, figure, reached, alarm_of is not None))
    columns = ["session", "model_version", "figure", "cusum", "is_alarm"]
    path = pd.DataFrame(rows, columns=columns)
    if made is None or alarm_of not in (None, serving):
        # Trained tonight: it has said nothing yet, and its own promise counts.
        return path, promise_of(serving), 0.0, None
    return path, made, height, since if alarm_of == serving else None
