"""What is found of the chain is true of the tables: they are what it makes, to the bit."""

import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster.dataset.stored_tables import STORED, unequal_stored_rows
from asset_predict_dagster_tests.dataset.leak_market import LAST, as_of, whole

LAST_DAY = pd.Timestamp(LAST)


def session(place: int) -> pd.Timestamp:
    return pd.Timestamp(np.unique(whole().quotes["session"].to_numpy())[place])


def stored(**altered) -> dict[str, pd.DataFrame]:
    """The tables as the pipeline stores them, some in another form."""
    return {name: altered.get(name, getattr(whole(), name)) for name in STORED}


def found_in(**altered) -> dict[str, int]:
    """Column of a finding → how many rows it is about."""
    found = unequal_stored_rows(stored(**altered), as_of)
    assert {one["how"] for one in found} <= {"stored"}
    return {one["column"]: one["n_rows"] for one in found}


def test_tables_that_are_what_the_records_make_are_left_alone():
    assert found_in() == {}


def test_a_feature_of_tomorrow_in_old_rows_is_named_however_long_ago():
    features = whole().features.copy()
    tomorrow = features.groupby("ticker")["rsi_14"].shift(-1)
    is_old = (features["session"] == session(100)) & tomorrow.notna()
    features.loc[is_old, "rsi_14"] = tomorrow
    assert found_in(features=features) == {"stored.features.rsi_14": is_old.sum()}


def test_a_single_bit_is_enough():
    quotes = whole().quotes.copy()
    quotes.loc[7, "adjusted_close"] = np.nextafter(quotes.loc[7, "adjusted_close"], np.inf)
    assert found_in(quotes=quotes) == {"stored.quotes.adjusted_close": 1}


def test_a_universe_of_survivors_is_named():
    universe = whole().universe
    in_the_end = universe.groupby("ticker")["in_universe"].transform("last")
    n_others = (in_the_end != universe["in_universe"]).sum()
    survivors = universe.assign(in_universe=in_the_end)
    assert found_in(universe=survivors) == {"stored.universe.in_universe": n_others}


def test_a_label_made_of_today_is_named():
    today = whole().features["rank_log_return_1d"].astype("float64")
    labels = whole().labels.assign(return_rank_1d=today)
    assert list(found_in(labels=labels)) == ["stored.labels.return_rank_1d"]


@pytest.mark.parametrize("name", STORED)
def test_a_row_that_is_missing_is_named(name):
    table = getattr(whole(), name).drop(index=50).reset_index(drop=True)
    assert found_in(**{name: table}) == {f"stored.{name}.(rows)": 1}


def test_labels_may_be_of_an_earlier_day_since_a_prediction_makes_none():
    earlier = as_of(session(-20))
    assert found_in(labels=earlier.labels) == {}


def test_features_that_are_behind_their_quotes_are_not_excused():
    earlier = as_of(session(-2))
    n_today = (whole().quotes["session"] == LAST_DAY).sum()
    assert found_in(features=earlier.features) == {"stored.features.(rows)": n_today}
