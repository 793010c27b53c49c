"""Evaluation: each forecast of the test sessions beside its outcome, and what it amounts to.

A scoped version is measured once, in the window of its own experiment, with baselines beside it;
the figures of `holdout` are those of the challengers, and of the champions on the same sessions.
The test windows of a walk-forward stand in the same table and are `walk_forward.py`'s.
"""

from collections.abc import Callable

import dagster as dg
import pandas as pd

from asset_predict_dagster.dataset.path_returns import path_returns
from asset_predict_dagster.dataset.splits import HOLDOUT
from asset_predict_dagster.errors import AssetPredictError, BundleError, DatasetError
from asset_predict_dagster.evaluation.evaluate import evaluate, figures, headline
from asset_predict_dagster.evaluation.forecasts import (
    accumulate,
    forecast_test_sessions,
    latest,
    of_registered,
    still_asked_for,
)
from asset_predict_dagster.evaluation.same_sessions import alike, reason_not_to_test
from asset_predict_dagster.models.baselines import BASELINES
from asset_predict_dagster.models.bundle import Bundle
from asset_predict_dagster.models.experiment import Experiment
from asset_predict_dagster.models.kinds import MODEL_NAMES
from asset_predict_dagster.models.prepared import prepare
from asset_predict_dagster.pipeline.failures import says_why
from asset_predict_dagster.pipeline.metadata import picture
from asset_predict_dagster.pipeline.resources import LakeTables, Models
from asset_predict_dagster.registry.store import ModelVersion
from asset_predict_dagster.tables import EVALUATION, FOLDS, FORECASTS_OUT_OF_SAMPLE

OWNERS = ["team:research"]

_ASKED_FOR = pd.Timedelta(days=500)
"""Live skill looks a year of sessions back, at versions whose holdout had ended before."""


@dg.asset(
    group_name="evaluation",
    kinds={"deltalake", "onnx"},
    owners=OWNERS,
    deps=[dg.AssetKey(f"{model}_model") for model in MODEL_NAMES],
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
    challengers = judged_today(models, folds, context.log.warning)
    scoped = _by_window(models.registry.unjudged(MODEL_NAMES))
    windows = [HOLDOUT, *scoped]
    known = lake.open().read_if_made(FORECASTS_OUT_OF_SAMPLE, where={"window": windows})
    if known is not None:
        there = {model: models.registry.versions(model) for model in models.registry.models()}
        known = of_registered(
            known, {model: {v.version for v in vs} for model, vs in there.items()}
        )
    bundles = {(v.model, v.version): models.load(v.evaluation_bundle) for v in challengers}
    beside = _champions_beside(context, models, challengers, folds)
    fresh = _forecast(bundles, Experiment(), tables, beside)
    if known is not None:
        known = _thinned(models, known, fresh["session"].max())
    table = accumulate(known, fresh)
    for window, versions in scoped.items():
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


def _thinned(models: Models, known: pd.DataFrame, newest: pd.Timestamp) -> pd.DataFrame:
    """Of the holdout whole what is judged or serves, also where it is not forecast anew today."""
    whole = {model: models.registry.aliased(model) for model in MODEL_NAMES}
    is_holdout = known["window"] == HOLDOUT
    holdout = known[is_holdout].reset_index(drop=True)
    kept = still_asked_for(holdout, whole, newest, _ASKED_FOR)
    return pd.concat([known[~is_holdout], kept], ignore_index=True)


def judged_today(
    models: Models, folds: pd.DataFrame, say: Callable[[str], None] = lambda sentence: None
) -> list[ModelVersion]:
    """The challenger of each model, where it knows nothing of the test of today's holdout.

    A run may train one model alone. The other's challenger is then of an earlier run, and has
    learned from what is the test now if the history has got older sessions since. It is left out,
    and so is one whose bundle cannot be opened; what was measured of it stands.

    Raises
    ------
    RegistryError
        If no model was ever trained.
    DatasetError
        If all of them are left out.
    """
    judged, reasons = [], []
    for version in models.registry.challengers(MODEL_NAMES):
        try:
            card = models.load(version.evaluation_bundle).card
            reason = reason_not_to_test(card, folds, HOLDOUT)
        except BundleError as error:
            reason = str(error)
        if reason:
            reasons.append(f"{version.model} {version.version} is not judged: {reason}")
            say(reasons[-1])
        else:
            judged.append(version)
    if reasons and not judged:
        raise DatasetError(f"{'; '.join(reasons)}; run the job retrain")
    return judged


def _champions_beside(
    context: dg.AssetExecutionContext,
    models: Models,
    challengers: list[ModelVersion],
    folds: pd.DataFrame,
) -> dict[tuple[str, str], Bundle]:
    """What serves now and was trained earlier, to forecast the sessions of its challenger.

    Left out, and said so, where it has seen them or cannot be asked: promotion then compares the
    two on what they have in common.
    """
    beside = {}
    for challenger in challengers:
        champion = models.registry.champion(challenger.model)
        if champion is None or champion.evaluation_bundle == challenger.evaluation_bundle:
            continue
        name = f"{champion.model} {champion.version}"
        try:
            bundle = models.load(champion.evaluation_bundle)
        except AssetPredictError as error:
            context.log.warning(f"champion {name} is not forecast beside its challenger: {error}")
            continue
        if reason := reason_not_to_test(bundle.card, folds, HOLDOUT):
            context.log.warning(f"champion {name} is not forecast beside its challenger: {reason}")
            continue
        beside[(champion.model, champion.version)] = bundle
    return beside


def _by_window(versions: list[ModelVersion]) -> dict[str, list[ModelVersion]]:
    windows: dict[str, list[ModelVersion]] = {}
    for version in versions:
        windows.setdefault(version.window, []).append(version)
    return windows


def _forecast(
    bundles: dict[tuple[str, str], Bundle],
    experiment: Experiment,
    tables: tuple[pd.DataFrame, ...],
    beside: dict[tuple[str, str], Bundle] | None = None,
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
        beside=beside,
    )


@dg.asset(
    group_name="evaluation",
    kinds={"deltalake", "numpy"},
    owners=OWNERS,
    deps=[forecasts_out_of_sample],
)
@says_why
def evaluation(context: dg.AssetExecutionContext, lake: LakeTables, models: Models) -> pd.DataFrame:
    """One metric of one model version, with its interval, beside the naive forecast's."""
    from asset_predict_dagster.evaluation.plots import skill_picture

    opened = lake.open()
    rows = opened.read(FORECASTS_OUT_OF_SAMPLE, where={"window": [HOLDOUT]})
    challengers = judged_today(models, opened.read(FOLDS))
    judged = _judged(rows, challengers)
    fresh = evaluate(judged, models.seed)
    metadata = {
        "headline": dg.MetadataValue.md(headline(fresh).to_markdown(index=False)),
        "rank_ic": picture(skill_picture(judged), "rank IC added up"),
    }
    for version in challengers:
        models.registry.record_evaluation(version, figures(fresh, version.model))
    table = accumulate(opened.read_if_made(EVALUATION), fresh)
    for champion in champions_of(models, challengers):
        theirs = alike(rows, judged, champion)
        if len(theirs):
            naive = judged[judged["model"].isin(BASELINES)]
            both = evaluate(pd.concat([theirs, naive], ignore_index=True), models.seed)
            table = accumulate(table, both[both["model_version"] == champion[1]])
    for window, versions in _by_window(models.registry.unjudged(MODEL_NAMES)).items():
        rows = opened.read(FORECASTS_OUT_OF_SAMPLE, where={"window": [window]})
        judged = _judged(rows, versions)
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


def champions_of(models: Models, challengers: list[ModelVersion]) -> list[tuple[str, str]]:
    """Model and version of what serves, where that is not the challenger itself."""
    serving = [models.registry.champion(version.model) for version in challengers]
    return [
        (champion.model, champion.version)
        for champion, challenger in zip(serving, challengers, strict=True)
        if champion is not None and champion.version != challenger.version
    ]


def _judged(forecasts: pd.DataFrame, versions: list[ModelVersion]) -> pd.DataFrame:
    """The rows by the given versions, their average, and the baselines beside them."""
    return latest(forecasts, {v.model: v.version for v in versions})
