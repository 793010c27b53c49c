"""A backtest trades after it knows, at prices that were there, and never looks ahead."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.evaluation.backtest import GONE_AFTER, backtest
from asset_predict_dagster.evaluation.costs import Costs
from asset_predict_dagster.evaluation.positions import Strategy
from asset_predict_dagster.evaluation.trading_grid import TradingGrid
from asset_predict_dagster_tests.evaluation.trading_quotes import (
    SESSIONS,
    quotes_at,
    random_market,
    scores_at,
)

FREE = Costs(flat_bps=0.0)
AT_ONCE = float("inf")
PLAIN_LONG = Strategy("long", "long_only", share=0.5, volatility_scaled=False, max_turnover=AT_ONCE)
PLAIN = Strategy("both", "long_short", share=0.5, volatility_scaled=False, max_turnover=AT_ONCE)

seeds = st.integers(0, 10_000)
strategies = st.builds(
    Strategy,
    name=st.just("drawn"),
    side=st.sampled_from(["long_short", "long_only"]),
    share=st.sampled_from([0.1, 0.2, 0.34, 0.5]),
    volatility_scaled=st.booleans(),
    max_turnover=st.sampled_from([0.05, 0.2, 1.0, AT_ONCE]),
)


def test_a_score_is_traded_at_the_next_average_and_measured_at_the_one_after():
    # Known at the close of the first session; bought at 10, worth 12: +20 %. From 5 to 10, what
    # the close that made the signal would have given, is nobody's.
    quotes = quotes_at({"ZZAA3": [5, 10, 12], "ZZBA3": [7, 7, 7]})
    run = backtest(scores_at({"ZZAA3": [1], "ZZBA3": [0]}), quotes, PLAIN_LONG, FREE)
    assert run.daily["session"].tolist() == [SESSIONS[0]]
    assert run.daily["gross_return"].tolist() == pytest.approx([0.2])
    assert run.daily["turnover"].tolist() == [1.0]
    assert run.daily["long_exposure"].tolist() == [1.0]


def test_long_and_short_each_hold_half_of_the_equity():
    # .5 × 10 % on the long paper, -.5 × -4 % on the short one.
    quotes = quotes_at({"ZZAA3": [10, 10, 11], "ZZBA3": [25, 25, 24]})
    run = backtest(scores_at({"ZZAA3": [1], "ZZBA3": [0]}), quotes, PLAIN, FREE)
    day = run.daily.iloc[0]
    assert day["gross_return"] == pytest.approx(0.5 * 0.1 + 0.5 * 0.04)
    assert (day["long_exposure"], day["short_exposure"], day["n_positions"]) == (0.5, 0.5, 2)


def test_positions_drift_with_prices_and_only_the_difference_is_traded():
    # Half and half; ZZAA3 doubles: 2/3 against 1/3. Back to halves costs 1/6 sold and 1/6 bought.
    quotes = quotes_at({"ZZAA3": [10, 10, 20, 20], "ZZBA3": [10, 10, 10, 10]})
    strategy = Strategy("all", "long_only", 1.0, False, AT_ONCE)
    run = backtest(scores_at({"ZZAA3": [1, 1], "ZZBA3": [0, 0]}), quotes, strategy, FREE)
    assert run.daily["gross_return"].tolist() == pytest.approx([0.5, 0.0])
    assert run.daily["turnover"].tolist() == pytest.approx([1.0, 1 / 3])


def test_turnover_is_capped_and_the_positions_get_there_step_by_step():
    quotes = quotes_at({"ZZAA3": [10] * 6, "ZZBA3": [10] * 6})
    strategy = Strategy("slow", "long_only", 0.5, False, max_turnover=0.4)
    run = backtest(scores_at({"ZZAA3": [1] * 4, "ZZBA3": [0] * 4}), quotes, strategy, FREE)
    assert run.daily["long_exposure"].tolist() == pytest.approx([0.4, 0.8, 1.0, 1.0])
    assert run.daily["turnover"].tolist() == pytest.approx([0.4, 0.4, 0.2, 0.0])


def test_a_paper_that_does_not_trade_cannot_be_bought():
    quotes = quotes_at({"ZZAA3": [10, None, 20], "ZZBA3": [10, 10, 10]})
    run = backtest(scores_at({"ZZAA3": [1], "ZZBA3": [0]}), quotes, PLAIN_LONG, FREE)
    assert run.daily["turnover"].tolist() == [0.0]
    assert run.daily["gross_return"].tolist() == [0.0]


def test_an_order_is_cut_to_a_tenth_of_what_its_session_trades():
    # R$ 3 million traded: 300,000 of an equity of a million are bought, then 300,000 more.
    quotes = quotes_at({"ZZAA3": [10] * 4, "ZZBA3": [10] * 4}, volume_brl=3e6)
    daily = backtest(scores_at({"ZZAA3": [1, 1], "ZZBA3": [0, 0]}), quotes, PLAIN_LONG, FREE).daily
    assert daily["long_exposure"].tolist() == pytest.approx([0.3, 0.6])


def test_a_halted_position_earns_nothing_and_makes_it_up_when_it_trades_again():
    # Bought at 10, no trade in the third session, 13 in the fourth: 0, then +30 %. The order to
    # sell it, of the second session, waits; it takes the room of what was to be bought.
    quotes = quotes_at({"ZZAA3": [10, 10, None, 13, 13], "ZZBA3": [10, 10, 10, 10, 11]})
    scores = scores_at({"ZZAA3": [1, 0, 0], "ZZBA3": [0, 1, 1]})
    run = backtest(scores, quotes, PLAIN_LONG, FREE)
    assert run.daily["gross_return"].tolist() == pytest.approx([0.0, 0.3, 0.1])
    assert run.daily["turnover"].tolist() == pytest.approx([1.0, 0.0, 2.0])
    assert run.daily["n_positions"].tolist() == [1, 1, 1]


def test_a_delisted_paper_leaves_at_its_last_price_and_makes_room():
    n = GONE_AFTER + 5
    quotes = quotes_at({"ZZAA3": [10, 10], "ZZBA3": [10] * n})
    scores = scores_at({"ZZAA3": [1], "ZZBA3": [0] + [1] * (n - 3)})
    daily = backtest(scores, quotes, PLAIN_LONG, Costs()).daily
    # Last traded in the second session: gone GONE_AFTER sessions later, in the row of the eve.
    assert daily["gross_return"].eq(0.0).all()
    assert np.flatnonzero(daily["turnover"]).tolist() == [0, GONE_AFTER]
    assert daily["turnover"].iloc[GONE_AFTER] == 1.0  # bought; what left was not sold


def test_a_session_without_scores_keeps_the_positions():
    quotes = quotes_at({"ZZAA3": [10, 10, 11, 12.1, 12.1], "ZZBA3": [10, 10, 10, 10, 20]})
    scores = scores_at({"ZZAA3": [1, None, 0], "ZZBA3": [0, None, 1]})
    daily = backtest(scores, quotes, PLAIN_LONG, FREE).daily
    assert daily["turnover"].tolist() == pytest.approx([1.0, 0.0, 2.0])
    assert daily["gross_return"].tolist() == pytest.approx([0.1, 0.1, 1.0])


def test_a_dividend_and_a_split_are_no_loss_to_the_holder():
    # 1 → 2 on the third session: half the price, the same adjusted one.
    quotes = quotes_at({"ZZAA3": [10, 10, 5.5], "ZZBA3": [7, 7, 7]})
    quotes.loc[2, "adjusted_close"] = 11.0
    run = backtest(scores_at({"ZZAA3": [1], "ZZBA3": [0]}), quotes, PLAIN_LONG, FREE)
    assert run.daily["gross_return"].tolist() == pytest.approx([0.1])


def test_costs_are_taken_from_what_was_earned_and_change_no_position():
    quotes, scores = random_market(3)
    dear, free = (
        backtest(scores, quotes, PLAIN, costs).daily for costs in (Costs(flat_bps=10.0), FREE)
    )
    same = ["session", "gross_return", "turnover", "long_exposure", "short_exposure", "n_positions"]
    pd.testing.assert_frame_equal(dear[same], free[same])
    assert dear["cost"].to_numpy() == pytest.approx(1e-3 * dear["turnover"].to_numpy())
    assert dear["net_return"].to_numpy() == pytest.approx(
        (dear.gross_return - dear.cost).to_numpy()
    )


def test_shorts_are_borrowed_every_session():
    quotes = quotes_at({"ZZAA3": [10] * 4, "ZZBA3": [10] * 4})
    costs = Costs(fee_bps=0.0, min_half_spread_bps=0.0, impact_coefficient=0.0, borrow_rate=0.0252)
    daily = backtest(scores_at({"ZZAA3": [1, 1], "ZZBA3": [0, 0]}), quotes, PLAIN, costs).daily
    assert daily["cost"].tolist() == pytest.approx([0.5e-4, 0.5e-4])


def test_offers_are_those_of_the_session_traded_in():
    # Half-spreads of 1, 2 and 3 %: bought in the second session, for 2 % and the fee.
    quotes = quotes_at({"ZZAA3": [10] * 3, "ZZBA3": [10] * 3})
    half = quotes["session"].map(dict(zip(SESSIONS, (0.01, 0.02, 0.03), strict=False)))
    quotes = quotes.assign(best_bid=10 * (1 - half), best_ask=10 * (1 + half))
    scores = scores_at({"ZZAA3": [1], "ZZBA3": [0]})
    spread = backtest(scores, quotes, PLAIN_LONG, Costs(max_half_spread_bps=500.0)).daily
    assert spread["cost"].tolist() == pytest.approx([0.0203])


def test_impact_goes_by_the_volatility_known_when_the_signal_was():
    quotes, _ = random_market(11, n_tickers=1, halted=0.0)
    quotes["volume_brl"] = 1e8
    costs = Costs(fee_bps=0.0, min_half_spread_bps=0.0, max_half_spread_bps=0.0)
    scores = scores_at({"ZZAA3": [None] * 30 + [1]})
    returns = np.diff(np.log(quotes["close"].to_numpy()))
    found = backtest(scores, quotes, PLAIN_LONG, costs).daily["cost"]
    assert found.tolist() == pytest.approx([returns[9:30].std() * np.sqrt(1e6 / 1e8)])


def test_an_equity_that_is_lost_stays_lost():
    quotes = quotes_at({"ZZAA3": [10] * 5, "ZZBA3": [10, 10, 40, 80, 80]})
    daily = backtest(scores_at({"ZZAA3": [1] * 3, "ZZBA3": [0] * 3}), quotes, PLAIN, FREE).daily
    assert daily["gross_return"].tolist() == [-1.0, 0.0, 0.0]
    assert daily["turnover"].tolist() == [1.0, 0.0, 0.0]


def test_a_constant_score_takes_no_position_on_both_sides():
    quotes, scores = random_market(1)
    daily = backtest(scores.assign(score=0.5), quotes, PLAIN, Costs()).daily
    assert daily[["gross_return", "cost", "turnover"]].abs().max().max() < 1e-15


def test_a_given_volatility_is_used_and_else_the_trailing_one_of_the_quotes():
    quotes, scores = random_market(5, n_sessions=60, halted=0.0)
    scaled = Strategy("scaled", "long_only", 0.5, True, AT_ONCE)
    grid = TradingGrid(quotes)
    rows, columns = grid.place(scores["session"]), grid.column(scores["ticker"])
    own = scores.assign(volatility=grid.volatility[rows, columns])
    computed, given_ = (backtest(s, grid, scaled, FREE).daily for s in (scores, own))
    pd.testing.assert_frame_equal(computed, given_)
    upside_down = own.assign(volatility=1 / own["volatility"])
    assert not backtest(upside_down, grid, scaled, FREE).daily.equals(computed)


@settings(max_examples=25, deadline=None)
@given(seed=seeds, strategy=strategies, cut=st.integers(5, 39))
def test_later_quotes_change_no_earlier_row(seed: int, strategy: Strategy, cut: int):
    quotes, scores = random_market(seed)
    whole = backtest(scores, quotes, strategy, Costs()).daily
    seen = quotes["session"] <= SESSIONS[cut]
    known = scores[scores["session"] <= SESSIONS[cut]]
    then = backtest(known, quotes[seen], strategy, Costs()).daily
    same = whole.iloc[: len(then)]
    assert len(then) >= cut - 3
    pd.testing.assert_frame_equal(then, same, rtol=0, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=seeds, strategy=strategies)
def test_turnover_keeps_its_limit_and_nothing_is_bought_on_credit(seed: int, strategy: Strategy):
    quotes, scores = random_market(seed)
    daily = backtest(scores, quotes, strategy, Costs()).daily
    assert daily["turnover"].max() <= strategy.max_turnover + 1e-12
    assert (daily["cost"] >= 0).all()
    if strategy.side == "long_only":
        assert daily["long_exposure"].max() <= 1 + 1e-12
        assert daily["short_exposure"].max() == 0.0


@settings(max_examples=25, deadline=None)
@given(seed=seeds, strategy=strategies)
def test_neither_the_order_of_the_rows_nor_the_names_matter(seed: int, strategy: Strategy):
    quotes, scores = random_market(seed)
    expected = backtest(scores, quotes, strategy, Costs()).daily
    shuffled = backtest(
        scores.sample(frac=1, random_state=seed),
        quotes.sample(frac=1, random_state=seed),
        strategy,
        Costs(),
    ).daily
    pd.testing.assert_frame_equal(shuffled, expected, rtol=0, atol=1e-12)
    names = sorted(quotes["ticker"].unique())
    other = dict(zip(names, reversed(names), strict=True))
    renamed = (table.assign(ticker=table["ticker"].map(other)) for table in (scores, quotes))
    pd.testing.assert_frame_equal(
        backtest(*renamed, strategy, Costs()).daily, expected, rtol=0, atol=1e-12
    )


@settings(max_examples=15, deadline=None)
@given(seed=seeds, side=st.sampled_from(["long_short", "long_only"]))
@example(seed=563, side="long_short")  # a session with one paper
def test_a_plain_loop_over_papers_earns_the_same(seed: int, side):
    """Without volatility scaling, ties or halts, in Python alone."""
    quotes, scores = random_market(seed, halted=0.0)
    quotes["volume_brl"] = 1e12
    rng = np.random.default_rng(seed)
    scores = scores.assign(score=rng.permutation(len(scores)).astype(float))
    strategy = Strategy("drawn", side, 0.34, False, max_turnover=0.3)
    price = {(q.ticker, q.session): q.average for q in quotes.itertuples()}
    names, held, expected = sorted(quotes["ticker"].unique()), {}, []
    for place in range(38):
        ranked = (
            scores[scores["session"] == SESSIONS[place]].sort_values("score")["ticker"].tolist()
        )
        k = max(1, int(0.34 * len(ranked)))
        each = (1.0 if side == "long_only" else 0.5) / k
        target = dict.fromkeys(ranked[-k:], each)
        if side == "long_short":
            # The only paper of a session is its best and its worst: the two cancel.
            target |= {n: target.get(n, 0.0) - each for n in ranked[:k]}
        if not ranked:
            target = held
        moves = {n: target.get(n, 0.0) - held.get(n, 0.0) for n in names}
        pace = min(1.0, 0.3 / max(sum(map(abs, moves.values())), 1e-12))
        after = {n: held.get(n, 0.0) + pace * moves[n] for n in names}
        grown = {n: price[n, SESSIONS[place + 2]] / price[n, SESSIONS[place + 1]] for n in names}
        earned = sum(after[n] * (grown[n] - 1) for n in names)
        held = {n: after[n] * grown[n] / (1 + earned) for n in names}
        expected.append(earned)
    found = backtest(scores, quotes, strategy, FREE).daily["gross_return"].to_numpy()
    first = int((scores["session"].min() == SESSIONS).argmax())
    assert found == pytest.approx(expected[first : first + len(found)], abs=1e-12)


def test_a_score_of_an_unknown_paper_is_refused():
    quotes = quotes_at({"ZZAA3": [10] * 4})
    with pytest.raises(DatasetError, match=r"1 are not, the first ZZZZ3 on 2024-01-02"):
        backtest(scores_at({"ZZAA3": [1], "ZZZZ3": [0]}), quotes, PLAIN, FREE)


def test_two_scores_of_one_paper_and_session_are_refused():
    quotes, scores = quotes_at({"ZZAA3": [10] * 4}), scores_at({"ZZAA3": [1]})
    with pytest.raises(DatasetError, match="2 scores are of 1;"):
        backtest(pd.concat([scores, scores]), quotes, PLAIN, FREE)


@pytest.mark.parametrize(
    "scores", [[None, None, 1], [None, None, None, 1]], ids=["next to last", "last"]
)
def test_scores_too_late_to_be_measured_are_refused(scores: list):
    quotes = quotes_at({"ZZAA3": [10] * 4, "ZZBA3": [10] * 4})
    with pytest.raises(DatasetError, match="none of 1 scores has both"):
        backtest(scores_at({"ZZAA3": scores}), quotes, PLAIN, FREE)


def test_no_score_at_all_is_refused():
    quotes, scores = quotes_at({"ZZAA3": [10] * 4}), scores_at({"ZZAA3": [1]})
    with pytest.raises(DatasetError, match="none of 0 scores"):
        backtest(scores.assign(score=np.nan), quotes, PLAIN, FREE)
    with pytest.raises(DatasetError, match="was given none"):
        backtest(scores, quotes[:0], PLAIN, FREE)
