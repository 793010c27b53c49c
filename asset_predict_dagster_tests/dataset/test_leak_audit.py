"""Nothing of the real chain looks ahead, and a leak planted anywhere in it is named."""

import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster.dataset import chain, leak_audit
from asset_predict_dagster.dataset.chain import (
    Chain,
    Tables,
    split_labels,
)
from asset_predict_dagster.dataset.features import FEATURE_NAMES, TABLE
from asset_predict_dagster.dataset.label_leaks import find_label_leaks
from asset_predict_dagster.dataset.leak_audit import audit, draw_sample
from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.market.adjustment import back_adjusted
from asset_predict_dagster.market.universe import liquid_universe
from asset_predict_dagster.tables import SHARE_KINDS
from asset_predict_dagster_tests.dataset.leak_market import LAST, market, stretch, whole


def test_nothing_of_the_real_chain_looks_ahead_and_its_labels_are_honest():
    done = audit(market().chain, *stretch())
    assert done.leaks.empty, done.leaks.to_string()
    counts = done.tested.set_index("stage")
    assert list(counts.index) == ["quotes", "universe", "features", "input", "labels", "learned"]
    n_features = len(TABLE.point_in_time_columns) - 1  # without the session
    assert counts.loc["features", "n_columns"] == n_features
    assert counts.loc["input", "n_columns"] >= len(FEATURE_NAMES)
    assert (counts["n_values"] > 100_000).all()
    rows, cuts = stretch()
    assert (counts["n_cuts"].drop("learned") == 3).all()
    at_cuts = rows["session"].isin(cuts) & (rows["market_type"] == "010")
    assert (counts["n_cut_rows"].drop("learned") == at_cuts.sum()).all()
    # With a label and without: that takes no cut.
    assert counts.loc["learned", ["n_cuts", "n_cut_rows"]].tolist() == [0, 0]


class BackAdjusted(Chain):
    """Its prices are adjusted by what happens later."""

    def _tables(self, spot, events):
        tables = super()._tables(spot, events)
        charted = back_adjusted(tables.quotes)
        adjusted = {f"adjusted_{name}": charted[name] for name in ("open", "high", "low", "close")}
        return Tables(tables.quotes.assign(**adjusted), tables.universe, tables.features)


class UniverseOfSurvivors(Chain):
    """Its universe holds whoever is liquid in the end."""

    def _tables(self, spot, events):
        tables = super()._tables(spot, events)
        universe = liquid_universe(tables.quotes)
        chosen = universe.groupby("ticker")["in_universe"].transform("last")
        return Tables(tables.quotes, universe.assign(in_universe=chosen), tables.features)


class FeaturesOfTomorrow(Chain):
    """Its RSI is that of the next session."""

    def _tables(self, spot, events):
        tables = super()._tables(spot, events)
        ahead = tables.features.groupby("ticker")["rsi_14"].shift(-1)
        return Tables(tables.quotes, tables.universe, tables.features.assign(rsi_14=ahead))


@pytest.mark.parametrize(
    ("planted", "columns"),
    [
        (
            BackAdjusted,
            {f"quotes.adjusted_{name}" for name in ("open", "high", "low", "close")},
        ),
        (
            UniverseOfSurvivors,
            {"universe.in_universe", "input.in_universe", "input.is_forecastable"},
        ),
        (FeaturesOfTomorrow, {"features.rsi_14", "input.rsi_14"}),
    ],
)
def test_a_leak_planted_anywhere_in_the_chain_is_named_where_it_enters(planted, columns):
    honest = market().chain
    leaky = planted(honest.listed, honest.renames, honest.classes)
    found = audit(leaky, *stretch(), what=["known"]).leaks
    assert set(found["column"]) == columns


def test_a_label_in_the_samples_that_models_learn_from_is_named(monkeypatch):
    """They are built with labels when a model is trained, and without when it forecasts."""
    honest = chain.build_samples

    def leaky(table, universe, labels=None):
        samples = honest(table, universe, labels)
        if labels is not None:
            samples.features[:, samples.feature_names.index("rsi_14")] = labels["return_rank_1d"]
        return samples

    monkeypatch.setattr(chain, "build_samples", leaky)
    found = audit(market().chain, *stretch(), what=["known"]).leaks
    assert set(zip(found["column"], found["how"], strict=True)) == {
        ("learned.rsi_14", "learned"),
        ("input.rsi_14", "truncated"),
        ("input.rsi_14", "perturbed"),
    }


class LabelAmongFeatures(Chain):
    """Its RSI is a label."""

    def _tables(self, spot, events):
        tables = super()._tables(spot, events)
        label = tables.labels["realised_return_3d"].to_numpy()
        return Tables(tables.quotes, tables.universe, tables.features.assign(rsi_14=label))


def test_a_label_among_the_features_is_named_with_the_label():
    honest = market().chain
    leaky = LabelAmongFeatures(honest.listed, honest.renames)
    found = audit(leaky, *stretch(), what=["labels"]).leaks
    copies = found.loc[found["how"] == "copy", "column"]
    assert copies.tolist() == ["features.rsi_14 = labels.realised_return_3d"]


def test_signal_cluster_is_declared_known_at_t_and_would_be_found_if_it_were_not():
    later, at_once = split_labels()
    assert at_once == ["signal_cluster"]
    assert "signal_cluster" not in later
    rows, cuts = stretch()
    found = find_label_leaks(
        lambda records: market().chain.tables(records).labels,
        rows[rows["market_type"] == "010"],
        columns=["signal_cluster", "action"],
        cuts=cuts,
    )
    assert set(zip(found["column"], found["how"], strict=True)) == {
        ("signal_cluster", "known_at_t")
    }


def test_of_the_table_of_labels_each_column_is_tested_as_it_is_declared(monkeypatch):
    """One that is declared known at t may not look ahead, and a label may not be known at t."""
    honest = chain.compute_labels

    def mixed_up(quotes, universe, table):
        labels = honest(quotes, universe, table)
        tomorrow = labels.groupby("ticker")["action"].shift(-1)
        today = table["rank_log_return_1d"].to_numpy(dtype=np.float64)
        return labels.assign(signal_cluster=tomorrow, return_rank_1d=today)

    monkeypatch.setattr(chain, "compute_labels", mixed_up)
    found = audit(market().chain, *stretch(), what=["labels"]).leaks
    found = found[found["how"] != "copy"]
    hows = found.groupby("column")["how"].unique().map(set).to_dict()
    assert hows == {
        "labels.signal_cluster": {"truncated", "perturbed"},
        "labels.return_rank_1d": {"known_at_t"},
    }


def test_share_events_that_nobody_lists_are_part_of_the_chain():
    factors = whole().quotes.groupby("ticker")["split_factor"].last()
    assert (factors != 1).any()
    assert not market().chain.listed["kind"].isin(SHARE_KINDS).any()


# --- Samples -----------------------------------------------------------------------------------


def test_a_sample_is_the_same_for_a_seed_and_another_one_for_another():
    rows, cuts = draw_sample(market().records, 3, seed=2, latest=False)
    again, cuts_again = draw_sample(market().records, 3, seed=2, latest=False)
    pd.testing.assert_frame_equal(rows, again)
    assert cuts == cuts_again
    starts = [
        draw_sample(market().records, 3, seed=seed, latest=False)[0]["session"].min()
        for seed in range(4)
    ]
    assert min(starts) < max(starts)
    latest = [draw_sample(market().records, 3, seed=seed, latest=True)[1] for seed in range(2)]
    assert latest[0] != latest[1]


def test_the_latest_sample_ends_with_the_last_session_and_cuts_on_its_eve():
    rows, cuts = stretch()
    sessions = np.unique(market().records["session"].to_numpy())
    assert rows["session"].max() == pd.Timestamp(LAST)
    assert rows["session"].nunique() == 400
    assert cuts[-1] == pd.Timestamp(sessions[-2])


def test_a_large_market_is_sampled_by_ticker(monkeypatch):
    monkeypatch.setattr(leak_audit, "MAX_TICKERS", 12)
    rows, _ = draw_sample(market().records, 3, seed=2, latest=True)
    assert rows["ticker"].nunique() == 12


def test_a_history_of_one_session_has_nothing_to_test():
    records = market().records
    one_day = records[records["session"] == records["session"].min()]
    rows, cuts = draw_sample(one_day, 3, seed=1, latest=True)
    assert cuts == []
    with pytest.raises(DatasetError, match="found none, which would test nothing"):
        audit(market().chain, rows, cuts)
