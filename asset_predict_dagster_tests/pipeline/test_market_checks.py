"""The checks of the market data fire when they should, by the thresholds of the settings."""

import pandas as pd
import pytest

from asset_predict_dagster.definitions import build_definitions
from asset_predict_dagster.pipeline import market_checks as checks
from asset_predict_dagster.pipeline.resources import Clock, LakeTables, Thresholds
from asset_predict_dagster.settings import load_settings
from asset_predict_dagster.tables import CORPORATE_ACTIONS, QUOTES, REJECTED_RECORDS, UNIVERSE
from asset_predict_dagster_tests.pipeline.conftest import AS_OF, Workplace

LAST = Clock(as_of=str(AS_OF))


def thresholds(**settings: object) -> Thresholds:
    """As the code location hands them to the checks."""
    return build_definitions(load_settings(**settings)).resources["thresholds"]


@pytest.fixture(scope="module")
def quotes(finished: Workplace) -> pd.DataFrame:
    return finished.lake.read(QUOTES)


@pytest.mark.parametrize("as_of", ["2020-12-30", "2021-01-04"])
def test_quotes_may_lag_by_as_many_sessions_as_the_setting_says(quotes, as_of):
    clock = Clock(as_of=as_of)
    assert checks.quotes_are_fresh(clock=clock, thresholds=thresholds(), quotes=quotes).passed


def test_quotes_that_lag_longer_are_not_fresh(quotes):
    clock = Clock(as_of="2021-01-05")
    result = checks.quotes_are_fresh(clock=clock, thresholds=thresholds(), quotes=quotes)
    assert not result.passed
    assert "2021-01-04" in result.metadata["offending"].value
    patient = thresholds(max_sessions_behind=2)
    assert checks.quotes_are_fresh(clock=clock, thresholds=patient, quotes=quotes).passed


def test_a_session_with_few_tickers_is_named(quotes):
    day = pd.Timestamp("2020-06-15")
    thin = quotes[(quotes["session"] != day) | (quotes["ticker"].str[3] > "U")]
    result = checks.sessions_are_complete(thresholds=thresholds(), quotes=thin)
    assert "2020-06-15" in result.metadata["offending"].value
    assert checks.sessions_are_complete(thresholds=thresholds(), quotes=quotes).passed


def test_a_session_without_quotes_is_named(quotes):
    result = checks.no_session_is_missing(quotes=quotes[quotes["session"] != "2020-06-15"])
    assert "2020-06-15" in result.metadata["offending"].value


def test_a_move_beyond_the_setting_is_named(quotes):
    strict = thresholds(unexplained_jump=0.01)
    assert not checks.jumps_are_explained(thresholds=strict, quotes=quotes).passed
    assert checks.jumps_are_explained(thresholds=thresholds(), quotes=quotes).passed


def test_a_listed_event_that_the_prices_contradict_is_named(finished, quotes):
    listed = finished.lake.read(CORPORATE_ACTIONS)
    true = checks.listed_events_fit_the_records(quotes=quotes, corporate_actions=listed)
    assert true.passed
    wrong = listed.assign(factor=listed["factor"].mask(listed["factor"] == 2.0, 1.2))
    assert not wrong.equals(listed)
    result = checks.listed_events_fit_the_records(quotes=quotes, corporate_actions=wrong)
    assert "ZZAC3" in result.metadata["offending"].value


def test_a_price_that_stands_still_longer_than_the_setting_is_named(finished, quotes):
    universe = finished.lake.read(UNIVERSE)
    is_still = (quotes["ticker"] == "ZZAA3") & (quotes["session"] > "2020-12-10")
    still = quotes.assign(close=quotes["close"].mask(is_still, 40.0))
    result = checks.prices_move(thresholds=thresholds(), universe=universe, quotes=still)
    assert "ZZAA3" in result.metadata["offending"].value


def test_a_record_that_was_lost_is_found_out(finished, quotes):
    lake = LakeTables(root=finished.settings.lake_root)
    whole = checks.every_record_is_accounted_for(lake=lake, clock=LAST, quotes=quotes)
    assert whole.passed
    assert "of markets not asked for" in whole.metadata["account"].value
    lost = checks.every_record_is_accounted_for(lake=lake, clock=LAST, quotes=quotes.iloc[1:])
    assert not lost.passed


def test_a_rejected_record_is_a_warning_that_shows_it(finished):
    assert finished.lake.read(REJECTED_RECORDS).empty
    row = ["COTAHIST_A2020.ZIP", 7, pd.Timestamp("2020-01-02"), "ZZAA3", "010", "PREMIN", "9", "no"]
    rejected = pd.DataFrame([row], columns=REJECTED_RECORDS.column_names)
    result = checks.no_record_was_rejected(rejected_records=rejected)
    assert not result.passed
    assert "PREMIN" in result.metadata["offending"].value
