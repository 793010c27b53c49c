"""Commands that train: `train` on what the lake holds, `pipeline` from the market files on."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pandas as pd
import typer
from rich.console import Console

from asset_predict_dagster.cli_ingest import print_ingested
from asset_predict_dagster.cli_json import print_json, records
from asset_predict_dagster.cli_options import (
    AsJson,
    ModelNames,
    as_usage,
    cores,
    with_settings,
)
from asset_predict_dagster.cli_runs import kept_id, waiting, where_to_see
from asset_predict_dagster.cli_source import (
    AskedSource,
    Download,
    End,
    Folder,
    SourceName,
    Start,
)
from asset_predict_dagster.cli_tables import plain_console, text_table
from asset_predict_dagster.evaluation.evaluate import headline
from asset_predict_dagster.evaluation.metric_words import at_horizon, how_far_ahead
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.models.asked_training import AskedTraining, asked_training
from asset_predict_dagster.models.names import BOTH, models_called
from asset_predict_dagster.models.settings import fields_of
from asset_predict_dagster.predictions.asked import refuse_unknown
from asset_predict_dagster.settings import Settings, load_settings
from asset_predict_dagster.tables import EVALUATION, QUOTES

if TYPE_CHECKING:
    from asset_predict_dagster.training_runs import Trained, TrainedVersion

app = typer.Typer()


@app.command()
@with_settings()
def train(model: ModelNames = BOTH, as_json: AsJson = False, *, written: dict[str, Any]) -> None:
    """Train on what the lake holds, measure, and promote.

    Example: asset-predict train --model rf --n-jobs 2 --n-estimators 200

    Example: asset-predict train --model lstm --horizon 5 --lr 0.003 --epochs 20

    A setting that one model has is that model's. Another label, horizon, size, ticker or day than
    the default makes a scoped version: registered, measured, never serving. What the rule allows
    serves from then on. It is the job retrain.
    """
    settings = load_settings()
    asked = _asked(settings, model, written)
    _refuse_unknown_tickers(settings, asked)
    with waiting():
        from asset_predict_dagster.training_runs import run_training
    trained = run_training(settings, asked)
    if as_json:
        print_json(_document(settings, asked, trained))
        return
    console = plain_console()
    _print_trained(console, settings, asked, trained)


@app.command()
@with_settings(but=("start", "end"))
def pipeline(
    model: ModelNames = BOTH,
    source: SourceName = None,
    folder: Folder = None,
    start: Start = None,
    end: End = None,
    download: Download = None,
    as_json: AsJson = False,
    *,
    written: dict[str, Any],
) -> None:
    """Everything: market files to predictions, models trained.

    Example: asset-predict pipeline --source cotahist --folder b3

    The job complete_pipeline, with the options of ingest and of train. --start and --end are those
    of ingest.
    """
    settings = AskedSource(source, folder, start, end, download).settings()
    asked = _asked(settings, model, written)
    with waiting():
        from asset_predict_dagster.training_runs import run_pipeline
    ingested, trained = run_pipeline(settings, asked)
    if as_json:
        document = {name: v for name, v in asdict(ingested).items() if name != "is_kept"}
        print_json({"ingested": document, **_document(settings, asked, trained)})
        return
    console = plain_console()
    print_ingested(console, ingested)
    _print_trained(console, settings, asked, trained)
    console.print("asset-predict summary    shows the strongest predictions")


def _asked(settings: Settings, model: str, written: Mapping[str, Any]) -> AskedTraining:
    models = models_called(model)
    if any("n_jobs" in fields_of(name) for name in models):
        written = {"n_jobs": cores(), **written}
    with as_usage():
        return asked_training(models, written, presets=settings.presets, seed=settings.seed)


def _refuse_unknown_tickers(settings: Settings, asked: AskedTraining) -> None:
    """Before anything is run: a training would find out after minutes."""
    lake = Lake(settings.lake_root)
    if lake.exists(QUOTES):
        known = set(lake.distinct(QUOTES, ["ticker"])["ticker"])
        for said in asked.by_model.values():
            refuse_unknown(said.get("tickers", ()), known)


def _print_trained(
    console: Console, settings: Settings, asked: AskedTraining, trained: "Trained"
) -> None:
    if asked.ignored:
        console.print(f"accepted, and does nothing: {', '.join(asked.ignored)}")
    for version in trained.versions:
        console.print()
        console.print(
            f"{version.model} version {version.version}: {version.n_training_rows:,} rows up to"
            f" {version.training_end}, bundle {version.bundle[:12]}"
        )
        if version.scope:
            console.print(f"scoped ({version.scope}): it never serves, and is asked by number")
        elif version.decision:
            console.print(
                f"{version.decision}; version {version.serving or 'none'} serves,"
                f" {version.status}: {version.reason}"
            )
        figures = _figures(settings, version)
        if len(figures):
            console.print(_table(figures))
    console.print(where_to_see(trained))


def _figures(settings: Settings, version: "TrainedVersion") -> pd.DataFrame:
    """Its figures to look at first, in its own window."""
    evaluation = Lake(settings.lake_root).read_if_made(EVALUATION)
    if evaluation is None:
        return pd.DataFrame()
    mine = (evaluation["model"] == version.model) & (evaluation["model_version"] == version.version)
    return headline(evaluation[mine])


def _table(figures: pd.DataFrame) -> Any:
    table = text_table(
        f"Out of sample, {how_far_ahead(figures['horizon'])}; beside the naive forecast",
        left=("metric",),
        right=("value", "95 % interval", "naive"),
    )
    for row in figures.itertuples():
        table.add_row(
            at_horizon(row.metric, row.horizon),
            f"{row.value:.4f}",
            f"[{row.low:.4f}, {row.high:.4f}]",
            "" if pd.isna(row.naive_value) else f"{row.naive_value:.4f}",
        )
    return table


def _document(settings: Settings, asked: AskedTraining, trained: "Trained") -> dict[str, Any]:
    return {
        "models": [
            {
                **asdict(version),
                "settings": asked.by_model[version.model],
                "figures": records(_figures(settings, version)),
            }
            for version in trained.versions
        ],
        "ignored": list(asked.ignored),
        "run_id": kept_id(trained),
    }
