"""Live skill: does a model go on finding what it was seen to find out of sample.

Two figures of each session, at the horizon of the action, reckoned alike on the holdout and live:

    rank_ic          Spearman's correlation between expected and realised return (close t → t+1)
    log_loss_gain    mean over tickers of ln q[y] - ln prior[y]: log-loss below the class prior's,
                     which is the one beside the holdout

Each figure is watched by a CUSUM (`cusum.py`) if the holdout shows it: the lower end of its 95 %
interval is above 0. A model that has shown none has none to lose, and is never said to be losing.

An alarm stays until the model is trained again, that is, another version serves, and C starts
anew; or until C is below half of its threshold. Routine training does not touch C: a model
retrained every two weeks would never be found out.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.bootstrap import block_weights, interval
from asset_predict_dagster.dataset.samples import ACTION_HORIZON, ACTIONS
from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.evaluation.metrics import session_rank_ic
from asset_predict_dagster.models.baselines import BASELINE_VERSION
from asset_predict_dagster.predictions.cusum import LEAST_SHOWN, PATH, Cusum, fit_cusum

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
    promised, low, high
        Its mean on the holdout, with the 95 % interval; NaN where the holdout has none.
    is_shown
        Whether there is a skill to lose.
    live, n_live
        Its mean over the last 63 live sessions that have one, and how many these are.
    path
        One row per live session: session, model_version, figure, cusum, is_alarm; empty where
        nothing is shown.
    threshold
        Of the cusum; NaN where nothing is shown.
    since
        Session at which the alarm that stands began; None where none does.
    reason
        The finding in words.
    """

    figure: str
    promised: float
    low: float
    high: float
    is_shown: bool
    live: float
    n_live: int
    path: pd.DataFrame
    threshold: float
    since: date | None
    reason: str

    @property
    def is_losing(self) -> bool:
        return self.since is not None


def live_rows(
    predictions: pd.DataFrame, outcomes: pd.DataFrame, labels: pd.DataFrame
) -> pd.DataFrame:
    """What was said of the next session beside what came true, one row per outcome.

    Columns: session, ticker, model_version, expected_return, realised_return, probability_*,
    realised_label. A label that is not there (the ticker was renamed since, or its price stood
    still) is missing: the row has a return and no class. Left out is what was said late, of a
    longer horizon: it was said in time before.

    Parameters
    ----------
    predictions, outcomes
        Rows of the tables of those names, of one model.
    labels
        Rows of `tables.LABELS`.
    """
    is_next = outcomes["horizon"] == ACTION_HORIZON
    met = outcomes.loc[is_next, [*_KEY, "model_version", "expected_return", "realised_return"]]
    said = predictions.loc[predictions["horizon"] == ACTION_HORIZON, [*_KEY, *_PROBABILITIES]]
    rows = met.merge(said, on=_KEY, validate="one_to_one")
    came = labels[[*_KEY, "action"]].rename(columns={"action": "realised_label"})
    rows = rows.merge(came, on=_KEY, how="left", validate="one_to_one")
    return rows.sort_values(["session", "ticker"], ignore_index=True)


def watch_skill(
    forecasts: pd.DataFrame, model: str, model_version: str, live: pd.DataFrame, seed: int
) -> list[SkillWatch]:
    """Both figures of a model, watched from the first live session to the last.

    Parameters
    ----------
    forecasts
        Rows of `tables.FORECASTS_OUT_OF_SAMPLE` of one window, those of the version that serves
        and of the baseline `prior` among them.
    live
        From `live_rows`. Sessions of the holdout may be among them: they were served as well.
        What earlier versions said is judged by what the serving one promises.
    seed
        Of the bootstrap and the simulation.

    Raises
    ------
    DatasetError
        If `forecasts` has no row of the version or of the prior.
    """
    rows = forecasts[forecasts["horizon"] == ACTION_HORIZON]
    shown = _of(rows, model, model_version)
    prior = _of(rows, "prior", BASELINE_VERSION)[_PROBABILITIES].iloc[0].to_numpy(np.float64)
    return [
        _watch("rank_ic", _rank_ic(shown), _rank_ic(live), live, model_version, seed),
        _watch("log_loss_gain", _gain(shown, prior), _gain(live, prior), live, model_version, seed),
    ]


def _of(rows: pd.DataFrame, model: str, version: str) -> pd.DataFrame:
    mine = rows[(rows["model"] == model) & (rows["model_version"] == version)]
    if mine.empty:
        raise DatasetError(
            f"forecasts_out_of_sample has no row of {model} {version} at horizon {ACTION_HORIZON},"
            " so nothing says what was promised; materialise forecasts_out_of_sample again"
        )
    return mine.sort_values(["session", "ticker"])


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
    shown: pd.Series,
    came: pd.Series,
    live: pd.DataFrame,
    model_version: str,
    seed: int,
) -> SkillWatch:
    values, recent = shown.dropna().to_numpy(), came.dropna().to_numpy()[-RECENT:]
    recent_mean = float(recent.mean()) if len(recent) else float("nan")
    nothing = (pd.DataFrame(), float("nan"), None)
    if len(values) < LEAST_SHOWN:
        return SkillWatch(
            figure,
            *(float("nan"),) * 3,
            False,
            recent_mean,
            len(recent),
            *nothing,
            f"{figure}: none shown, the holdout has {len(values)} sessions of {LEAST_SHOWN} needed",
        )
    sums = np.column_stack([values, np.ones(len(values))])
    low, high = interval(sums, lambda s: s[..., 0] / s[..., 1], block_weights(len(values), seed))
    promised = float(values.mean())
    shape = (figure, promised, low, high, low > 0, recent_mean, len(recent))
    band = f"holdout {promised:.4f} [{low:.4f}, {high:.4f}]"
    if low <= 0:
        return SkillWatch(*shape, *nothing, f"{figure}: none shown, so none to lose ({band})")
    cusum = fit_cusum(values, (high - low) / (2 * 1.96), seed)
    versions = live.groupby("session")["model_version"].first()
    path, since = _path(cusum, came, versions, model_version)
    expected = f"in about {cusum.delay:.0f} sessions" if cusum.delay < PATH else "in a year or more"
    said = f"lost since {since}" if since else "kept"
    mean = f"live {recent_mean:.4f} over {len(recent)} sessions" if len(recent) else "none live yet"
    height = path["cusum"].iloc[-1] if len(path) else 0.0
    reason = (
        f"{figure}: {said}; {band}, {mean}; CUSUM {height:.1f} of {cusum.threshold:.1f}"
        f" (a loss of all is noticed {expected})"
    )
    return SkillWatch(*shape, path, cusum.threshold, since, reason)


def _path(
    cusum: Cusum, came: pd.Series, versions: pd.Series, serving: str
) -> tuple[pd.DataFrame, date | None]:
    """The CUSUM session by session, and since when what the serving version says is in alarm."""
    rows, height, alarm_of, since = [], 0.0, None, None
    for session, figure in came.sort_index().items():
        version = versions[session]
        if alarm_of is not None and version != alarm_of:
            height, alarm_of = 0.0, None
        height = cusum.step(height, float(figure))
        if alarm_of is None and height > cusum.threshold:
            alarm_of, since = version, pd.Timestamp(session).date()
        elif alarm_of is not None and height < CALM * cusum.threshold:
            alarm_of = None
        rows.append((session, version, figure, height, alarm_of is not None))
    columns = ["session", "model_version", "figure", "cusum", "is_alarm"]
    return pd.DataFrame(rows, columns=columns), since if alarm_of == serving else None
