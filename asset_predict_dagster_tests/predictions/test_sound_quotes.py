"""Quotes that a person brings are forecast only where they could be the table's own."""

import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster.errors import DatasetError, TableError
from asset_predict_dagster.market.quotes import adjust
from asset_predict_dagster.predictions.sound_quotes import sound_quotes
from asset_predict_dagster.tables import QUOTES
from asset_predict_dagster_tests.market.hand_made_quotes import day, events, quotes_of, raw

SOLD = {"trades": 7, "quantity": 100, "volume_brl": 1000.0, "distribution_number": 1}


def january() -> pd.DataFrame:
    """A dividend of R$ 2 on a close of 10: from the third on one paper has become 1.2."""
    days = {2: 10.0, 3: 10.0, 4: 11.0}
    traded = quotes_of(*(raw(of_january, close, **SOLD) for of_january, close in days.items()))
    return adjust(traded, events((3, "cash_dividend", 2.0)))


def last(quotes: pd.DataFrame, **changed: object) -> pd.DataFrame:
    changes = quotes.copy()
    for name, value in changed.items():
        changes[name] = changes[name].where(changes["session"] < day(4), value)
    return changes


def test_rows_of_the_table_pass_as_they_are_in_the_order_of_its_key():
    given = january()
    found = sound_quotes(given[::-1].assign(note="mine"))
    pd.testing.assert_frame_equal(found, given, check_dtype=False)


@pytest.mark.parametrize("typed", ["zzaa3", " ZZAA3", "zzaa3.sa"])
def test_a_paper_typed_in_another_way_is_the_same_paper(typed):
    """Under two codes it would stand in the market twice."""
    found = sound_quotes(january().assign(ticker=typed, traded_as=typed))
    assert set(found["ticker"]) == set(found["traded_as"]) == {"ZZAA3"}


def test_a_paper_typed_in_two_ways_has_each_session_twice():
    both = pd.concat([january(), january().assign(ticker="zzaa3")])
    with pytest.raises(TableError, match="3 rows repeat another's"):
        sound_quotes(both)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"close": -11.0}, "'close ≥ 0' was expected, and does not hold in 1 of 3 rows"),
        ({"close": np.inf}, "'close is finite' was expected"),
        ({"close": np.nan}, "'close is never missing' was expected"),
        ({"volume_brl": -1.0}, "'volume_brl ≥ 0' was expected"),
        ({"quantity": -1}, "'quantity ≥ 0' was expected"),
        ({"low": 0.0}, "0 < low ≤ open, close ≤ high was expected, and open 11, high 11, low 0"),
        ({"close": 1100.0}, "close ≤ high was expected, and open 11, high 11, low 11, close 1100"),
        ({"close": 1100.0, "high": 1100.0}, r"adjusted_high should be high × split_factor"),
        ({"adjusted_close": 11.0}, "adjusted_close should be close × .*, 13.2, and 11 was found"),
        ({"ticker": "ZZAB3"}, "traded_as should be ZZAB3 on the last day given, and 'ZZAA3'"),
    ],
)
def test_what_the_table_never_holds_is_refused_with_its_place(changed, says):
    with pytest.raises(DatasetError, match=says) as refused:
        sound_quotes(last(january(), **changed))
    assert changed.get("ticker", "ZZAA3") in str(refused.value)
    assert "2024-01-04" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_person_rounds_and_an_earlier_code_is_history():
    given = january()
    given["adjusted_close"] = given["adjusted_close"].astype("float32").astype(float)
    given.loc[0, "traded_as"] = "ZZOL3"
    assert list(sound_quotes(given)["traded_as"]) == ["ZZOL3", "ZZAA3", "ZZAA3"]


def test_what_a_source_does_not_say_may_be_missing():
    given = january().assign(average=np.nan, trades=np.nan, best_bid=np.nan, best_ask=np.nan)
    assert len(sound_quotes(given)) == 3
    assert set(given.columns) == set(QUOTES.column_names)
