"""A simulated market is the same for everybody, grows at its end only, and hides known skill."""

from datetime import date
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.errors import SettingsError
from asset_predict_dagster.market import simulated_events, simulated_prices
from asset_predict_dagster.market.simulated_market import SimulatedMarket, Simulation

LAST = date(2021, 12, 30)
TABLES = ("corporate_actions", "next_volatilities", "oracle", "true_returns")


@cache
def history(seed: int = 42, signal_strength: float = 0.08) -> Simulation:
    """Four years, simulated once for all tests; they only read it."""
    return SimulatedMarket(seed, signal_strength).simulate(LAST)


def rank_correlations(score: pd.DataFrame, outcome: pd.DataFrame) -> pd.Series:
    """Spearman's, per session, of two tables (session x ticker); sessions of ten papers or more."""
    score = score.reindex_like(outcome)
    both = score.notna() & outcome.notna()
    ranks = score.where(both).rank(axis=1), outcome.where(both).rank(axis=1)
    enough = (both.sum(axis=1) >= 10) & (ranks[0].std(axis=1) > 0)
    return ranks[0].loc[enough].corrwith(ranks[1].loc[enough], axis=1)


def wide(table: pd.DataFrame, column: str) -> pd.DataFrame:
    return table.pivot(index="session", columns="ticker", values=column)


def returns_and_oracle(simulation: Simulation) -> tuple[pd.DataFrame, pd.DataFrame]:
    return wide(simulation.true_returns, "total_return"), wide(simulation.oracle, "score")


def test_the_same_settings_make_the_same_history():
    last = date(2018, 12, 28)
    one, other = (SimulatedMarket(7, 0.1).simulate(last) for _ in range(2))
    for table in ("records", *TABLES, "listings", "halts"):
        pd.testing.assert_frame_equal(getattr(one, table), getattr(other, table))


def test_another_seed_makes_another_history():
    one, other = (SimulatedMarket(seed).simulate(date(2018, 1, 31)).records for seed in (1, 2))
    assert not one["close"].equals(other["close"])


@settings(max_examples=10, deadline=None)
@given(last=st.dates(date(2018, 1, 2), date(2021, 12, 29)))
def test_what_happens_later_changes_nothing_that_has_been(last):
    early, late = SimulatedMarket().simulate(last), history()
    end = early.sessions[-1]
    for table in ("records", *TABLES):
        seen_early, seen_late = getattr(early, table), getattr(late, table)
        day = seen_late["ex_date" if table == "corporate_actions" else "session"]
        pd.testing.assert_frame_equal(seen_early, seen_late[day <= end].reset_index(drop=True))


def test_a_later_listing_changes_no_paper_listed_before_it(monkeypatch):
    until_listing = history().sessions[history().sessions < np.datetime64("2021-07-21")]
    fewer = simulated_prices.PAPERS[:-2]  # the last two are listed from 2021-07-21 on
    monkeypatch.setattr(simulated_prices, "PAPERS", fewer)
    monkeypatch.setattr(simulated_events, "PAPERS", fewer)
    without = simulated_prices.simulate_prices(42, 0.08, until_listing)
    with_them = history().history.price_brl[: len(until_listing), : len(fewer)]
    np.testing.assert_array_equal(without.price_brl, with_them)


@pytest.mark.parametrize("signal_strength", [0.08, 0.15])
def test_the_oracle_is_as_good_as_planted(signal_strength):
    next_session, next_but_one = [], []
    for seed in (42, 1, 2):
        returns, oracle = returns_and_oracle(history(seed, signal_strength))
        next_session.append(rank_correlations(oracle, returns.shift(-1)).mean())
        next_but_one.append(rank_correlations(oracle, returns.shift(-2)).mean())
    # One standard error of three seeds and three and a half years is 0.003.
    assert np.mean(next_session) == pytest.approx(signal_strength, abs=0.012)
    assert np.mean(next_but_one) == pytest.approx(signal_strength, abs=0.012)


def test_the_oracle_can_be_worked_out_from_past_quotes():
    """Reversal and traded-value surprise from closes, volumes and events, as a reader has them."""
    records, actions = history().records, history().corporate_actions
    spot = records[records["market_type"] == "010"]
    spot = spot.merge(
        actions.rename(columns={"ex_date": "session"}), on=["session", "ticker"], how="left"
    )
    share_brl = spot["close"] / spot["quotation_factor"]
    held = share_brl * spot["factor"].fillna(1.0) + spot["amount_brl"].fillna(0.0)
    log_return = np.log(held / share_brl.groupby(spot["ticker"]).shift())
    log_value = np.log(spot["volume_brl"]).groupby(spot["ticker"])
    surprise = log_value.transform(lambda v: v.rolling(21).mean() - v.rolling(126).mean())
    month = log_return.groupby(spot["ticker"]).transform(lambda r: r.rolling(21).sum())
    spot = spot.assign(reversal=-month, surprise=surprise).dropna(subset=["surprise"])

    def z(values: pd.DataFrame) -> pd.DataFrame:
        centred = values.sub(values.mean(axis=1), axis=0)
        return centred.div(values.std(axis=1, ddof=0), axis=0).clip(-3, 3)

    rebuilt = 0.6 * z(wide(spot, "reversal")) + z(wide(spot, "surprise"))
    # The score is the signal times the paper's volatility, hence not quite 1.
    assert rank_correlations(rebuilt, returns_and_oracle(history())[1]).mean() > 0.95


def test_without_skill_the_oracle_says_nothing():
    assert len(history(42, 0.0).oracle) > 10_000
    assert (history(42, 0.0).oracle["score"] == 0.0).all()


@pytest.mark.parametrize("window", [1, 5, 21, 126])
def test_without_skill_past_returns_do_not_rank_future_ones(window):
    correlations = []
    for seed in (42, 1, 2):
        returns, _ = returns_and_oracle(history(seed, 0.0))
        momentum = np.log1p(returns).rolling(window).sum()
        correlations.append(rank_correlations(momentum, returns.shift(-1)))
    pooled = pd.concat(correlations)
    assert abs(pooled.mean()) < 3 * pooled.std() / np.sqrt(len(pooled))


def test_without_skill_the_size_of_a_move_can_be_forecast_but_not_its_sign():
    returns, _ = returns_and_oracle(history(42, 0.0))
    market = returns.mean(axis=1)
    error = 1 / np.sqrt(len(market))
    assert abs(np.sign(market).autocorr()) < 3 * error
    assert abs(np.sign(market).mean()) < 3 * error
    sizes = returns.abs()
    by_paper = sizes.corrwith(sizes.shift(1).rolling(21).mean())
    assert by_paper.median() > 0.1


def test_the_size_of_the_next_move_is_as_told():
    """A return in units of its standard deviation, known the session before, has unit variance."""
    simulation = history(42, 0.0)
    known = simulation.next_volatilities
    deviation = np.hypot(known["market_volatility"], known["own_volatility"])
    told = wide(known.assign(deviation=deviation), "deviation").shift(1)
    surprises = (wide(simulation.true_returns, "total_return") / told).stack().dropna()
    assert len(surprises) > 30_000
    assert surprises.var() == pytest.approx(1.0, abs=0.03)
    # Known is more than usual: yesterday's volatility of the paper says less.
    usual = wide(simulation.true_returns, "total_return").std()
    assert (
        wide(simulation.true_returns, "total_return") / usual
    ).stack().kurt() > 1.1 * surprises.kurt()


def test_returns_have_fat_tails_and_a_common_factor():
    returns, _ = returns_and_oracle(history())
    assert returns.kurt().median() > 1.0
    assert 0.1 < np.nanmean(returns.corr().to_numpy()) < 0.5


def test_papers_arrive_and_leave():
    listings = history().listings
    first, last = listings["first_session"], listings["last_session"]
    assert (first > pd.Timestamp("2018-02-01")).sum() >= 2
    assert (last < pd.Timestamp("2021-12-01")).sum() >= 1
    later = SimulatedMarket().simulate(date(2024, 7, 1)).listings
    assert (later["last_session"] < pd.Timestamp("2024-06-15")).sum() >= 2


def test_a_halted_paper_has_no_trade_until_its_halt_is_over():
    records, sessions = history().records, history().sessions
    traded = wide(records[records["market_type"] == "010"], "close").notna()
    assert len(history().halts) >= 5
    for halt in history().halts.itertuples():
        start = np.searchsorted(sessions, np.datetime64(halt.session))
        assert not traded[halt.ticker].iloc[start : start + halt.n_sessions].any()
        assert halt.n_sessions >= 2


@pytest.mark.parametrize("settings", [{"seed": -1}, {"signal_strength": 0.6}])
def test_a_market_that_cannot_be_is_refused(settings):
    with pytest.raises(SettingsError, match="simulated market needs"):
        SimulatedMarket(**settings)


def test_there_is_nothing_before_the_first_session():
    with pytest.raises(SettingsError, match="starts on 2018-01-02"):
        SimulatedMarket().simulate(date(2018, 1, 1))
