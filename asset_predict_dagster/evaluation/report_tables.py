"""The tables of a report as rows of text: every number is a cell of the evaluation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from asset_predict_dagster.dataset.samples import ACTION_HORIZON
from asset_predict_dagster.evaluation.evaluate import HEADLINE, headline
from asset_predict_dagster.evaluation.metric_words import (
    ABSENT,
    advantage,
    at_horizon,
    chance,
    how_far_ahead,
    measured,
    words_of,
    written,
)
from asset_predict_dagster.evaluation.report_input import Key, ReportInput
from asset_predict_dagster.models.baselines import BASELINE_VERSION, BASELINES

RIDGE = "ridge"

HEADLINE_COLUMNS = (
    "metric",
    "model",
    "value",
    "naive",
    "best without a model",
    "skill over it",
    "p",
    "ridge",
)


@dataclass(frozen=True)
class TextTable:
    """`columns`, and rows of as many cells; the first cell of a row is its heading."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def headline_table(report: ReportInput) -> TextTable:
    """The figures to look at first: each model's beside naive, the best without a model, ridge."""
    ahead = how_far_ahead(headline(report.judged)["horizon"])
    return TextTable(
        f"Forecasts {ahead}, out of sample: {report.sessions}. In brackets: 95 % intervals, from"
        " drawing blocks of sessions again.",
        HEADLINE_COLUMNS,
        headline_rows(report.judged, report.names),
    )


def headline_rows(judged: pd.DataFrame, names: Mapping[Key, str]) -> list[tuple[str, ...]]:
    """Cells of `HEADLINE_COLUMNS` for each metric of `evaluate.HEADLINE` and each model.

    Parameters
    ----------
    judged
        Rows of `tables.EVALUATION` of one window.
    names
        (model, version) → what it is called; a metric that it has not is left out.
    """
    rows = []
    for metric in HEADLINE:
        words = words_of(metric)
        for (model, version), name in names.items():
            figure = _figure(judged, model, version, metric)
            if figure is None:
                continue
            alike = judged[judged["horizon"] == figure["horizon"]]
            ridge = _figure(alike, RIDGE, BASELINE_VERSION, metric)
            rows.append(
                (
                    at_horizon(words.label, figure["horizon"]),
                    name,
                    measured(metric, figure["value"], figure["low"], figure["high"]),
                    _named(metric, figure["naive_value"], figure["naive_name"]),
                    _named(metric, figure["best_value"], figure["best_baseline"]),
                    advantage(metric, figure["skill"], figure["skill_low"], figure["skill_high"]),
                    chance(figure["p_value"]),
                    ABSENT if ridge is None else written(ridge["value"], words.unit),
                )
            )
    return rows


def metric_tables(report: ReportInput) -> list[tuple[int, TextTable]]:
    """Every metric of every speaker, a table for each horizon."""
    tables = []
    for horizon, rows in report.judged.groupby("horizon", sort=True):
        speakers = _speakers(report, rows)
        cells = {
            (row.metric, row.model, row.model_version): measured(
                row.metric, row.value, row.low, row.high
            )
            for row in rows.itertuples()
        }
        columns = ["metric", *(name for name, _ in speakers)]
        lines = [
            [words_of(metric).label, *(cells.get((metric, *key), ABSENT) for _, key in speakers)]
            for metric in rows["metric"].unique()
        ]
        ahead = f"{horizon} session{'s' if horizon > 1 else ''} ahead"
        n_rows = f"{rows['n_forecasts'].max():,} forecasts each"
        tables.append((int(horizon), TextTable(f"{ahead}: {n_rows}", columns, lines)))
    return tables


def data_table(report: ReportInput) -> TextTable:
    """What the figures were measured on."""
    first, last = report.span
    sessions, quotes = report.forecasts["session"], report.quotes
    n_tickers = report.forecasts["ticker"].nunique()
    of_action = report.judged["metric"] == "log_loss"
    horizons = sorted(report.judged["horizon"].unique())
    n_forecasts = report.judged.loc[report.judged["horizon"] == ACTION_HORIZON, "n_forecasts"].max()
    facts = {
        "judged sessions": f"{sessions.nunique():,}, {first:%Y-%m-%d} to {last:%Y-%m-%d}",
        "window": report.window,
        "tickers forecast": f"{n_tickers:,}",
        "forecasts of the next session": f"{n_forecasts:,} of each model",
        "horizons": f"{_in_short(horizons)} sessions",
        "the action is judged": _sessions(report.judged.loc[of_action, "horizon"]),
        "most traded": ", ".join(report.most_traded[:5]) or ABSENT,
    }
    if len(quotes):
        known = quotes["session"]
        facts["quotes given"] = (
            f"{len(quotes):,}, of {quotes['ticker'].nunique():,} tickers,"
            f" {known.min():%Y-%m-%d} to {known.max():%Y-%m-%d}"
        )
    return TextTable("", ("what", "value"), list(facts.items()))


def fact_table(report: ReportInput) -> TextTable:
    """How the report was made."""
    made = [("report made at", report.made_at.isoformat(timespec="seconds"))]
    made += [(str(name), str(value)) for name, value in report.facts.items()]
    return TextTable("", ("what", "value"), made)


def _figure(rows: pd.DataFrame, model: str, version: str, metric: str) -> dict[str, Any] | None:
    """The row of one metric: of the next session, or of the action wherever it is judged."""
    chosen = rows[
        (rows["model"] == model)
        & (rows["model_version"] == version)
        & (rows["metric"] == metric)
        & rows["value"].notna()
    ]
    return None if chosen.empty else chosen.sort_values("horizon").iloc[0].to_dict()


def _named(metric: str, value: float, name: object) -> str:
    said = written(value, words_of(metric).unit)
    return said if said == ABSENT or pd.isna(name) else f"{said} ({spaced(name)})"


def spaced(name: object) -> str:
    """A name of the program, for people."""
    return str(name).replace("_", " ")


def _speakers(report: ReportInput, rows: pd.DataFrame) -> list[tuple[str, tuple[str, str]]]:
    there = set(zip(rows["model"], rows["model_version"], strict=True))
    models = [(name, key) for key, name in report.names.items() if key in there]
    baselines = [(name, (name, BASELINE_VERSION)) for name in BASELINES]
    return models + [(name, key) for name, key in baselines if key in there]


def _in_short(horizons: list[int]) -> str:
    first, last = horizons[0], horizons[-1]
    is_whole = len(horizons) == last - first + 1 > 2
    return f"{first} to {last}" if is_whole else ", ".join(map(str, horizons))


def _sessions(horizons: pd.Series) -> str:
    found = sorted(horizons.unique())
    return ", ".join(map(str, found)) + " session(s) ahead" if found else ABSENT
