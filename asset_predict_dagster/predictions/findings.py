"""Findings: what the tables of the lake say of a model that serves."""

from collections.abc import Callable

import pandas as pd

from asset_predict_dagster.dataset.features import TABLE as FEATURES
from asset_predict_dagster.dataset.samples import ACTION_HORIZON, ACTIONS
from asset_predict_dagster.dataset.splits import HOLDOUT
from asset_predict_dagster.errors import AssetPredictError, BundleError
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.models.baselines import BASELINE_VERSION
from asset_predict_dagster.models.bundle import Bundle
from asset_predict_dagster.predictions.drift import input_drift, prediction_drift
from asset_predict_dagster.predictions.drift_finding import Drift, not_judged
from asset_predict_dagster.predictions.drift_rows import input_columns
from asset_predict_dagster.predictions.health import Findings
from asset_predict_dagster.predictions.live_skill import SkillWatch, live_rows, watch_skill
from asset_predict_dagster.tables import (
    FORECASTS_OUT_OF_SAMPLE,
    OUTCOMES,
    PREDICTIONS,
    UNIVERSE,
)

_KEY = ["ticker", "session"]

_NEXT = {"horizon": [ACTION_HORIZON]}

_OF_HOLDOUT = [
    *("window", "model", "model_version", "horizon", *_KEY, "expected_return"),
    *(f"probability_{action}" for action in ACTIONS),
    *("realised_return", "realised_label"),
]
"""What is compared with what came live."""
"""One row of thirty: the later horizons are not read."""


def findings_of(
    lake: Lake, model: str, model_version: str, load: Callable[[], Bundle], seed: int
) -> Findings:
    """Drift and live skill of the version that serves; what cannot be looked at says why.

    Health has to be told whatever is amiss: an error of ours (a table is gone, the rows of the
    version are) becomes a reason, and a bundle that cannot be opened is `damage`. Checks are not
    looked at: who runs them knows which failed.

    Parameters
    ----------
    load
        Opens the version's bundle.
    seed
        As for `watch_skill`.
    """
    drifts, damage = [], ""
    try:
        drifts = drifts_of(lake, model, model_version, load())
    except BundleError as error:
        damage = str(error)
    except AssetPredictError as error:
        drifts = [not_judged("drift", str(error))]
    try:
        skills = skills_of(lake, model, model_version, seed)
    except AssetPredictError as error:
        skills = [_not_watched(str(error))]
    return Findings(drifts, skills, damage=damage)


def drifts_of(lake: Lake, model: str, model_version: str, bundle: Bundle) -> list[Drift]:
    """Drift of its inputs, and of what it says against its holdout.

    Raises
    ------
    AssetPredictError
        If a table has not been made, or `features` has not what the model reads.
    """
    columns = input_columns(bundle.card["feature_names"])
    inputs = input_drift(
        lake.read(FEATURES, columns=[*_KEY, *columns]),
        lake.read(UNIVERSE, columns=[*_KEY, "in_universe"]),
        columns,
        bundle.learned_until,
    )
    holdout = _holdout(lake, [model], [model_version])
    if holdout.empty:
        gone = f"forecasts_out_of_sample has no row of {model} {model_version} in {HOLDOUT}"
        return [inputs, not_judged("predictions", gone)]
    return [inputs, prediction_drift(holdout, _said(lake, model), bundle.learned_until)]


def skills_of(lake: Lake, model: str, model_version: str, seed: int) -> list[SkillWatch]:
    """Live skill against the holdout's.

    Raises
    ------
    AssetPredictError
        If a table has not been made, or the rows that say what was promised are gone.
    """
    live = live_rows(
        _said(lake, model),
        lake.read(OUTCOMES, where={"model": [model], **_NEXT}),
        lake.read(FEATURES, columns=[*_KEY, "volatility_21d"]),
    )
    if live.empty:
        return [_not_watched("none of what it said of a next session has come true yet")]

    def said_by(version: str) -> pd.DataFrame:
        return _holdout(lake, [model], [version])

    prior = _holdout(lake, ["prior"], [BASELINE_VERSION])
    return watch_skill(said_by, prior, model_version, live, seed)


def _said(lake: Lake, model: str) -> pd.DataFrame:
    """What it said of the next session, whichever version served."""
    return lake.read(PREDICTIONS, where={"model": [model], **_NEXT})


def _holdout(lake: Lake, models: list[str], versions: list[str]) -> pd.DataFrame:
    """What versions of some models said of the next session, all of it out of sample."""
    wanted = {"window": [HOLDOUT], "model": models, "model_version": versions, **_NEXT}
    return lake.read(FORECASTS_OUT_OF_SAMPLE, _OF_HOLDOUT, where=wanted)


def _not_watched(why: str) -> SkillWatch:
    reason = f"skill: not watched ({why})"
    return SkillWatch("skill", None, float("nan"), 0, pd.DataFrame(), None, reason)
