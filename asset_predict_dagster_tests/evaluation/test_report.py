"""A report is one whole page that opens with the verdict, and its numbers are the tables'."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.evaluation.report import report_html, write_report
from asset_predict_dagster.evaluation.report_input import Importance, Standing
from asset_predict_dagster.evaluation.report_tables import headline_table, metric_tables
from asset_predict_dagster.evaluation.trading_tables import excess_table, trading_table
from asset_predict_dagster.models.baselines import BASELINES
from asset_predict_dagster_tests.evaluation.report_inputs import (
    MODELS,
    bare_input,
    report_input,
    walk_forward_page,
)
from asset_predict_dagster_tests.evaluation.report_pages import SVG, Page

HOSTILE = "<script>alert('x')</script>&\"$a$ \\frac $"


@pytest.fixture(scope="module")
def given():
    return report_input()


@pytest.fixture(scope="module")
def page(given):
    return Page(report_html(given))


@pytest.fixture(scope="module")
def bare():
    return Page(report_html(bare_input()))


def cell(given, model, metric, column="value"):
    rows = given.evaluation
    chosen = rows[
        (rows["model"] == model)
        & (rows["metric"] == metric)
        & (rows["horizon"] == 1)
        & (rows["window"] == given.window)
    ]
    return chosen[column].squeeze()


def test_the_page_is_whole(page, bare):
    for one in (page, bare):
        assert one.wrongly_closed == []
        assert one.content.startswith("<!doctype html>")
        assert len(one.ids) == len(set(one.ids))
        assert '<html lang="en">' in one.content


def test_it_opens_with_the_verdict_of_each_model(given, page):
    for verdict in given.verdicts:
        assert " ".join(verdict.paragraph.split()) in page.text
        assert page.text.index(verdict.headline) < page.text.index("Headline figures")
    assert page.tags.index("article") < min(page.tags.index(tag) for tag in ("nav", "table", "img"))


def test_warnings_say_what_would_make_it_wrong(given, page):
    after = page.text.rindex("What would make this wrong")
    for warning in given.verdicts[0].warnings:
        assert page.text.index(warning) > after


def test_nothing_is_fetched_and_nothing_runs(page):
    outside = [one for one in page.addresses if not one.startswith(("#", "data:"))]
    assert outside == []
    assert not {"script", "iframe", "object", "embed"} & set(page.tags)
    for forbidden in ("@import", "url(", "http-equiv", "onload="):
        assert forbidden not in page.content
    assert len(page.content) < 3_000_000


def test_every_entry_of_the_contents_leads_somewhere(page):
    targets = [one[1:] for one in page.addresses if one.startswith("#")]
    assert len(targets) == 13
    assert set(targets) <= set(page.ids)


def test_every_figure_has_a_picture_an_alternative_and_a_caption(given, page):
    # 2 strategies, months, 2 × (reliability, confusion), coverage, errors, 3 prices, importance
    assert len(page.images) == 2 + 1 + 2 * 2 + 1 + 1 + 3 + 1
    for image in page.images:
        assert image["src"].startswith(SVG)
        assert len(image["alt"]) > 30
        assert int(image["width"]) > 0 < int(image["height"])
    for drawing in page.drawings():
        assert drawing.get("viewBox")
    captioned = [text for text in page.captions if given.sessions in text]
    assert len(captioned) == 2 + 1 + 2 * 2 + 1 + 1


def test_the_headline_is_the_evaluations(given):
    table = headline_table(given)
    for metric, label in (("rank_ic", "rank IC"), ("log_loss", "log-loss")):
        for model, _ in MODELS:
            (row,) = [row for row in table.rows if row[:2] == (label, model)]
            ends = [f"{cell(given, model, metric, side):.4f}" for side in ("low", "high")]
            assert row[2] == f"{cell(given, model, metric):.4f} [{', '.join(ends)}]"
            assert row[3].startswith(f"{cell(given, model, metric, 'naive_value'):.4f} (")
            assert row[4].startswith(f"{cell(given, model, metric, 'best_value'):.4f} (")
            skill = cell(given, model, metric, "skill")
            shown = f"{100 * skill:.2f} %" if metric == "log_loss" else f"{skill:.4f}"
            assert row[5].removeprefix("+").startswith(shown)
    (ridge,) = {row[7] for row in table.rows if row[0] == "log-loss"}
    assert ridge == f"{cell(given, 'ridge', 'log_loss'):.4f}"


def test_an_action_in_five_sessions_is_not_shown_as_the_next_sessions(given):
    """The action of a scoped version is judged at its own horizon; ridge beside it at the same."""
    rows = given.evaluation
    is_action = rows["metric"].isin(["log_loss", "accuracy"])
    later = rows[is_action & (rows["horizon"] == 1)].assign(horizon=5)
    nearer = later[later["model"] == "ridge"].assign(horizon=1, value=9.0)
    whole = pd.concat([rows[~is_action], later, nearer])
    table = headline_table(replace(given, evaluation=whole))
    assert headline_table(given).caption.startswith("Forecasts of the next session, out of sample")
    assert table.caption.startswith("Forecasts of the next session unless a metric says how many")
    labels = {row[0] for row in table.rows}
    assert {"rank IC", "log-loss, 5 sessions", "accuracy, 5 sessions"} <= labels
    assert not {"log-loss", "accuracy"} & labels
    (ridge,) = {row[7] for row in table.rows if row[0] == "log-loss, 5 sessions"}
    assert ridge == f"{cell(given, 'ridge', 'log_loss'):.4f}"


def test_every_row_of_the_tables_is_on_the_page(given, page):
    squeezed = page.text.replace(" ", "")
    tables = [headline_table(given), *(table for _, table in metric_tables(given))]
    for row in (row for table in tables for row in table.rows):
        assert "".join(row).replace(" ", "") in squeezed


def test_every_metric_of_every_horizon_is_there_and_only_the_first_is_open(given, page):
    tables = metric_tables(given)
    assert [horizon for horizon, _ in tables] == [1, 5]
    rows = given.evaluation
    for horizon, table in tables:
        assert len(table.rows) == rows[rows["horizon"] == horizon]["metric"].nunique()
        assert len(table.columns) == 1 + len(MODELS) + len(BASELINES)
    assert page.tags.count("details") == 2  # one around those of all further horizons


def test_a_strategys_figures_are_the_backtests(given):
    figures = given.backtests["lstm", "4"][0].figures().set_index("metric")
    table = trading_table(given, "long_short")
    place = table.columns.index("lstm")
    (sharpe,) = [row[place] for row in table.rows if row[0] == "Sharpe ratio, after costs"]
    value, low, high = figures.loc["sharpe_net", ["value", "low", "high"]]
    assert sharpe == f"{value:.2f} [{low:.2f}, {high:.2f}]"


def test_what_a_strategy_earned_is_beside_each_benchmark_that_is_known(given):
    assert {row[2] for row in excess_table(given).rows} == {"equal weight"}
    known = given.benchmarks.assign(ibov=0.001)
    beside = excess_table(replace(given, benchmarks=known))
    assert {row[2] for row in beside.rows} == {"equal weight", "IBOV"}


def test_an_index_that_is_not_known_is_said_to_be(page):
    assert "IBOV is not drawn: it is not known for these sessions." in page.text


def test_what_is_missing_is_said_in_words(bare):
    for said in (
        "No verdict: no model was judged in this window.",
        "No backtest was run for this report: it says nothing about returns after costs.",
        "No backtest was run, so no cost was assumed",
        "Importance was not measured for this report: lstm, random_forest.",
    ):
        assert said in bare.text


def test_an_importance_says_whose_it_is_and_on_which_sessions(page):
    said = "Of version 3 of random_forest, on sessions of its validation from 2022-01-03 to"
    assert said in page.text


def test_an_importance_that_is_not_there_says_why():
    none = {"lstm": Importance(pd.DataFrame(), "no version of lstm serves yet")}
    page = Page(report_html(replace(bare_input(), importances=none)))
    assert "Not drawn: no version of lstm serves yet." in page.text
    assert "Importance was not measured for this report: random_forest." in page.text


def test_which_version_serves_is_on_the_page(page):
    assert "Which version serves" not in page.text
    served = replace(bare_input(), standings=[Standing("lstm", "4", serving="3")])
    page = Page(report_html(served))
    assert "Which version serves" in page.text
    assert "lstm–34withnoneonthesesessions" in "".join(page.text.split())


def test_a_report_without_forecasts_or_quotes_says_so():
    given = bare_input()
    empty = replace(given, forecasts=given.forecasts.head(0), quotes=given.quotes.head(0))
    page = Page(report_html(empty))
    assert len(page.images) == 1  # coverage needs the evaluation alone
    for said in ("no session has a rank IC", "no action is known", "no ticker has both"):
        assert said in page.text


def test_the_prices_drawn_are_of_the_most_traded_tickers(given, page):
    assert given.most_traded[:3] == ["TICK11", "TICK10", "TICK09"]
    for ticker in given.most_traded[:3]:
        assert f"{ticker}: price and predicted actions" in page.text
    assert "TICK00: price" not in page.text


def test_hostile_names_are_shown_and_do_nothing():
    given = report_input(40)
    old = {"lstm": HOSTILE, "TICK11": HOSTILE}
    renamed = {
        name: getattr(given, name).replace({"model": old, "ticker": old})
        for name in ("evaluation", "forecasts")
    }
    verdict = replace(given.verdicts[0], paragraph=HOSTILE, warnings=(HOSTILE,))
    table = given.importances["random_forest"].table.replace("rank_of_some_feature_0", HOSTILE)
    page = Page(
        report_html(
            replace(
                given,
                title=HOSTILE,
                verdicts=[verdict],
                quotes=given.quotes.replace({"ticker": old}),
                importances={"random_forest": Importance(table, HOSTILE)},
                backtests={(HOSTILE, "4"): given.backtests["lstm", "4"]},
                facts={HOSTILE: HOSTILE},
                **renamed,
            )
        )
    )
    assert page.wrongly_closed == []
    assert "script" not in page.tags
    assert f"{HOSTILE}: price" in page.text
    assert not any("onerror" in image or "onload" in image for image in page.images)
    for drawing in page.drawings():
        assert not any(element.tag.endswith("script") for element in drawing.iter())


def test_a_walk_forward_shows_its_windows():
    page = Page(walk_forward_page())
    assert "Rank IC by test window" in page.text
    assert "Each window's models were trained on what came before it." in page.text


def test_two_versions_of_a_model_are_told_apart():
    given = bare_input()
    again = given.evaluation[given.evaluation["model"] == "lstm"].assign(model_version="5")
    both = replace(given, evaluation=pd.concat([given.evaluation, again]))
    assert sorted(both.names.values()) == ["lstm 4", "lstm 5", "random_forest"]


def test_a_window_that_was_not_evaluated_is_refused():
    with pytest.raises(DatasetError, match="no row of window '2019H1', it has holdout"):
        report_html(replace(bare_input(), window="2019H1"))


def test_the_same_input_makes_the_same_file_and_replaces_the_old_one(tmp_path, bare):
    path = tmp_path / "reports" / "holdout.html"
    path.parent.mkdir()
    path.write_text("old")
    assert write_report(path, bare_input()) == path
    assert path.read_text(encoding="utf-8") == bare.content
    assert [file.name for file in path.parent.iterdir()] == ["holdout.html"]


def test_a_report_that_cannot_be_made_leaves_the_old_one(tmp_path):
    path = tmp_path / "holdout.html"
    path.write_text("old")
    with pytest.raises(DatasetError):
        write_report(path, replace(bare_input(), window="2019H1"))
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_sessions_are_counted_once(given):
    n_sessions = given.forecasts["session"].nunique()
    assert given.sessions == f"2023-01-02 to 2023-05-05, {n_sessions} sessions"
    assert n_sessions == len(np.unique(given.forecasts["session"])) == 90
