"""The summary is of all half-years that there are, whoever wrote them and when."""

import multiprocessing
from dataclasses import replace
from datetime import UTC, date, datetime
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pandas as pd
import pytest

from asset_predict_dagster.dataset.calendar_windows import window_days
from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.evaluation.evaluate import WALK_FORWARD, evaluate
from asset_predict_dagster.evaluation.review import Made, Market
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.pipeline.made_windows import (
    evaluated,
    half_years_in,
    is_summarised,
    report_half_years,
    report_windows,
    summarise,
)
from asset_predict_dagster.tables import FORECASTS_OUT_OF_SAMPLE, WALK_FORWARD_SUMMARY
from asset_predict_dagster_tests.evaluation.forecast_rows import made_forecasts
from asset_predict_dagster_tests.market.simulated_tables import market_as_of

MODELS = {("lstm", "walk-forward"): 0.2, ("random_forest", "walk-forward"): 0.1}
NOON = datetime(2024, 1, 8, 12, tzinfo=UTC)


def rows_of(window: str, seed: int = 1) -> pd.DataFrame:
    first = f"{window_days(window)[0]}"
    return made_forecasts(MODELS, n_sessions=40, first=first, seed=seed).assign(window=window)


def write(lake: Lake, *windows: str) -> None:
    for place, window in enumerate(windows):
        lake.replace_parts(FORECASTS_OUT_OF_SAMPLE, rows_of(window, place), recipe=window)


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "lake")


def summary_of(lake: Lake) -> pd.DataFrame:
    return lake.read(WALK_FORWARD_SUMMARY)


def test_only_half_years_are_pooled(lake):
    write(lake, "2019H2", "2018H1", "2018Q1", "2018", "2018H2")
    holdout = made_forecasts({("lstm", "4"): 0.2}, n_sessions=40)
    lake.replace_parts(FORECASTS_OUT_OF_SAMPLE, holdout)
    assert half_years_in(lake) == ["2018H1", "2018H2", "2019H2"]
    summarise(lake, seed=1)
    assert set(summary_of(lake)["window"]) == {"2018H1", "2018H2", "2019H2", WALK_FORWARD}


def test_the_pooled_figures_are_those_of_all_rows_in_one_table(lake):
    write(lake, "2018H1", "2018H2")
    summarise(lake, seed=1)
    together = lake.read(FORECASTS_OUT_OF_SAMPLE).assign(window=WALK_FORWARD)
    key = list(WALK_FORWARD_SUMMARY.key)
    expected = evaluate(together, seed=1).sort_values(key, ignore_index=True)
    pooled = summary_of(lake)
    pooled = pooled[pooled["window"] == WALK_FORWARD].reset_index(drop=True)
    pd.testing.assert_frame_equal(pooled, expected, check_dtype=False)


def test_the_same_half_years_again_make_no_version(lake):
    write(lake, "2018H1", "2018H2")
    first = summarise(lake, seed=1)
    again = summarise(lake, seed=1)
    assert (first["changed"], again["changed"]) == (True, False)
    assert again["came_from"] == f"{FORECASTS_OUT_OF_SAMPLE.name} 2"


def test_a_summary_is_of_the_forecasts_as_they_are_or_it_is_not(lake):
    assert not is_summarised(lake)
    write(lake, "2018H1")
    assert not is_summarised(lake)
    summarise(lake, seed=1)
    assert is_summarised(lake)
    write(lake, "2018H1", "2018H2")
    assert not is_summarised(lake)


def test_a_summary_that_an_earlier_program_wrote_is_made_again(lake):
    write(lake, "2018H1")
    summarise(lake, seed=1)
    without = replace(WALK_FORWARD_SUMMARY, columns=WALK_FORWARD_SUMMARY.columns[:-1])
    version = {FORECASTS_OUT_OF_SAMPLE.name: lake.version(FORECASTS_OUT_OF_SAMPLE) or 0}
    lake.write(without, lake.read(without), came_from=version)
    assert not is_summarised(lake)


def test_without_a_half_year_it_says_how_to_make_one(lake):
    with pytest.raises(DatasetError, match="run the job walk_forward"):
        summarise(lake, seed=1)
    write(lake, "2018Q1")
    with pytest.raises(DatasetError, match="no half-year has been forecast yet"):
        summarise(lake, seed=1)


def test_a_half_year_that_arrives_meanwhile_is_in_the_summary_too(lake):
    write(lake, "2018H1")
    arrived = []

    def another_run(name: str, version: int) -> None:
        if not arrived:
            arrived.append(name)
            write(Lake(lake.root), "2018H2")

    summarise(Lake(lake.root, on_read=another_run), seed=1)
    assert arrived == [FORECASTS_OUT_OF_SAMPLE.name]
    assert set(summary_of(lake)["window"]) == {"2018H1", "2018H2", WALK_FORWARD}


N_RUNS = 3


def run_beside_others(root: Path, number: int, start: Barrier) -> None:
    """What a run of the job does once its models have forecast, at the moment the others do."""
    lake = Lake(root / "lake")
    start.wait(60)
    for year in (2016, 2018, 2020):
        write(lake, f"{year + number // 2}H{number % 2 + 1}")
        summarise(lake, seed=1)


def test_of_several_runs_at_once_the_last_leaves_a_summary_of_all(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    start = spawn.Barrier(N_RUNS)
    runs = [
        spawn.Process(target=run_beside_others, args=(tmp_path, number, start))
        for number in range(N_RUNS)
    ]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert [run.exitcode for run in runs] == [0] * N_RUNS
    lake = Lake(tmp_path / "lake")
    windows = half_years_in(lake)
    assert len(windows) == 3 * N_RUNS
    pooled = summary_of(lake)
    assert set(pooled["window"]) == {*windows, WALK_FORWARD}
    version = lake.version(FORECASTS_OUT_OF_SAMPLE)
    assert version is not None
    alone = evaluated(lake, windows, 1, version).sort_values(
        list(WALK_FORWARD_SUMMARY.key), ignore_index=True
    )
    pd.testing.assert_frame_equal(pooled, alone, check_dtype=False)


@pytest.fixture(scope="module")
def market() -> Market:
    tables = market_as_of(date(2020, 6, 30), signal_strength=0.3)
    return Market(tables.quotes, tables.universe, planted_strength=0.3)


def named_as_in(market: Market, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows under the market's tickers, in its sessions."""
    tickers = sorted(market.quotes["ticker"].unique())
    sessions = sorted(market.quotes["session"].unique())
    start = next(n for n, day in enumerate(sessions) if day >= rows["session"].min())
    names = dict(zip(sorted(rows["ticker"].unique()), tickers, strict=False))
    days = dict(zip(sorted(rows["session"].unique()), sessions[start:], strict=False))
    return rows.assign(ticker=rows["ticker"].map(names), session=rows["session"].map(days))


def test_the_report_is_of_what_the_summary_holds(lake, market, tmp_path):
    for window in ("2019H1", "2019H2"):
        rows = named_as_in(market, rows_of(window))
        lake.replace_parts(FORECASTS_OUT_OF_SAMPLE, rows)
    summarise(lake, seed=1)
    made = Made(NOON, {"seed": "1"})
    report, path = report_half_years(lake, market, made, tmp_path / "reports" / "walk.html")
    page = path.read_text()
    assert report.facts["windows"] == "2: 2019H1, 2019H2"
    assert report.forecasts["session"].nunique() == 80
    for verdict in report.verdicts:
        assert verdict.model in page
    assert "SIM" in page.upper()  # planted skill is never told as skill on real prices
    version = lake.version(FORECASTS_OUT_OF_SAMPLE)
    assert version is not None
    alone, _ = report_windows(
        lake,
        evaluated(lake, ["2019H2"], 1, version),
        "One half-year",
        market,
        made,
        tmp_path / "one.html",
    )
    assert alone.forecasts["session"].nunique() == 40
