"""Evaluation: each forecast of the test sessions beside its outcome, and what it amounts to."""

import dagster as dg
import pandas as pd

from asset_predict_dagster.dataset.samples import build_samples
from asset_predict_dagster.evaluation.evaluate import evaluate, figures, headline
from asset_predict_dagster.evaluation.forecasts import accumulate, forecast_test_sessions, latest
from asset_predict_dagster.pipeline.failures import says_why
from asset_predict_dagster.pipeline.metadata import picture
from asset_predict_dagster.pipeline.models import lstm_model, random_forest_model
from asset_predict_dagster.pipeline.resources import LakeTables, Models
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
    lake: LakeTables,
    models: Models,
    quotes: pd.DataFrame,
    features: pd.DataFrame,
    universe: pd.DataFrame,
    labels: pd.DataFrame,
    folds: pd.DataFrame,
) -> pd.DataFrame:
    """One forecast of one model version for one ticker, session and horizon, and its outcome."""
    challengers = [models.registry.challenger(model) for model in MODEL_NAMES]
    fresh = forecast_test_sessions(
        {(v.model, v.version): models.load(v.evaluation_bundle) for v in challengers},
        build_samples(features, universe, labels),
        labels,
        quotes["close"].to_numpy(),
        folds,
    )
    return accumulate(lake.open().read_if_made(FORECASTS_OUT_OF_SAMPLE), fresh)


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

    versions = {model: models.registry.challenger(model).version for model in MODEL_NAMES}
    judged = latest(forecasts_out_of_sample, versions)
    table = evaluate(judged, models.seed)
    context.add_output_metadata(
        {
            "headline": dg.MetadataValue.md(headline(table).to_markdown(index=False)),
            "rank_ic": picture(skill_picture(judged), "rank IC added up"),
        }
    )
    for model, version in versions.items():
        models.registry.record_evaluation(
            models.registry.version(model, version), figures(table, model)
        )
    return accumulate(lake.open().read_if_made(EVALUATION), table)
