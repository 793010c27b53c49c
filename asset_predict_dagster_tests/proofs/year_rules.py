"""The rules of an unattended life, read plainly from the issue and worked out a second time.

Nothing here is shared with the code that follows them: only what a person could see is looked at.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.bootstrap import block_weights, interval
from asset_predict_dagster.market.sessions import sessions_between

MODELS = ("random_forest", "lstm")
WORST_FIRST = ("missing", "losing_skill", "drifting", "stale")
STALE_AFTER = timedelta(days=15)
EXPIRES_AFTER = timedelta(days=60)
A_WEEK = 3
SESSIONS_OF_PATIENCE = 5


@dataclass(frozen=True)
class Seen:
    """What there was to see when the sensor looked.

    Attributes
    ----------
    at
        The moment, UTC as the sensors' days are.
    is_training
        Whether a training was queued.
    serving
        Model → version that serves and when it was trained.
    told
        Model → version that `model_health` spoke of last, and the causes it named.
    """

    at: datetime
    is_training: bool
    serving: Mapping[str, tuple[str, datetime]]
    told: Mapping[str, tuple[str, frozenset[str]]]


@dataclass(frozen=True)
class Retrain:
    """A training that was asked for: on which day, of which model, for what."""

    day: date
    model: str
    causes: tuple[str, ...]


def expected_retrains(looks: Sequence[Seen], has_failed: Sequence[bool]) -> list[Retrain]:
    """Every training that is due, and only those; `has_failed` says how each of them ended."""
    asked: list[Retrain] = []
    for look in looks:
        if look.is_training:
            continue
        today = look.at.date()
        due = []
        for model in MODELS:
            mine = [
                (one, has_failed[place]) for place, one in enumerate(asked) if one.model == model
            ]
            if must_rest(mine, today):
                continue
            causes = tuple(c for c in standing(look, model) if not is_waited_for(c, mine, today))
            if causes:
                last = mine[-1][0].day if mine else date.min
                due.append((WORST_FIRST.index(causes[0]), last, Retrain(today, model, causes)))
        if due:
            asked.append(min(due, key=lambda one: one[:2])[2])
    return asked


def standing(look: Seen, model: str) -> list[str]:
    """What is wrong with a model, the worst first."""
    if model not in look.serving:
        return ["missing"]
    version, trained_at = look.serving[model]
    of, told = look.told.get(model, ("", frozenset()))
    causes = set(told & {"losing_skill", "drifting"}) if of == version else set()
    if look.at - trained_at >= STALE_AFTER:
        causes.add("stale")
    return [cause for cause in WORST_FIRST if cause in causes]


def must_rest(mine: Sequence[tuple[Retrain, bool]], today: date) -> bool:
    """One a day, three in seven days, and after failures in a row 1, 2, 4, 8, 8, ... days."""
    days = [one.day for one, _ in mine]
    if today in days or sum(day > today - timedelta(days=7) for day in days) >= A_WEEK:
        return True
    n_failed = 0
    for _, failed in reversed(mine):
        if not failed:
            break
        n_failed += 1
    return n_failed > 0 and today < days[-1] + timedelta(days=min(2 ** (n_failed - 1), 8))


def is_waited_for(cause: str, mine: Sequence[tuple[Retrain, bool]], today: date) -> bool:
    """A training for that very cause ended well less than five sessions ago."""
    ended = [one.day for one, failed in mine if not failed and cause in one.causes]
    if not ended:
        return False
    since = sessions_between(ended[-1] + timedelta(days=1), today)
    return len(since) < SESSIONS_OF_PATIENCE


def who_serves(
    model: str,
    candidate: str,
    incumbent: str | None,
    evaluation: pd.DataFrame,
    forecasts: pd.DataFrame,
    seed: int,
    *,
    failed_checks: Sequence[str],
    has_expired: bool,
) -> str:
    """The version of a model that the rule of promotion puts or leaves in place.

    `evaluation` and `forecasts` are as they stood when it was decided: the holdout's rows at the
    horizon of the action. A candidate never comes in over `failed_checks`; an incumbent that
    `has_expired` says nothing any more.
    """
    if incumbent is not None and failed_checks:
        return incumbent
    assert not failed_checks, f"{model} {candidate} has no champion before it: {failed_checks}"
    if incumbent is None or candidate == incumbent or has_expired:
        return candidate
    if has_skill(evaluation, model, incumbent) and not has_skill(evaluation, model, candidate):
        return incumbent
    mine, theirs = (rank_ic(forecasts, model, version) for version in (candidate, incumbent))
    common = mine.index.intersection(theirs.index)
    assert len(common) >= 60, f"{model} {candidate} and {incumbent} have too little in common"
    difference = (mine[common] - theirs[common]).to_numpy()
    sums = np.column_stack([difference, np.ones(len(difference))])
    _, high = interval(sums, lambda s: s[..., 0] / s[..., 1], block_weights(len(difference), seed))
    return incumbent if high < 0 else candidate


def has_skill(evaluation: pd.DataFrame, model: str, version: str) -> bool:
    """Rank IC above zero, log-loss not above the prior's, both beyond doubt."""
    rows = evaluation[
        (evaluation["model"] == model) & (evaluation["model_version"] == version)
    ].set_index("metric")
    return rows.loc["rank_ic", "low"] > 0 and not rows.loc["log_loss", "skill_high"] < 0


def rank_ic(forecasts: pd.DataFrame, model: str, version: str) -> pd.Series:
    """Spearman's correlation of score and tradable return, by session."""
    rows = forecasts[(forecasts["model"] == model) & (forecasts["model_version"] == version)]
    daily = {}
    for session, of_day in rows.groupby("session"):
        known = of_day[["score", "realised_return_tradable"]].dropna()
        if len(known) >= 3:
            daily[session] = known.corr(method="spearman").iloc[0, 1]
    return pd.Series(daily).dropna()
