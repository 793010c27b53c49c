"""Labels are what a person would work out from later prices, and missing where there are none."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from asset_predict_dagster.dataset.labels import SPAN, actions, compute_labels
from asset_predict_dagster.dataset.samples import HORIZONS
from asset_predict_dagster.market.sessions import is_session, sessions_between
from asset_predict_dagster.tables import LABELS

MISSING = float("nan")

DAYS = sessions_between(date(2020, 11, 16), date(2020, 11, 27))
"""Ten sessions of B3's calendar, two weeks. Nobody's file has the fifth, Friday 2020-11-20."""

TABLE = [name for name in LABELS.column_names if name not in LABELS.point_in_time_columns]
TABLE.remove("ticker")
WEIGHTS = ["uniqueness", "uniqueness_triple_barrier"]
RETURNS = [f"realised_return_{h}d" for h in HORIZONS]
TRADABLE = [f"realised_return_tradable_{h}d" for h in HORIZONS]
RANKS = [f"return_rank_{h}d" for h in HORIZONS]


def quotes_from(closes, days=DAYS):
    """{ticker: {position of the session: adjusted close}} as rows of quotes."""
    rows = [
        (ticker, days[position], close)
        for ticker, of_ticker in sorted(closes.items())
        for position, close in sorted(of_ticker.items())
    ]
    table = pd.DataFrame(rows, columns=["ticker", "session", "adjusted_close"])
    return table.assign(
        session=table["session"].to_numpy().astype("datetime64[us]"),
        adjusted_close=table["adjusted_close"].astype("float64"),
    )


OVERSOLD = {"rsi_14": 25.0, "macd": 0.1, "volume_change": 0.2, "price_momentum_5": -0.1}


def labels_of(quotes, in_universe=True, volatility=0.02):
    universe = pd.DataFrame({"in_universe": np.broadcast_to(in_universe, len(quotes))})
    features = pd.DataFrame({"volatility_21d": np.broadcast_to(volatility, len(quotes))})
    return compute_labels(quotes, universe, features.assign(**OVERSOLD))


TWO_WEEKS = {
    "ALWA3": {0: 10, 1: 11, 2: 12, 3: 15, 5: 18, 6: 20, 7: 24, 8: 30, 9: 36},
    "GONE3": {0: 10, 1: 20, 2: 30},  # delisted after the third session
    "HALT3": {0: 10, 1: 12, 5: 15, 6: 15, 7: 30, 8: 30, 9: 30},  # halted on the third and fourth
    "NEWS3": {6: 10, 7: 20, 8: 40, 9: 80},  # listed on the seventh
}


@pytest.fixture(scope="module")
def two_weeks():
    table = labels_of(quotes_from(TWO_WEEKS))
    position = np.searchsorted(DAYS, table["session"].to_numpy().astype("datetime64[D]"))
    return table.set_index([table["ticker"], position])


def test_the_missing_friday_is_a_session_of_the_calendar():
    assert len(DAYS) == 10 and DAYS[4] == np.datetime64("2020-11-20")
    assert is_session(date(2020, 11, 20))


@pytest.mark.parametrize(
    ("ticker", "position", "by_hand"),
    [
        # 10 → 11, 12, 15, then nobody trades on Friday: 15 again, then 18.
        ("ALWA3", 0, [0.1, 0.2, 0.5, 0.5, 0.8]),
        # The session before the gap: nothing traded on Friday, so one session has no return.
        ("ALWA3", 3, [MISSING, 3 / 15, 5 / 15, 9 / 15, 15 / 15]),
        # The tail: two sessions are left after the eighth.
        ("ALWA3", 7, [6 / 24, 12 / 24, MISSING, MISSING, MISSING]),
        ("ALWA3", 9, [MISSING] * 5),
        # A delisted ticker keeps its last price while its span still holds a trade.
        ("GONE3", 0, [1.0, 2.0, 2.0, 2.0, 2.0]),
        ("GONE3", 2, [MISSING] * 5),
        # Halted over three sessions; the first trade after is 15.
        ("HALT3", 0, [0.2, 0.2, 0.2, 0.2, 0.5]),
        ("HALT3", 1, [MISSING, MISSING, MISSING, 0.25, 0.25]),
        ("NEWS3", 6, [1.0, 3.0, 7.0, MISSING, MISSING]),
    ],
)
def test_a_return_runs_from_the_close_of_t(two_weeks, ticker, position, by_hand):
    found = two_weeks.loc[(ticker, position), RETURNS].to_numpy(dtype=float)
    np.testing.assert_allclose(found, by_hand)


@pytest.mark.parametrize(
    ("ticker", "position", "by_hand"),
    [
        ("ALWA3", 0, [1 / 11, 4 / 11, 4 / 11, 7 / 11, 9 / 11]),
        # Entered on the Friday without trades, at Thursday's 15.
        ("ALWA3", 3, [3 / 15, 5 / 15, 9 / 15, 15 / 15, 21 / 15]),
        ("ALWA3", 7, [6 / 30, MISSING, MISSING, MISSING, MISSING]),
        ("GONE3", 0, [0.5, 0.5, 0.5, 0.5, 0.5]),
        ("GONE3", 1, [MISSING] * 5),
        ("HALT3", 0, [MISSING, MISSING, MISSING, 0.25, 0.25]),
        ("HALT3", 1, [MISSING, MISSING, 0.25, 0.25, 1.5]),
        ("NEWS3", 6, [1.0, 3.0, MISSING, MISSING, MISSING]),
    ],
)
def test_a_tradable_return_runs_from_the_close_after_t(two_weeks, ticker, position, by_hand):
    found = two_weeks.loc[(ticker, position), TRADABLE].to_numpy(dtype=float)
    np.testing.assert_allclose(found, by_hand)


def test_a_session_ahead_without_a_trade_is_flagged(two_weeks):
    halted = two_weeks["is_halted_1d"]
    assert halted["ALWA3"].tolist() == [False, False, False, True, *[False] * 4, pd.NA]
    assert halted["GONE3"].tolist() == [False, False, True]
    assert halted["HALT3"].tolist() == [False, True, False, False, False, False, pd.NA]


def test_every_last_price_that_a_return_uses_is_flagged(two_weeks):
    """Six sessions ahead of the first one; nobody trades on the fifth session, the Friday."""
    ahead = [f"is_halted_{k}d" for k in range(1, SPAN + 1)]
    found = {
        ticker: two_weeks.loc[(ticker, 0), ahead].tolist()
        for ticker in TWO_WEEKS
        if ticker != "NEWS3"
    }
    assert found == {
        "ALWA3": [False, False, False, True, False, False],
        "GONE3": [False, False, True, True, True, True],
        "HALT3": [False, True, True, True, False, False],
    }


def test_the_labels_name_their_alternatives(two_weeks):
    """10 → 11 is a gain beyond .5 × .02 × √5 on the first session; so is every one but a halt."""
    assert two_weeks.loc[("ALWA3", 0), "action_triple_barrier"] == "buy"
    assert two_weeks.loc[("ALWA3", 0), "triple_barrier_touch"] == pd.Timestamp(DAYS[1])
    assert two_weeks.loc[("HALT3", 1), "action_triple_barrier"] == "buy"
    assert two_weeks.loc[("HALT3", 1), "triple_barrier_touch"] == pd.Timestamp(DAYS[5])
    # A delisted ticker: what it last cost decides, and without a trade in the span nothing does.
    assert two_weeks.loc["GONE3", "action_triple_barrier"].tolist()[:2] == ["buy", "buy"]
    assert pd.isna(two_weeks.loc[("GONE3", 2), "action_triple_barrier"])
    # The sixth session of ten has four after it: its time is not up, whatever it reached.
    assert two_weeks.loc["ALWA3", "action_triple_barrier"].isna().tolist() == (
        [False] * 4 + [True] * 5
    )


def test_six_labels_of_a_ticker_share_each_session(two_weeks):
    """By hand: the spans of the first row, sessions 1 to 6, hold 1, 2, 3, 4, 4 and 5 labels."""
    weight = two_weeks.loc[("ALWA3", 0), "uniqueness"]
    assert weight == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4 + 1 / 4 + 1 / 5) / 6)
    # By barriers every label of these rising prices ends with the next trade and shares nothing.
    own = two_weeks.loc["ALWA3", "uniqueness_triple_barrier"].dropna()
    assert own.tolist() == [1.0] * 4


def test_the_signal_cluster_is_known_at_the_close_of_t_and_is_no_label(two_weeks):
    assert set(two_weeks["signal_cluster"]) == {"buy"}  # the tail too: it forecasts nothing
    assert LABELS.point_in_time_columns == ["session", "signal_cluster"]
    [column] = [column for column in LABELS.columns if column.name == "signal_cluster"]
    assert column.meaning.startswith("NOT a label")


def test_the_span_ends_six_sessions_of_the_calendar_later(two_weeks):
    ends = two_weeks["span_end"]
    assert SPAN == 6
    assert ends["ALWA3"].dropna().to_numpy().astype("datetime64[D]").tolist() == DAYS[6:].tolist()
    assert ends["HALT3"].notna().tolist() == [True, True] + [False] * 5


def test_ranks_compare_the_tickers_whose_outcome_is_known(two_weeks):
    """On the first session one tradable return is 1/11, one 1/2, and the halted one's unknown."""
    first = two_weeks.xs(0, level=1)["return_rank_1d"]
    by_hand = {"ALWA3": -0.6745, "GONE3": 0.6745, "HALT3": MISSING}
    assert first.to_dict() == pytest.approx(by_hand, abs=1e-4, nan_ok=True)
    # Over four sessions: 7/11, 1/2 and 1/4.
    fourth = two_weeks.xs(0, level=1)["return_rank_4d"]
    assert fourth.rank().to_dict() == {"ALWA3": 3, "GONE3": 2, "HALT3": 1}


def test_a_ticker_outside_the_universe_has_no_rank_and_is_nobodys_peer():
    quotes = quotes_from(TWO_WEEKS)
    table = labels_of(quotes, in_universe=(quotes["ticker"] != "GONE3").to_numpy())
    first = table[table["session"] == table["session"].min()].set_index("ticker")
    assert first["return_rank_1d"].isna().tolist() == [False, True, True]
    assert first.loc["ALWA3", "return_rank_1d"] == 0.0
    assert first.loc["GONE3", "realised_return_tradable_1d"] == 0.5


def test_an_action_is_a_return_beyond_half_the_volatility():
    forward = np.array([0.011, 0.010, 0.009, -0.009, -0.010, -0.011, 0.0, MISSING])
    named = actions(forward, np.full(8, 0.02)).tolist()
    assert named[:7] == ["buy", "hold", "hold", "hold", "hold", "sell", "hold"]
    assert pd.isna(named[7])


@pytest.mark.parametrize("volatility", [0.0, MISSING])
def test_without_volatility_there_is_no_action(volatility):
    table = labels_of(quotes_from(TWO_WEEKS), volatility=volatility)
    assert table["action"].isna().all()
    assert table["realised_return_1d"].notna().any()


def test_the_action_is_missing_where_the_next_session_had_no_trade(two_weeks):
    assert two_weeks["action"].isna().equals(two_weeks["realised_return_1d"].isna())
    assert two_weeks.loc[("ALWA3", 0), "action"] == "buy"
    assert two_weeks.loc[("HALT3", 5), "action"] == "hold"


# --- The same for any market -----------------------------------------------------------------

TICKERS = ("AAAA3", "BBBB3", "CCCC3")
N_DAYS = 20
LONG = sessions_between(date(2020, 11, 9), date(2020, 12, 31))[:N_DAYS]

prices = st.dictionaries(
    st.integers(0, N_DAYS - 1), st.integers(1, 100).map(float), min_size=1, max_size=N_DAYS
)
markets = st.fixed_dictionaries(dict.fromkeys(TICKERS, prices))


def return_by_hand(closes, known_until, entry, exit_):
    """Last price by `exit_` over last price by `entry`, if a trade lies between."""
    if exit_ > known_until or not any(entry < day <= exit_ for day in closes):
        return MISSING
    last_by_entry = closes[max(day for day in closes if day <= entry)]
    return closes[max(day for day in closes if day <= exit_)] / last_by_entry - 1


@given(market=markets)
@settings(max_examples=60, deadline=None)
def test_every_return_is_that_of_a_plain_loop(market):
    table = labels_of(quotes_from(market, LONG))
    known_until = max(day for closes in market.values() for day in closes)
    for row in table.to_dict("records"):
        t = int(np.searchsorted(LONG, np.datetime64(row["session"], "D")))
        closes = market[row["ticker"]]
        for h in HORIZONS:
            realised = return_by_hand(closes, known_until, t, t + h)
            tradable = return_by_hand(closes, known_until, t + 1, t + 1 + h)
            np.testing.assert_allclose(row[f"realised_return_{h}d"], realised)
            np.testing.assert_allclose(row[f"realised_return_tradable_{h}d"], tradable)
        if t + 1 <= known_until:
            assert row["is_halted_1d"] == (t + 1 not in closes)
        else:
            assert pd.isna(row["is_halted_1d"])


@given(market=markets, t=st.integers(0, N_DAYS - 1))
@settings(max_examples=60, deadline=None)
def test_nothing_up_to_t_decides_a_label_of_t(market, t):
    """With nothing after t, every label of t is missing, and so is the end of its span."""
    known = {
        ticker: {day: close for day, close in closes.items() if day <= t}
        for ticker, closes in market.items()
    }
    quotes = quotes_from(known, LONG)
    assume(len(quotes))
    table = labels_of(quotes)
    last = table[table["session"] == table["session"].max()]
    assert last[TABLE].isna().all(axis=None)


@given(market=markets, other=markets, end=st.integers(0, N_DAYS - 1))
@settings(max_examples=60, deadline=None)
def test_what_comes_after_its_span_never_changes_a_label(market, other, end):
    assume(any(day <= end for closes in market.values() for day in closes))
    goes_on_otherwise = {
        ticker: {day: close for day, close in closes.items() if day <= end}
        | {day: close for day, close in other[ticker].items() if day > end}
        for ticker, closes in market.items()
    }
    key = ["ticker", "session"]
    one, two = (labels_of(quotes_from(c, LONG)) for c in (market, goes_on_otherwise))
    one, two = (table[table["span_end"] <= pd.Timestamp(LONG[end])] for table in (one, two))
    # A span has an end where the data reach it, and one of the two may not go on at all.
    both = one[key].merge(two[key])
    pd.testing.assert_frame_equal(one.merge(both), two.merge(both), check_exact=True)
    assert len(both) == min(len(one), len(two))


@given(market=markets, other=markets, t=st.integers(1, N_DAYS - 1))
@settings(max_examples=60, deadline=None)
def test_of_the_past_only_the_close_of_t_counts(market, other, t):
    """Given the volatility; a row exists because its ticker traded at t."""
    another_past = {
        ticker: {day: close for day, close in other[ticker].items() if day < t}
        | {day: close for day, close in closes.items() if day >= t}
        for ticker, closes in market.items()
    }
    assume(any(day >= t for closes in market.values() for day in closes))
    one, two = (labels_of(quotes_from(closes, LONG)) for closes in (market, another_past))
    # How far labels overlap depends on where those before it ended.
    one, two = (
        table[table["session"] == pd.Timestamp(LONG[t])].drop(columns=WEIGHTS)
        for table in (one, two)
    )
    pd.testing.assert_frame_equal(
        one.reset_index(drop=True), two.reset_index(drop=True), check_exact=True
    )


def test_a_lower_close_of_t_is_a_higher_return_from_t():
    """Half the price up to t doubles what came after it; the entry at t+1 is not touched."""
    before = {day: close / 2 if day <= 3 else close for day, close in TWO_WEEKS["ALWA3"].items()}
    one, two = (labels_of(quotes_from({"ALWA3": c})) for c in (TWO_WEEKS["ALWA3"], before))
    assert one.loc[3, "realised_return_2d"] == pytest.approx(18 / 15 - 1)
    assert two.loc[3, "realised_return_2d"] == pytest.approx(36 / 15 - 1)
    later = [name for name in TABLE if name not in WEIGHTS]
    assert one.loc[4:, later].equals(two.loc[4:, later])


def test_a_price_level_is_no_label():
    cheap = {ticker: {d: c / 8 for d, c in closes.items()} for ticker, closes in TWO_WEEKS.items()}
    pd.testing.assert_frame_equal(
        labels_of(quotes_from(TWO_WEEKS)), labels_of(quotes_from(cheap)), check_exact=True
    )


def test_the_columns_are_those_of_the_dictionary():
    table = labels_of(quotes_from(TWO_WEEKS))
    assert list(table.columns) == LABELS.column_names
    pd.testing.assert_frame_equal(
        table[["ticker", "session"]], quotes_from(TWO_WEEKS)[["ticker", "session"]]
    )
