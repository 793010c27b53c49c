"""A prediction meets the close of its target session: worked out by hand, whatever happened."""

from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster.lake import Lake
from asset_predict_dagster.market.quotes import adjust
from asset_predict_dagster.market.renames import under_current_codes
from asset_predict_dagster.market.sessions import sessions_between
from asset_predict_dagster.predictions.outcomes import meet_outcomes
from asset_predict_dagster.table_checks import broken_promises
from asset_predict_dagster.tables import OUTCOMES, PREDICTIONS, QUOTES, REFUSED, RENAMES

# Carnival: B3 does not trade on the 12th and the 13th.
SESSIONS = pd.to_datetime(
    ["2024-02-08", "2024-02-09", "2024-02-14", "2024-02-15", "2024-02-16"]
).as_unit("us")
NOTHING = float("nan")


def quotes(events=(), renames=(), **closes: list[float]) -> pd.DataFrame:
    """A close per session and code of the day, NaN where it did not trade, adjusted for the events.

    `renames` are (old code, new code, session); the rows of old codes become the paper's.
    """
    parts = []
    for code, values in closes.items():
        columns = {column.name: 0 for column in QUOTES.columns}
        columns |= {"ticker": code, "traded_as": code, "session": SESSIONS[: len(values)]}
        columns |= dict.fromkeys(["open", "high", "low", "average", "close"], values)
        parts.append(pd.DataFrame(columns).dropna(subset="close"))
    actions = pd.DataFrame(events, columns=["ticker", "ex_date", "kind", "amount_brl", "factor"])
    actions["ex_date"] = pd.to_datetime(actions["ex_date"])
    changes = pd.DataFrame(renames, columns=RENAMES.column_names)
    changes["first_session"] = pd.to_datetime(changes["first_session"])
    papers = under_current_codes(pd.concat(parts, ignore_index=True), changes, "session")
    return adjust(papers.sort_values(["ticker", "session"], ignore_index=True), actions)


def prediction(
    ticker: str,
    last_close: float,
    expected_return: float = 0.02,
    horizon: int = 1,
    session: int = 1,
    reason: str = "",
    late: int = 0,
    marked: str = "",
) -> pd.DataFrame:
    """What a model said at the close of 9 February, ± 10 % of the last close."""
    targets = [*SESSIONS, *pd.to_datetime(["2024-02-19", "2024-02-20"])]
    said = NOTHING if reason else expected_return
    price = last_close * (1 + said)
    return pd.DataFrame(
        {
            "session": [SESSIONS[session]],
            "target_session": pd.Series([targets[session + horizon]], dtype="datetime64[us]"),
            "ticker": ticker,
            "model": "lstm",
            "model_version": "1",
            "horizon": horizon,
            "sessions_late": late,
            "action": None if reason else "hold",
            "probability_buy": NOTHING if reason else 0.3,
            "probability_hold": NOTHING if reason else 0.4,
            "probability_sell": NOTHING if reason else 0.3,
            "expected_return": said,
            "last_close": last_close,
            "predicted_price": price,
            "price_low": price - 0.1 * last_close,
            "price_high": price + 0.1 * last_close,
            "status": "unproven",
            "reason": reason or marked,
            "created_at": datetime(2024, 2, 10, tzinfo=UTC),
        }
    )[PREDICTIONS.column_names]


def met(predictions: pd.DataFrame, market: pd.DataFrame) -> pd.Series:
    """The one outcome there is."""
    table = meet_outcomes(predictions, market)
    assert broken_promises(OUTCOMES, table).empty
    assert len(table) == 1
    return table.iloc[0]


def test_an_ordinary_session():
    # R$ 10 rose to 10.50 over Carnival; +2 % was said, between 9.20 and 11.20.
    outcome = met(prediction("ABCD3", 10.0), quotes(ABCD3=[9.0, 10.0, 10.5]))
    assert outcome["realised_return"] == pytest.approx(0.05)
    assert outcome["absolute_error"] == pytest.approx(0.03)
    assert outcome["naive_absolute_error"] == pytest.approx(0.05)
    assert outcome["predicted_price"] == pytest.approx(10.2)
    assert outcome["realised_price"] == pytest.approx(10.5)
    assert outcome["is_within_interval"]
    assert not outcome["is_halted"]


def test_a_split_in_between_is_no_fall():
    # One share at R$ 20 became two at 11: +10 %, not -45 %.
    events = [("ABCD3", "2024-02-14", "split", None, 2.0)]
    outcome = met(prediction("ABCD3", 20.0), quotes(events, ABCD3=[19.0, 20.0, 11.0]))
    assert outcome["realised_return"] == pytest.approx(0.10)
    assert outcome["realised_price"] == pytest.approx(22.0)  # comparable to what was said
    assert outcome["is_within_interval"]


def test_a_dividend_in_between_is_part_of_the_return():
    # R$ 10 became 9.50 and a dividend of 1: +5 %.
    events = [("ABCD3", "2024-02-14", "cash_dividend", 1.0, None)]
    outcome = met(prediction("ABCD3", 10.0), quotes(events, ABCD3=[9.0, 10.0, 9.5]))
    assert outcome["realised_return"] == pytest.approx(0.05)
    assert outcome["realised_price"] == pytest.approx(10.5)


def test_an_event_before_the_prediction_changes_nothing():
    events = [
        ("ABCD3", "2024-02-09", "split", None, 2.0),
        ("ABCD3", "2024-02-15", "cash_dividend", 1.0, None),
    ]
    outcome = met(prediction("ABCD3", 10.0), quotes(events, ABCD3=[20.0, 10.0, 11.0, 5.0]))
    assert outcome["realised_return"] == pytest.approx(0.10)


def test_a_halt_over_the_target_keeps_the_last_price_and_says_so():
    # Three sessions ahead; it traded at 12 on the way and not on the day itself.
    market = quotes(ABCD3=[9.0, 10.0, 12.0, NOTHING, NOTHING], OTHER3=[1.0] * 5)
    outcome = met(prediction("ABCD3", 10.0, horizon=3), market)
    assert outcome["realised_return"] == pytest.approx(0.20)
    assert outcome["is_halted"]
    assert not outcome["is_within_interval"]


def test_a_halt_on_the_way_does_not_matter_if_the_target_traded():
    market = quotes(ABCD3=[9.0, 10.0, NOTHING, NOTHING, 11.0])
    outcome = met(prediction("ABCD3", 10.0, horizon=3), market)
    assert outcome["realised_return"] == pytest.approx(0.10)
    assert not outcome["is_halted"]


def test_a_delisted_ticker_keeps_its_last_price():
    market = quotes(GONE3=[9.0, 10.0], OTHER3=[1.0] * 5)
    outcome = met(prediction("GONE3", 10.0, horizon=2), market)
    assert outcome["realised_return"] == 0.0
    assert outcome["absolute_error"] == pytest.approx(0.02)
    assert outcome["is_halted"]


@pytest.mark.parametrize(("low", "high", "inside"), [(9.5, 10.5, True), (9.5, 10.4, False)])
def test_the_ends_belong_to_the_interval(low, high, inside):
    said = prediction("ABCD3", 10.0).assign(price_low=low, price_high=high)
    outcome = met(said, quotes(ABCD3=[9.0, 10.0, 10.5]))
    assert outcome["is_within_interval"] == inside


@pytest.mark.parametrize(("horizon", "n_met"), [(2, 1), (3, 1), (4, 0), (5, 0)])
def test_what_is_not_due_yet_has_no_outcome(horizon, n_met):
    market = quotes(ABCD3=[9.0, 10.0, 10.1, 10.2, 10.3])
    table = meet_outcomes(prediction("ABCD3", 10.0, horizon=horizon), market)
    assert len(table) == n_met
    assert list(table) == OUTCOMES.column_names


@pytest.mark.parametrize("reason", REFUSED)
def test_what_was_refused_has_nothing_to_meet(reason):
    said = prediction("ABCD3", 10.0, reason=reason)
    assert meet_outcomes(said, quotes(ABCD3=[9.0, 10.0, 10.5])).empty


def test_a_ticker_the_quotes_do_not_know_is_left_for_later():
    said = pd.concat([prediction("LOST3", 5.0), prediction("ABCD3", 10.0)])
    assert met(said.reset_index(drop=True), quotes(ABCD3=[9.0, 10.0, 10.5]))["ticker"] == "ABCD3"


def test_a_prediction_whose_quote_was_taken_back_is_left_too():
    # The corrected file knows no trade of the 9th: what was said then started from no price.
    market = quotes(ABCD3=[9.0, NOTHING, 10.5], OTHER3=[1.0] * 3)
    assert meet_outcomes(prediction("ABCD3", 10.0), market).empty


@pytest.mark.parametrize(("n_after", "n_met"), [(4, 0), (5, 1)])
def test_a_quote_taken_back_is_waited_for_as_a_file_is_and_then_the_last_close_is_the_start(
    n_after, n_met
):
    """R$ 8 on the 8th, and on the 9th no trade any more; 10.4 on the 14th is 30 % above 8."""
    days = pd.to_datetime(sessions_between(date(2024, 2, 8), date(2024, 2, 21))).as_unit("us")
    days = days[: 3 + n_after].delete(1)
    one = quotes(ABCD3=[8.0])
    market = pd.concat([one] * len(days), ignore_index=True)
    market["session"], market["adjusted_close"] = days, [8.0] + [10.4] * (len(days) - 1)
    unknown = prediction("LOST3", 10.0)
    said = pd.concat([unknown, prediction("ABCD3", 10.0)], ignore_index=True)
    table = meet_outcomes(said, market)
    assert table["ticker"].tolist() == ["ABCD3"] * n_met
    assert table["realised_return"].tolist() == pytest.approx([0.3] * n_met)
    assert table["realised_price"].tolist() == pytest.approx([13.0] * n_met)
    assert not table["is_halted"].any()


# The paper that was ABCD3 trades as WXYZ3 from the 14th on

CHANGE = [("ABCD3", "WXYZ3", "2024-02-14")]


def test_a_prediction_under_the_old_code_meets_the_close_under_the_new_one():
    market = quotes(renames=CHANGE, ABCD3=[9.0, 10.0], WXYZ3=[NOTHING, NOTHING, 10.5])
    assert set(market["ticker"]) == {"WXYZ3"}
    outcome = met(prediction("ABCD3", 10.0), market)
    assert outcome["ticker"] == "ABCD3"  # what was said stays as it was said
    assert outcome["realised_return"] == pytest.approx(0.05)
    assert not outcome["is_halted"]


def test_a_prediction_under_the_new_code_meets_its_own_close():
    market = quotes(renames=CHANGE, ABCD3=[9.0, 10.0], WXYZ3=[NOTHING, NOTHING, 10.5, 12.6])
    outcome = met(prediction("WXYZ3", 10.5, session=2), market)
    assert outcome["realised_return"] == pytest.approx(0.20)


def test_another_company_under_the_old_code_has_nothing_to_do_with_it():
    # From the 15th on ABCD3 is somebody else, at R$ 100.
    market = quotes(
        renames=CHANGE,
        ABCD3=[9.0, 10.0, NOTHING, 100.0, 101.0],
        WXYZ3=[NOTHING, NOTHING, 10.5, 11.0, 12.0],
    )
    before = prediction("ABCD3", 10.0, horizon=3)
    after = prediction("ABCD3", 100.0, session=3)
    table = meet_outcomes(pd.concat([before, after], ignore_index=True), market)
    assert table["ticker"].tolist() == ["ABCD3", "ABCD3"]
    assert table["realised_return"].tolist() == pytest.approx([0.20, 0.01])
    assert not table["is_halted"].any()


def test_a_paper_that_stopped_trading_is_not_taken_up_by_the_next_holder_of_its_code():
    market = quotes(renames=CHANGE, ABCD3=[9.0, 10.0, NOTHING, 100.0], OTHER3=[1.0] * 5)
    outcome = met(prediction("ABCD3", 10.0, horizon=3), market)
    assert outcome["realised_return"] == 0.0
    assert outcome["is_halted"]


def test_a_split_under_the_new_code_is_no_fall_either():
    market = quotes(
        [("WXYZ3", "2024-02-14", "split", None, 2.0)],
        CHANGE,
        ABCD3=[9.0, 20.0],
        WXYZ3=[NOTHING, NOTHING, 11.0],
    )
    assert met(prediction("ABCD3", 20.0), market)["realised_return"] == pytest.approx(0.10)


def test_a_prediction_of_thirty_sessions_waits_for_the_thirtieth():
    """Far ahead or near, each meets the close of its own target session and no other."""
    days = pd.to_datetime(sessions_between(date(2024, 2, 8), date(2024, 4, 30))).as_unit("us")
    one = quotes(ABCD3=[10.0])
    market = pd.concat([one] * 45, ignore_index=True)
    market["session"] = days[:45]
    market["adjusted_close"] = 10.0 + np.arange(45)
    said = pd.concat([prediction("ABCD3", 10.0) for _ in range(30)], ignore_index=True)
    said["session"], said["horizon"] = days[0], np.arange(1, 31)
    said["target_session"] = days[1:31]
    for n_closed in (1, 2, 30, 31, 45):
        table = meet_outcomes(said, market[:n_closed])
        n_met = min(n_closed - 1, 30)
        assert table["horizon"].tolist() == list(range(1, n_met + 1))
        np.testing.assert_allclose(table["realised_return"], np.arange(1, n_met + 1) / 10)


def test_nobody_meets_anothers_close():
    """Many at once, in no order: each outcome equals the one found by a plain loop."""
    random = np.random.default_rng(1)
    closes = {f"TICK{n}": 10 + 5 * random.random(5) for n in range(9)}
    for values in closes.values():
        values[random.integers(2, 5)] = NOTHING
    market = quotes(**{name: list(values) for name, values in closes.items()})
    said = pd.concat(
        [prediction(name, closes[name][1], horizon=h) for name in closes for h in (1, 2, 3)]
    ).sample(frac=1.0, random_state=1)
    table = meet_outcomes(said, market).set_index(["ticker", "horizon"])
    assert len(table) == 27
    for (ticker, horizon), outcome in table.iterrows():
        own = closes[ticker]
        traded = [n for n in range(2 + horizon) if not np.isnan(own[n])]
        assert outcome["realised_return"] == pytest.approx(own[traded[-1]] / own[1] - 1)
        assert outcome["is_halted"] == (traded[-1] != 1 + horizon)


# Files that come late, or never


def test_what_was_said_late_meets_its_target_from_the_close_it_started_from():
    # Said on the 15th, without the file of the 14th: R$ 10 of the 9th, two sessions ahead, 10.5.
    said = prediction("ABCD3", 10.0, horizon=2, late=1, marked="late_data")
    outcome = met(said, quotes(ABCD3=[9.0, 10.0, 10.2, 10.5]))
    assert outcome["sessions_late"] == 1
    assert outcome["target_session"] == SESSIONS[3]
    assert outcome["realised_return"] == pytest.approx(0.05)


def test_what_was_said_in_time_and_what_was_said_late_are_met_once_each(tmp_path):
    lake = Lake(tmp_path)
    in_time = prediction("ABCD3", 10.0, horizon=2)
    late = prediction("ABCD3", 10.0, 0.03, horizon=2, late=1, marked="late_data")
    market = quotes(ABCD3=[9.0, 10.0, 10.2, 10.5])
    for _ in range(2):
        said = pd.concat([in_time, late], ignore_index=True)
        lake.insert_new(OUTCOMES, meet_outcomes(said, market))
    assert lake.read(OUTCOMES)["expected_return"].tolist() == [0.02, 0.03]


def test_what_was_said_late_follows_a_split_and_a_paper_that_leaves():
    events = [("ABCD3", "2024-02-14", "split", None, 2.0)]
    market = quotes(events, ABCD3=[9.0, 10.0, 5.1, 5.25], GONE3=[9.0, 10.0])
    late = {"horizon": 2, "late": 1, "marked": "late_data"}
    assert met(prediction("ABCD3", 10.0, **late), market)["realised_return"] == pytest.approx(0.05)
    left = met(prediction("GONE3", 10.0, **late), market)
    assert (left["realised_return"], left["is_halted"]) == (0.0, True)


def test_a_doubted_prediction_is_judged_like_any_other():
    said = prediction("ABCD3", 10.0, marked="out_of_distribution")
    assert met(said, quotes(ABCD3=[9.0, 10.0, 10.5]))["absolute_error"] == pytest.approx(0.03)


def test_an_outcome_waits_for_the_file_of_its_session_though_later_ones_are_there():
    # The file of the 14th comes after that of the 15th: 10.5 is what came true, not 10.
    said = prediction("ABCD3", 10.0)
    without = quotes(ABCD3=[9.0, 10.0, NOTHING, 10.8], OTHER3=[1.0, 1.0, NOTHING, 1.0])
    assert meet_outcomes(said, without).empty
    outcome = met(said, quotes(ABCD3=[9.0, 10.0, 10.5, 10.8]))
    assert outcome["realised_return"] == pytest.approx(0.05)
    assert not outcome["is_halted"]


@pytest.mark.parametrize(("n_after", "n_met"), [(4, 0), (5, 1)])
def test_a_file_that_has_not_come_five_sessions_later_is_not_waited_for(n_after, n_met):
    # The 14th is missing; quotes go on up to the 20th, or to the 21st, five sessions after it.
    days = pd.to_datetime(sessions_between(date(2024, 2, 9), date(2024, 2, 21))).as_unit("us")
    days = days[: 2 + n_after].delete(1)
    one = quotes(ABCD3=[9.0, 10.0]).tail(1)
    market = pd.concat([one] * len(days), ignore_index=True)
    market["session"], market["adjusted_close"] = days, 10.0 + np.arange(len(days))
    table = meet_outcomes(prediction("ABCD3", 10.0), market)
    assert len(table) == n_met
    assert table["is_halted"].all()
    assert (table["realised_return"] == 0.0).all()  # the last price stands: that of the 9th


def test_a_target_that_became_a_holiday_is_met_by_the_last_close_before_it():
    # Said of Monday the 12th by a calendar without Carnival: 10 of the 9th stands.
    said = prediction("ABCD3", 10.0).assign(target_session=pd.Timestamp("2024-02-12"))
    days = pd.to_datetime(sessions_between(date(2024, 2, 9), date(2024, 2, 21))).as_unit("us")
    one = quotes(ABCD3=[9.0, 10.0]).tail(1)
    market = pd.concat([one] * len(days), ignore_index=True)
    market["session"], market["adjusted_close"] = days, 10.0 + np.arange(len(days))
    outcome = met(said, market)
    assert (outcome["realised_return"], outcome["is_halted"]) == (0.0, True)
    assert outcome["target_session"] == pd.Timestamp("2024-02-12")


def test_a_corrected_file_does_not_rewrite_what_was_met(tmp_path):
    lake = Lake(tmp_path)
    said = prediction("ABCD3", 10.0)
    lake.insert_new(OUTCOMES, meet_outcomes(said, quotes(ABCD3=[9.0, 10.0, 10.5])))
    corrected = meet_outcomes(said, quotes(ABCD3=[9.0, 10.0, 11.0]))
    assert corrected["realised_return"].iloc[0] == pytest.approx(0.10)
    assert not lake.insert_new(OUTCOMES, corrected).changed
    assert lake.read(OUTCOMES)["realised_return"].iloc[0] == pytest.approx(0.05)


def test_every_prediction_is_met_exactly_once(tmp_path):
    lake = Lake(tmp_path)
    market = quotes(ABCD3=[9.0, 10.0, 10.5, 10.6])
    lake.insert_new(
        PREDICTIONS, pd.concat([prediction("ABCD3", 10.0, horizon=h) for h in (1, 2, 3)])
    )
    said = lake.read(PREDICTIONS)
    first = lake.insert_new(OUTCOMES, meet_outcomes(said, market[market["session"] < SESSIONS[3]]))
    assert first.n_rows == 1
    assert lake.insert_new(OUTCOMES, meet_outcomes(said, market)).n_rows == 2
    assert not lake.insert_new(OUTCOMES, meet_outcomes(said, market)).changed


def test_a_day_without_anything_due_leaves_a_table_that_can_be_kept(tmp_path):
    market = quotes(ABCD3=[9.0, 10.0])
    lake = Lake(tmp_path)
    for said in (prediction("ABCD3", 10.0), prediction("ABCD3", 10.0, reason="illiquid")):
        assert lake.insert_new(OUTCOMES, meet_outcomes(said, market)).n_rows == 0
