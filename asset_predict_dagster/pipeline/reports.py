"""Reports: the evaluation as one file for people, and a card for each model it is about."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from asset_predict_dagster import __version__
from asset_predict_dagster.dataset.samples import ACTION_HORIZON
from asset_predict_dagster.dataset.splits import HOLDOUT
from asset_predict_dagster.errors import BundleError
from asset_predict_dagster.evaluation.forecasts import latest
from asset_predict_dagster.evaluation.report_input import Key, ReportInput, Standing
from asset_predict_dagster.evaluation.report_tables import TextTable
from asset_predict_dagster.evaluation.review import Made, Market, review, trials
from asset_predict_dagster.evaluation.verdict import Verdict, judge
from asset_predict_dagster.models.kinds import MODEL_NAMES
from asset_predict_dagster.pipeline.evaluation import OWNERS, evaluation, judged_today
from asset_predict_dagster.pipeline.failures import says_why
from asset_predict_dagster.pipeline.importances import importances_of
from asset_predict_dagster.pipeline.metadata import picture
from asset_predict_dagster.pipeline.resources import Clock, LakeTables, Models, Reports
from asset_predict_dagster.registry.champions import why_silent
from asset_predict_dagster.registry.promotion import decide
from asset_predict_dagster.registry.store import ModelVersion
from asset_predict_dagster.tables import EVALUATION, FOLDS, FORECASTS_OUT_OF_SAMPLE


@dg.asset(
    group_name="evaluation",
    kinds={"html", "markdown"},
    owners=OWNERS,
    deps=[evaluation, FORECASTS_OUT_OF_SAMPLE.name],
)
@says_why
def evaluation_report(
    context: dg.AssetExecutionContext,
    lake: LakeTables,
    models: Models,
    clock: Clock,
    reports: Reports,
    quotes: pd.DataFrame,
    universe: pd.DataFrame,
) -> dg.MaterializeResult:
    """One file, `reports/evaluation.html`: a verdict on each model of the holdout, and its figures.

    Beside it a model card for each version it judges.
    """
    from asset_predict_dagster.evaluation.report import write_report

    opened = lake.open()
    challengers = judged_today(models, opened.read(FOLDS))
    versions = {version.model: version.version for version in challengers}
    evaluated = opened.read(EVALUATION)
    rows = opened.read(
        FORECASTS_OUT_OF_SAMPLE, where={"window": [HOLDOUT], "horizon": [ACTION_HORIZON]}
    )
    holdout = evaluated[evaluated["window"] == HOLDOUT]
    judged = latest(holdout, versions)
    beside_each = {v: _beside(models, v, holdout) for v in challengers}
    beside = [who for found in beside_each.values() for who in found]
    judged = pd.concat([judged, *(_rows_of(holdout, who) for who in beside)], ignore_index=True)
    forecasts = pd.concat([latest(rows, versions), *(_rows_of(rows, who) for who in beside)])
    report = review(
        "Out of sample: the holdout",
        HOLDOUT,
        judged,
        forecasts.reset_index(drop=True),
        Market(quotes, universe, reports.index(), reports.planted_strength),
        Made(
            at=clock.now(),
            facts={
                "lake": opened.root,
                "table": f"evaluation {opened.version(EVALUATION)}",
                "seed": str(models.seed),
                "program": __version__,
            },
            n_trials={v.model: _tried(models, v) for v in challengers},
            importances=importances_of(models, challengers),
            standings=[
                _standing(models, v, found, evaluated, rows, clock.now())
                for v, found in beside_each.items()
            ],
        ),
    )
    path = write_report(reports.place("evaluation.html"), report)
    scoped = _scoped_verdicts(models, evaluated)
    verdicts = [*report.verdicts, *scoped]
    cards = _write_cards(context, models, reports, evaluated, verdicts)
    metadata = told_by(report, path)
    metadata["model_cards"] = dg.MetadataValue.md("\n".join(f"- `{card}`" for card in cards))
    if scoped:
        metadata["scoped"] = dg.MetadataValue.md("\n\n".join(map(in_markdown, scoped)))
    return dg.MaterializeResult(metadata=metadata)


def told_by(report: ReportInput, path: Path) -> dict[str, Any]:
    """What Dagster's UI shows of a report: the verdicts in words, and the figures to look at."""
    from asset_predict_dagster.evaluation.plots import skill_picture
    from asset_predict_dagster.evaluation.report_pictures import pictures
    from asset_predict_dagster.evaluation.report_tables import headline_table
    from asset_predict_dagster.evaluation.version_table import version_table

    metadata: dict[str, Any] = {
        "path": dg.MetadataValue.path(str(path)),
        "verdict": dg.MetadataValue.md("\n\n".join(map(in_markdown, report.verdicts))),
        "headline": _table(headline_table(report)),
        "rank_ic": picture(skill_picture(report.forecasts), "rank IC added up"),
    }
    if report.standings:
        metadata["versions"] = _table(version_table(report))
    drawn = pictures(report).items()
    return metadata | {name: picture(png, name.replace("_", " ")) for name, png in drawn}


def _table(table: TextTable) -> dg.MarkdownMetadataValue:
    shown = pd.DataFrame(table.rows, columns=list(table.columns))
    return dg.MetadataValue.md(f"{table.caption}\n\n{shown.to_markdown(index=False)}")


def in_markdown(verdict: Verdict) -> str:
    """A verdict with what would make it wrong."""
    warnings = "\n".join(f"- {warning}" for warning in verdict.warnings)
    return f"**{verdict.headline}**\n\n{verdict.paragraph}\n\n{warnings}"


def _rows_of(rows: pd.DataFrame, who: tuple[str, str]) -> pd.DataFrame:
    return rows[(rows["model"] == who[0]) & (rows["model_version"] == who[1])]


def _beside(models: Models, challenger: ModelVersion, holdout: pd.DataFrame) -> list[Key]:
    """Whom a challenger stands against: the champion, or the one it has just taken over from.

    None where that was not measured on the same sessions.
    """
    champion = models.registry.champion(challenger.model)
    older = [v for v in models.registry.versions(challenger.model) if not v.scope]
    older = [v for v in older if int(v.version) < int(challenger.version)]
    if champion is not None and champion.version != challenger.version:
        older = [champion]
    ends = ["horizon", "metric", "first_session", "last_session", "n_forecasts"]
    mine = _rows_of(holdout, (challenger.model, challenger.version))[ends].reset_index(drop=True)
    for version in older:
        who = (version.model, version.version)
        if _rows_of(holdout, who)[ends].reset_index(drop=True).equals(mine):
            return [who]
    return []


def _tried(models: Models, version: ModelVersion) -> int:
    return int(models.load(version.evaluation_bundle).card.get("n_trials", 1))


def _standing(
    models: Models,
    challenger: ModelVersion,
    beside: Sequence[Key],
    evaluated: pd.DataFrame,
    rows: pd.DataFrame,
    now: datetime,
) -> Standing:
    """Who serves once the champions are chosen, which may be before this report or after it."""
    champion = models.registry.champion(challenger.model)
    serving = challenger.version
    if champion is not None:
        chosen = decide(
            challenger.model,
            serving,
            champion.version,
            evaluated,
            rows,
            models.seed,
            silent=why_silent(champion, now, models.expires_after, models.load),
        )
        serving = champion.version if chosen.decision == "kept" else serving
    return Standing(challenger.model, challenger.version, serving, beside[0][1] if beside else "")


def _scoped_verdicts(models: Models, evaluated: pd.DataFrame) -> list[Verdict]:
    """On the latest scoped version of each model that was measured, in its own window."""
    verdicts = []
    for model in MODEL_NAMES:
        for version in [v for v in models.registry.versions(model) if v.scope][:1]:
            theirs = _rows_of(evaluated, (model, version.version))
            if theirs["window"].eq(version.window).any():
                card = models.load(version.evaluation_bundle).card
                verdicts.append(
                    judge(
                        evaluated,
                        model,
                        version.version,
                        version.window,
                        n_trials=trials(model, {model: _tried(models, version)}),
                        label=card["experiment"]["label"],
                    )
                )
    return verdicts


def _write_cards(
    context: dg.AssetExecutionContext,
    models: Models,
    reports: Reports,
    evaluated: pd.DataFrame,
    verdicts: Sequence[Verdict],
) -> list[Path]:
    """A card for each registered version that was judged, and for what serves."""
    from asset_predict_dagster.registry.model_card import write_model_card

    registered = {
        (v.model, v.version): v for name in MODEL_NAMES for v in models.registry.versions(name)
    }
    judged_as = {(v.model, v.model_version): v for v in verdicts}
    serving = {(v.model, v.version) for v in map(models.registry.champion, MODEL_NAMES) if v}
    written = []
    for who in sorted((judged_as.keys() | serving) & registered.keys()):
        version = registered[who]
        try:
            judged = models.load(version.evaluation_bundle)
            serves = models.load(version.bundle)
        except BundleError as error:
            context.log.warning(f"no card for {version.model} {version.version}: {error}")
            continue
        place = reports.place("model_cards") / f"{version.model}_{version.version}.md"
        verdict = judged_as.get(who)
        written.append(write_model_card(place, version.version, judged, serves, evaluated, verdict))
    return written
