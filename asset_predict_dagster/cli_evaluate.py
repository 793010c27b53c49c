"""The command `evaluate`: what a version reached out of sample, beside the baselines."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich.console import Console

from asset_predict_dagster import __version__
from asset_predict_dagster.cli_json import print_json, records
from asset_predict_dagster.cli_options import AsJson, ModelName
from asset_predict_dagster.cli_runs import waiting
from asset_predict_dagster.cli_tables import plain_console, text_table
from asset_predict_dagster.dataset.samples import ACTION_HORIZON
from asset_predict_dagster.evaluation.evaluate import HEADLINE, says_most
from asset_predict_dagster.evaluation.judged_version import figures_of_version, with_baselines
from asset_predict_dagster.evaluation.metric_words import at_horizon, chance, how_far_ahead
from asset_predict_dagster.evaluation.skill import OPPONENTS
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.market.index_levels import read_index_levels
from asset_predict_dagster.models.baselines import BASELINE_VERSION, RIDGE
from asset_predict_dagster.models.bundle import load_bundle
from asset_predict_dagster.predictions.versions_asked import opened_registry, version_asked
from asset_predict_dagster.registry.versions import ModelVersion
from asset_predict_dagster.settings import Settings, load_settings
from asset_predict_dagster.tables import EVALUATION, FORECASTS_OUT_OF_SAMPLE, QUOTES, UNIVERSE

app = typer.Typer()


@app.command()
def evaluate(
    model: ModelName = "rf",
    version: Annotated[
        int | None,
        typer.Option(
            "--version",
            min=1,
            show_default="the one that serves, or the last one",
            help="Its number.",
        ),
    ] = None,
    report: Annotated[
        bool, typer.Option("--report", help="Write a report as one HTML file as well.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Metrics of a version out of sample, beside the baselines.

    Example: asset-predict evaluate --model lstm --report

    Skill is over the best of the baselines that need no model: of a score the difference, of an
    error or a loss the share it is lower by. Ridge, a linear model, is no part of that and has a
    line of its own. p is how often chance alone would make a difference as large, were neither
    better. Figures are of the version's own test, which no part of it has seen, as they were
    measured when it was trained.
    """
    settings = load_settings()
    with waiting("opening the registry"):
        registry = opened_registry(settings.registry_database)
        asked = version_asked(registry, model, version)
    lake = Lake(settings.lake_root)
    evaluation = lake.read(EVALUATION)
    figures = figures_of_version(evaluation, asked.model, asked.version, asked.window)
    judged = with_baselines(evaluation, figures)
    path = None
    if report:
        with waiting("writing the report"):
            path = _write_report(settings, lake, asked, judged)
    if as_json:
        print_json(
            {
                "model": asked.model,
                "version": asked.version,
                "window": asked.window,
                "scope": asked.scope,
                "figures": records(judged),
                "report": None if path is None else str(path),
            }
        )
        return
    console = plain_console()
    _print_figures(console, asked, figures)
    print_orders(console, judged)
    if path is not None:
        console.print(f"The report: {path}", soft_wrap=True)


def _print_figures(console: Console, asked: ModelVersion, figures: pd.DataFrame) -> None:
    first, last = figures["first_session"].min(), figures["last_session"].max()
    scope = f", scoped ({asked.scope})" if asked.scope else ""
    shown = figures[says_most(figures) & figures["metric"].isin(HEADLINE)]
    ahead = how_far_ahead(shown["horizon"])
    console.print(f"{asked.model} version {asked.version}{scope}, {ahead}")
    table = text_table(
        f"Out of sample, {first:%Y-%m-%d} to {last:%Y-%m-%d},"
        f" {figures['n_sessions'].max():,} sessions",
        left=("metric",),
        right=("value", "95 % interval", "naive", "best,\nno model", "skill", "p"),
        gap=0,
    )
    for row in shown.sort_values(
        "metric", key=lambda names: names.map(HEADLINE.index)
    ).itertuples():
        table.add_row(
            at_horizon(row.metric, row.horizon),
            _number(row.value),
            f"[{_number(row.low)}, {_number(row.high)}]",
            _number(row.naive_value),
            _number(row.best_value),
            _number(row.skill, "+.4f"),
            chance(row.p_value).replace("below ", "<"),
        )
    console.print(table)


def print_orders(console: Console, judged: pd.DataFrame) -> None:
    """The rank IC without a model, and ridge's with which models are above it.

    Parameters
    ----------
    judged
        Rows of `tables.EVALUATION` of one window: of models, and of the baselines on the same
        sessions. Who has no rank IC is left out.
    """
    is_ic = (judged["metric"] == "rank_ic") & (judged["horizon"] == ACTION_HORIZON)
    rows = judged[is_ic].dropna(subset="value")
    is_baseline = rows["model_version"] == BASELINE_VERSION
    simple = rows[is_baseline & rows["model"].isin(OPPONENTS)]
    if len(simple):
        said = ", ".join(f"{row.model} {row.value:.4f}" for row in simple.itertuples())
        console.print(f"Rank IC without a model: {said}, the others 0")
    for ridge in rows.loc[is_baseline & (rows["model"] == RIDGE), "value"]:
        beside = ", ".join(
            f"{row.model}'s {row.value:.4f} is {_where(row.value, ridge)} it"
            for row in rows[~is_baseline].itertuples()
        )
        console.print(f"Rank IC of ridge, a linear model: {ridge:.4f}; {beside}")


def _where(value: float, other: float) -> str:
    if value == other:
        return "level with"
    return "above" if value > other else "below"


def _number(value: float, form: str = ".4f") -> str:
    return "" if pd.isna(value) else format(value, form)


def _write_report(
    settings: Settings, lake: Lake, asked: ModelVersion, judged: pd.DataFrame
) -> Path:
    """`<data>/reports/<model>_<version>.html`."""
    from asset_predict_dagster.evaluation.report import write_report
    from asset_predict_dagster.evaluation.review import Made, Market, review

    card = load_bundle(settings.bundles, asked.evaluation_bundle).card
    horizons = sorted({ACTION_HORIZON, card["experiment"]["horizon"]})
    rows = lake.read(FORECASTS_OUT_OF_SAMPLE, where={"window": [asked.window], "horizon": horizons})
    is_asked = (rows["model"] == asked.model) & (rows["model_version"] == asked.version)
    first, last = judged["first_session"].min(), judged["last_session"].max()
    rows = rows[
        (is_asked | (rows["model_version"] == BASELINE_VERSION))
        & rows["session"].between(first, last)
    ]
    is_simulated = settings.source == "simulated"
    market = Market(
        lake.read(QUOTES),
        lake.read(UNIVERSE),
        None if settings.ibovespa is None else read_index_levels(settings.ibovespa),
        settings.signal_strength if is_simulated else None,
    )
    made = Made(
        datetime.now(UTC),
        facts={"lake": lake.root, "bundle": asked.evaluation_bundle, "program": __version__},
        n_trials={asked.model: int(card.get("n_trials", 1))},
        label=card["experiment"]["label"],
    )
    title = f"{asked.model}, version {asked.version}: out of sample"
    found = review(title, asked.window, judged, rows.reset_index(drop=True), market, made)
    return write_report(settings.reports / f"{asked.model}_{asked.version}.html", found)
