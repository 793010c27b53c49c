"""Evaluation: each forecast of the test sessions beside its outcome, and what it amounts to.

A scoped version is measured once, in the window of its own experiment, with baselines beside it;
the figures of `holdout` are those of the challengers alone.
"""

import dagster as dg
import pandas as pd

from asset_predict_dagster.dataset.path_returns import path_returns
from asset_predict_dagster.dataset.splits import HOLDOUT
from asset_predict_dagster.errors import AssetPredictError
from asset_predict_dagster.evaluation.evaluate import evaluate, figures, headline
from asset_predict_dagster.evaluation.forecasts import accumulate, forecast_test_sessions, latest
from asset_predict_dagster.models.bundle import Bundle
from asset_predict_dagster.models.experiment import Experiment
from asset_predict_dagster.models.prepared import prepare
from asset_predict_dagster.pipeline.failures import says_why
from asset_predict_dagster.pipeline.metadata import picture
from asset_predict_dagster.pipeline.models import lstm_model, random_forest_model
from asset_predict_dagster.pipeline.resources import LakeTables, Models
from asset_predict_dagster.registry.store import ModelVersion
from asset_predict_dagster.tables import EVALUATION, FORECASTS_OUT_OF_SAMPLE

OWNERS = ["team:research"]
MODEL_NAMES = ("random_forest", "lstm")


@dg.asset(
    group_name="evaluation",
    kinds={"deltalake", "onnx"},
    owners=OWNERS,
    deps=[random_forest_model, lstm_model],
)
@says_why
def forecasts_out_of_sample(
    context: dg.AssetExecutionContext,
    lake: LakeTables,
    models: Models,
    quotes: pd.DataFrame,
    universe: pd.DataFrame,
    features: pd.DataFrame,
    labels: pd.DataFrame,
    folds: pd.DataFrame,
) -> pd.DataFrame:
    """One forecast of one model version for one ticker, session and horizon, and its outcome."""
    tables = (quotes, universe, features, labels, folds)
    challengers = models.registry.challengers(MODEL_NAMES)
    fresh = _forecast(
        {(v.model, v.version): models.load(v.evaluation_bundle) for v in challengers},
        Experiment(),
        tables,
    )
    table = accumulate(lake.open().read_if_made(FORECASTS_OUT_OF_SAMPLE), fresh)
    for window, versions in _by_window(models.registry.unjudged(MODEL_NAMES)).items():
        try:
            bundles = {(v.model, v.version): models.load(v.evaluation_bundle) for v in versions}
            card = next(iter(bundles.values())).card
            fresh = _forecast(bundles, Experiment.from_card(card["experiment"]), tables)
        except AssetPredictError as error:
            # What serves must not wait for an experiment.
            context.log.error(f"{window} is not measured: {error}")
            continue
        table = accumulate(table, fresh)
    return table


def _by_window(versions: list[ModelVersion]) -> dict[str, list[ModelVersion]]:
    windows: dict[str, list[ModelVersion]] = {}
    for version in versions:
        windows.setdefault(version.window, []).append(version)
    return windows


def _forecast(
    bundles: dict[tuple[str, str], Bundle],
    experiment: Experiment,
    tables: tuple[pd.DataFrame, ...],
) -> pd.DataFrame:
    prepared = prepare(experiment, *tables)
    return forecast_test_sessions(
        bundles,
        prepared.samples,
        prepared.labels,
        path_returns(prepared.quotes),
        prepared.quotes["close"].to_numpy(),
        prepared.folds,
        window=experiment.window,
    )


@dg.asset(group_name="evaluation", kinds={"deltalake", "numpy"}, owners=OWNERS)
@says_why
def evaluation(
    context: dg.AssetExecutionContext,
    lake: LakeTables,
    models: Models,
    forecasts_out_of_sample: pd.DataFrame,
) -> pd.DataFrame:
    """One metric of one model version, with its interval, beside the naive forecast's."""
    from asset_predict_dagster.evaluation.plots import skill_picture

    challengers = models.registry.challengers(MODEL_NAMES)
    judged = _judged(forecasts_out_of_sample, HOLDOUT, challengers)
    fresh = evaluate(judged, models.seed)
    metadata = {
        "headline": dg.MetadataValue.md(headline(fresh).to_markdown(index=False)),
        "rank_ic": picture(skill_picture(judged), "rank IC added up"),
    }
    for version in challengers:
        models.registry.record_evaluation(version, figures(fresh, version.model))
    table = accumulate(lake.open().read_if_made(EVALUATION), fresh)
    for window, versions in _by_window(models.registry.unjudged(MODEL_NAMES)).items():
        judged = _judged(forecasts_out_of_sample, window, versions)
        if not {v.model for v in versions} <= set(judged["model"]):
            continue  # it could not be forecast, and that step said why
        fresh = evaluate(judged, models.seed)
        shown = headline(fresh).to_markdown(index=False)
        metadata[window] = dg.MetadataValue.md(f"{versions[0].scope}\n\n{shown}")
        for version in versions:
            models.registry.record_evaluation(version, figures(fresh, version.model))
        table = accumulate(table, fresh)
    context.add_output_metadata(metadata)
    return table


def _judged(forecasts: pd.DataFrame, window: str, versions: list[ModelVersion]) -> pd.DataFrame:
    """The rows of a window by the given versions, and by the baselines beside them."""
    return latest(forecasts[forecasts["window"] == window], {v.model: v.version for v in versions})
