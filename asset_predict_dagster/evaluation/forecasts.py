"""Out-of-sample forecasts: each forecast of the test sessions beside what came true.

Every figure of this project derives from the table made here. The models forecast it with
their evaluation bundles, which know the training sessions alone.
"""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.samples import ACTION_HORIZON, HORIZONS, Samples
from asset_predict_dagster.dataset.splits import HOLDOUT, role_mask
from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.evaluation.forecast_rows import ForecastRows, Outcomes
from asset_predict_dagster.models.average import (
    AVERAGE,
    AVERAGED,
    average_forecasts,
    average_version,
)
from asset_predict_dagster.models.baselines import (
    BASELINE_VERSION,
    BASELINES,
    baseline_bundles,
    expects_nothing,
)
from asset_predict_dagster.models.bundle import Bundle, Forecasts
from asset_predict_dagster.tables import PATH_HORIZONS

PATH_STEP = 5
"""Beyond the direct horizons one test session in so many is forecast: thirty-session returns of
neighbouring sessions are nearly the same return."""

_PATHS_OF_BASELINES = ("naive",)
"""The others would say the same as `naive` of a horizon that they have no order for."""


def forecast_test_sessions(
    bundles: Mapping[tuple[str, str], Bundle],
    samples: Samples,
    labels: pd.DataFrame,
    path_returns: np.ndarray,
    last_close: np.ndarray,
    folds: pd.DataFrame,
    window: str = HOLDOUT,
    beside: Mapping[tuple[str, str], Bundle] | None = None,
) -> pd.DataFrame:
    """Rows of `tables.FORECASTS_OUT_OF_SAMPLE` for one window.

    One row per model and baseline, ticker of the session's universe, test session, and horizon
    whose outcome is known: horizons 1 to 5, and the action's, of every test session; the others
    up to 30, for the models and `naive`, of every fifth one, counted from the first. Given the
    forest and the LSTM, one version of each, their `average` speaks as well.

    Texts come as categories, and what is forecast in 32 bits, as the graphs say it: this is the
    largest table there is.

    Parameters
    ----------
    bundles
        (model, model_version) → its evaluation bundle; all of one experiment, whose action
        `samples` and `labels` hold.
    labels
        Rows of `tables.LABELS` in the order of `samples`.
    path_returns
        From `dataset.path_returns`, in the order of `samples`.
    last_close
        Shape (n_rows,), R$ per share at the close of each row's session.
    folds
        Rows of `tables.FOLDS`; those of `window` are used. The baselines learn from its training
        and validation sessions.
    beside
        More bundles to forecast the same rows, such as the champion's: they are averaged with
        nobody. That none has seen the test is the caller's to know (`same_sessions.py`).

    Raises
    ------
    DatasetError
        If no row of a test session can be forecast, or the bundles judge their actions at
        different horizons.
    TrainingError
        If a baseline cannot be fitted; see `models.training.fit_window`.
    """
    test = role_mask(samples.sessions, samples.session_codes, folds, "test", window)
    rows = np.flatnonzero(test & samples.is_forecastable)
    if len(rows) == 0:
        raise DatasetError(
            f"window {window}: no ticker of its test sessions is in the universe; use a longer"
            " history, or look at the table `universe` for the reasons"
        )
    others = beside or {}
    action_horizon = _action_horizon({**bundles, **others})
    direct = tuple(sorted({*HORIZONS, action_horizon}))
    further = tuple(h for h in PATH_HORIZONS if h not in direct)
    test_codes = np.unique(samples.session_codes[test])
    sparse = rows[np.isin(samples.session_codes[rows], test_codes[::PATH_STEP])]
    outcomes = Outcomes(samples, labels, path_returns, last_close)
    asked = [
        (rows, [outcomes.known(rows, h, has_action=h == action_horizon) for h in direct]),
        (sparse, [outcomes.known(sparse, h) for h in further]),
    ]
    speakers = _models(bundles)
    speakers += [_Speaker(*who, (bundle,)) for who, bundle in others.items()]
    baselines = baseline_bundles(samples, labels, path_returns, folds, window)
    speakers += [_Speaker(name, BASELINE_VERSION, (baselines[name],)) for name in BASELINES]

    table = ForecastRows(
        window,
        tickers=samples.tickers,
        models=[speaker.model for speaker in speakers],
        versions=[speaker.version for speaker in speakers],
        n_rows=sum(
            len(known.places)
            for speaker in speakers
            for _, horizons in asked[: 2 if speaker.has_paths else 1]
            for known in horizons
        ),
    )
    for speaker in speakers:
        for of_rows, horizons in asked[: 2 if speaker.has_paths else 1]:
            said = speaker.forecast(samples, of_rows, max(known.horizon for known in horizons))
            for known in horizons:
                table.add(speaker.model, speaker.version, said, known)
    return table.frame()


@dataclass(frozen=True)
class _Speaker:
    """Whoever forecasts: a bundle, or several whose average it is."""

    model: str
    version: str
    bundles: tuple[Bundle, ...]

    @property
    def has_paths(self) -> bool:
        return self.version != BASELINE_VERSION or self.model in _PATHS_OF_BASELINES

    def forecast(self, samples: Samples, rows: np.ndarray, days_ahead: int) -> Forecasts:
        """Forecasts of the rows; `scores` is what the table's `score` will be."""
        codes = samples.session_codes[rows]
        parts = [
            _ordered(bundle.forecast(samples, rows, days_ahead), codes, self._keeps_order(bundle))
            for bundle in self.bundles
        ]
        return parts[0] if len(parts) == 1 else average_forecasts(parts, codes)

    def _keeps_order(self, bundle: Bundle) -> bool:
        """A model is ordered by what it expects; momentum expects nothing and has an order."""
        return self.version == BASELINE_VERSION and expects_nothing(bundle)


def _models(bundles: Mapping[tuple[str, str], Bundle]) -> list[_Speaker]:
    """The models, and the average of the two where there is one version of each."""
    speakers = [_Speaker(model, version, (bundle,)) for (model, version), bundle in bundles.items()]
    averaged = [speaker for speaker in speakers if speaker.model in AVERAGED]
    if sorted(speaker.model for speaker in averaged) == sorted(AVERAGED):
        version = average_version({speaker.model: speaker.version for speaker in averaged})
        speakers.append(_Speaker(AVERAGE, version, tuple(s.bundles[0] for s in averaged)))
    return speakers


def _action_horizon(bundles: Mapping[tuple[str, str], Bundle]) -> int:
    """Sessions ahead at which the bundles' action is judged; 1 where there is no bundle."""
    horizons = {bundle.card["experiment"]["horizon"] for bundle in bundles.values()} or {1}
    if len(horizons) > 1:
        raise DatasetError(
            f"the actions of models in one window are judged at one horizon; found"
            f" {sorted(horizons)}: forecast each experiment in a window of its own"
        )
    return horizons.pop()


def _ordered(said: Forecasts, session_codes: np.ndarray, keeps_order: bool) -> Forecasts:
    """With `scores` that order: what is expected, or, if asked, what the graph says.

    Who has no opinion of a row expects nothing of it and puts it in the middle of its session.
    """
    is_silent = np.isnan(said.scores)
    expected = np.where(is_silent, 0.0, said.expected_returns)
    scores = _in_the_middle(said.scores, session_codes) if keeps_order else expected
    return Forecasts(said.probabilities, scores, expected, said.lows, said.highs)


def _in_the_middle(scores: np.ndarray, session_codes: np.ndarray) -> np.ndarray:
    """A missing score as the median of its session; 0 where the whole session is missing."""
    if not np.isnan(scores).any():
        return scores
    given = pd.DataFrame(scores)
    return given.fillna(given.groupby(session_codes).transform("median")).fillna(0.0).to_numpy()


def accumulate(known: pd.DataFrame | None, fresh: pd.DataFrame) -> pd.DataFrame:
    """`known` rows with `fresh` in place of those of the same model, version and window.

    Works for every table keyed by these three. A baseline has no versions, so of each window only
    the baselines that stand beside the latest training are kept.
    """
    if known is None:
        return fresh
    keys = ["model", "model_version", "window"]
    replaced = pd.MultiIndex.from_frame(fresh[keys].drop_duplicates())
    is_replaced = pd.MultiIndex.from_frame(known[keys]).isin(replaced)
    return pd.concat([known[~is_replaced], fresh], ignore_index=True)


def of_registered(forecasts: pd.DataFrame, registered: Mapping[str, Set[str]]) -> pd.DataFrame:
    """The rows without those of versions that were dropped from the registry.

    What never had a version there, a baseline, stays; an average stays with both its parts.

    Parameters
    ----------
    registered
        Model → the versions that there are.
    """

    def is_there(model: str, version: str) -> bool:
        if model == AVERAGE:
            parts = version.split("+")
            return all(map(is_there, AVERAGED, parts if len(parts) > 1 else parts * 2))
        return model not in registered or version in registered[model]

    keys = forecasts[["model", "model_version"]]
    stay = [key for key in keys.drop_duplicates().itertuples(index=False) if is_there(*key)]
    return forecasts[pd.MultiIndex.from_frame(keys).isin(stay)]


def still_asked_for(
    forecasts: pd.DataFrame,
    judged: Mapping[str, Set[str]],
    newest: pd.Timestamp,
    asked_for: pd.Timedelta,
) -> pd.DataFrame:
    """The rows of one window without what nobody asks of versions that are judged no more.

    Of those stays what they said of the horizon of the action, which their live skill is held
    against, for as long as `asked_for` after their last session. Each version that ever served,
    whole, would fill the memory within a year of unattended trainings. An average stays with its
    parts.

    Parameters
    ----------
    judged
        Model → versions whose rows stay whole.
    newest
        Last session of what is forecast now. Who was forecast up to it stays whole as well: a
        training that is repeated, the champion being another by then, leaves the same rows.
    """
    last = forecasts.groupby(["model", "model_version"])["session"].max()
    today = {
        model: {version for name, version in last.index[last >= newest] if name == model}
        for model in judged
    }
    whole = of_registered(forecasts, {model: judged[model] | today[model] for model in judged})
    others = forecasts.drop(whole.index)
    is_action = (others["horizon"] == ACTION_HORIZON) & (others["model"] != AVERAGE)
    ended = others.groupby(["model", "model_version"])["session"].transform("max")
    kept = others[is_action & (ended >= newest - asked_for)]
    return pd.concat([whole, kept], ignore_index=True)


def latest(forecasts: pd.DataFrame, versions: Mapping[str, str]) -> pd.DataFrame:
    """The rows of the given version of each model, of their average and of the baselines."""
    wanted = {*versions.items(), *_averages(versions)} | {
        (name, BASELINE_VERSION) for name in BASELINES
    }
    return forecasts[pd.MultiIndex.from_frame(forecasts[["model", "model_version"]]).isin(wanted)]


def _averages(versions: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if set(AVERAGED) <= set(versions):
        yield AVERAGE, average_version(versions)
