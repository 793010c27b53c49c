"""Two versions of a table differ by exactly the rows and values that a person would name."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.dataset_comparison import FIRST_ROWS, compare_versions
from asset_predict_dagster.errors import TableError
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.tables import FLAG, INSTANT, NUMBER, TEXT, WHOLE, Column, Table, widen

CLOSES = Table(
    "closes",
    "one ticker, at one term",
    ("ticker", "term"),
    (
        Column("ticker", TEXT, "B3's code"),
        Column("term", WHOLE, "days; missing for most", required=False),
        Column("close", NUMBER, "last trade", required=False),
        Column("trades", WHOLE, "number of trades"),
        Column("is_halted", FLAG, "a flag"),
        Column("written_at", INSTANT, "a clock reading"),
    ),
    volatile=("written_at",),
)
NOON = datetime(2024, 1, 2, 12, tzinfo=UTC)
LARGE = 2**53


def closes(**prices: float) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "ticker": list(prices),
            "term": np.nan,
            "close": list(prices.values()),
            "trades": LARGE,
            "is_halted": False,
            "written_at": pd.Timestamp(NOON),
        }
    )


BEFORE = closes(ZZAA3=10.0, ZZAB3=20.0, ZZAC3=np.nan, ZZAD3=40.0)


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "lake")


def compared(lake: Lake, before: pd.DataFrame, after: pd.DataFrame, table: Table = CLOSES):
    lake.write(table, before)
    lake.write(table, after)
    return compare_versions(lake, table, 0, lake.version(table))


def by_column(counts: pd.DataFrame) -> dict:
    return {row.column: (row.n_changed, row.largest_change) for row in counts.itertuples()}


def test_rows_that_came_went_and_changed_are_told_apart(lake):
    found = compared(lake, BEFORE, closes(ZZAA3=10.0, ZZAB3=20.5, ZZAC3=np.nan, ZZAE3=50.0))
    assert (found.n_added, found.n_removed, found.n_changed, found.n_same) == (1, 1, 1, 2)
    assert found.first_added["ticker"].tolist() == ["ZZAE3"]
    assert found.first_added["close"].tolist() == [50.0]
    assert found.first_removed["ticker"].tolist() == ["ZZAD3"]
    assert found.first_changed.drop(columns="term").to_dict("records") == [
        {"ticker": "ZZAB3", "column": "close", "old": 20.0, "new": 20.5}
    ]
    assert found.first_changed["term"].isna().all()
    assert by_column(found.columns)["close"] == (1, 0.5)
    assert not found.says_the_same


def test_a_version_says_the_same_as_itself_missing_values_included(lake):
    lake.write(CLOSES, BEFORE)
    found = compare_versions(lake, CLOSES, 0, 0)
    assert (found.n_same, found.n_changed, found.n_added, found.n_removed) == (4, 0, 0, 0)
    assert found.says_the_same
    assert found.columns["n_changed"].sum() == 0
    assert found.columns["largest_change"].isna().all()


def test_the_largest_change_is_absolute_and_of_numbers_alone(lake):
    after = BEFORE.assign(
        close=[9.0, 17.0, 3.0, np.nan],
        trades=[LARGE, LARGE + 2, LARGE, LARGE],
        is_halted=[True, False, False, False],
    )
    found = compared(lake, BEFORE, after)
    columns = by_column(found.columns)
    assert columns["close"] == (4, 3.0)  # 10 → 9, 20 → 17; from and to a missing value count, too
    assert columns["trades"] == (1, 2.0)
    assert columns["is_halted"][0] == 1
    assert np.isnan(columns["is_halted"][1])
    assert found.n_changed == 4


def test_whole_numbers_beyond_the_precision_of_floats_are_told_apart(lake):
    after = BEFORE.assign(trades=[LARGE + 1, LARGE, LARGE, LARGE])
    assert by_column(compared(lake, BEFORE, after).columns)["trades"][0] == 1


def test_a_clock_reading_is_listed_apart_and_changes_no_row(lake):
    later = BEFORE.assign(written_at=pd.Timestamp(NOON) + pd.Timedelta(1, "h"))
    found = compared(lake, BEFORE, later)
    assert by_column(found.volatile)["written_at"][0] == 4
    assert "written_at" not in set(found.columns["column"])
    assert (found.n_changed, found.n_same) == (0, 4)
    assert found.first_changed.empty
    assert found.says_the_same


def test_a_missing_part_of_a_key_is_a_value_like_any_other(lake):
    terms = pd.concat([closes(ZZAA3=1.0), closes(ZZAA3=2.0).assign(term=30)])
    after = pd.concat([closes(ZZAA3=1.0), closes(ZZAA3=2.5).assign(term=30)])
    found = compared(lake, terms, after)
    assert (found.n_same, found.n_changed) == (1, 1)
    assert found.first_changed["term"].tolist() == [30]


def test_columns_of_one_version_alone_are_named(lake):
    wider = widen(CLOSES, [Column("open", NUMBER, "first trade")])
    lake.write(CLOSES, BEFORE)
    lake.write(wider, BEFORE.assign(open=1.0))
    found = compare_versions(lake, wider, 0, 1)
    assert (found.only_in_old, found.only_in_new) == ((), ("open",))
    assert found.n_same == 4
    assert not found.says_the_same
    back = compare_versions(lake, CLOSES, 1, 0)
    assert (back.only_in_old, back.only_in_new) == (("open",), ())


def test_only_the_first_rows_are_shown_and_all_are_counted(lake):
    many = closes(**{f"ZZ{i:03d}3": float(i) for i in range(100)})
    found = compared(lake, many, many.assign(close=many["close"] + 1, trades=LARGE + 2))
    assert found.n_changed == 100
    assert found.first_changed["ticker"].nunique() == FIRST_ROWS
    assert len(found.first_changed) == 2 * FIRST_ROWS
    gone = compared(lake, many, many.head(0))
    assert (gone.n_removed, len(gone.first_removed)) == (100, FIRST_ROWS)
    assert gone.first_removed["ticker"].tolist() == many["ticker"].head(FIRST_ROWS).tolist()


def test_a_repeated_key_cannot_be_compared(lake):
    twice = pd.concat([BEFORE, BEFORE.head(1)])
    with pytest.raises(TableError, match=r"key \(ticker, term\) must stand once"):
        compared(lake, BEFORE, twice)


def test_a_version_that_is_not_there_cannot_be_compared(lake):
    lake.write(CLOSES, BEFORE)
    with pytest.raises(TableError, match="version 4 of table 'closes'"):
        compare_versions(lake, CLOSES, 0, 4)


prices = st.dictionaries(
    st.sampled_from(["ZZAA3", "ZZAB3", "ZZAC3", "ZZAD3"]),
    st.sampled_from([1.0, 2.0, np.nan]),
    max_size=4,
)


@settings(max_examples=20, deadline=None)
@given(before=prices, after=prices)
def test_a_comparison_is_that_of_two_dictionaries(tmp_path_factory, before, after):
    lake = Lake(tmp_path_factory.mktemp("lake"))
    found = compared(lake, closes(**before), closes(**after))
    both = before.keys() & after.keys()
    changed = {t for t in both if not np.array_equal(before[t], after[t], equal_nan=True)}
    assert (found.n_added, found.n_removed) == (len(after) - len(both), len(before) - len(both))
    assert (found.n_changed, found.n_same) == (len(changed), len(both) - len(changed))
    assert set(found.first_changed["ticker"]) == changed
