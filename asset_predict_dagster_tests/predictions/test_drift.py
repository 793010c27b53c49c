"""An unchanged market rarely drifts, a changed one does, and what was learned is no drift."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster.dataset.model_columns import FOREST_FEATURES, LSTM_FEATURES
from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.predictions import drift_windows
from asset_predict_dagster.predictions.drift import (
    drift_between,
    input_drift,
    prediction_drift,
)
from asset_predict_dagster.predictions.drift_finding import as_answer, drift_table
from asset_predict_dagster.predictions.drift_rows import input_columns, input_rows, said_rows
from asset_predict_dagster.predictions.drift_windows import Windows
from asset_predict_dagster.table_checks import broken_promises
from asset_predict_dagster.tables import DRIFT

COLUMNS = ("log_return_1d", "volatility_21d")
N_TICKERS = 15
NOTHING = float("nan")


def market(n_sessions: int, changes: dict[int, float] | None = None, seed: int = 1):
    """Features and universe: returns whose volatility wanders, and is multiplied from places on."""
    random = np.random.default_rng(seed)
    mood = np.zeros(n_sessions)
    for place in range(1, n_sessions):
        mood[place] = 0.95 * mood[place - 1] + 0.05 * random.standard_normal()
    scale = 0.02 * np.exp(mood)
    for place, factor in (changes or {}).items():
        scale[place:] *= factor
    days = pd.bdate_range("2015-01-01", periods=n_sessions).as_unit("us")
    noise = random.standard_normal((n_sessions, N_TICKERS))
    spread = np.exp(0.1 * random.standard_normal((n_sessions, N_TICKERS)))
    features = pd.DataFrame(
        {
            "ticker": np.tile([f"TICK{n:02d}" for n in range(N_TICKERS)], n_sessions),
            "session": days.repeat(N_TICKERS),
            "log_return_1d": (scale[:, None] * noise).ravel(),
            "volatility_21d": (scale[:, None] * spread).ravel(),
        }
    )
    return features, features[["ticker", "session"]].assign(in_universe=True)


def day(features: pd.DataFrame, place: int) -> date:
    return np.unique(features["session"])[place].astype("datetime64[D]").astype(object)


def found(features, universe, learned: int, columns=COLUMNS):
    drift = input_drift(features, universe, columns, day(features, learned))
    table = drift_table("lstm", "4", drift)
    assert broken_promises(DRIFT, table).empty
    assert len(table) == (len(columns) if drift.is_judged else 0)
    return drift


# What is compared


def test_returns_and_ratios_can_drift_and_nothing_else():
    forest, lstm = input_columns(FOREST_FEATURES), input_columns(LSTM_FEATURES)
    assert {"log_return_1d", "volatility_63d", "rsi_14", "intraday_return"} <= set(forest)
    for name in (*forest, *lstm):
        assert not name.startswith(("rank_", "market_")), name
    assert set(lstm) == {
        "volatility_21d",
        "volatility_63d",
        "parkinson_volatility_21d",
        "atr_14_over_close",
    }


def test_price_levels_and_what_looks_back_further_than_a_window_are_left_out():
    names = ["sma_200", "bollinger_upper", "illiquidity_21d", "log_return_252d", "log_return_63d"]
    assert input_columns(names) == ("log_return_63d",)


def test_only_what_a_model_could_be_asked_of_is_compared():
    features, universe = market(30)
    universe["in_universe"] = features["ticker"] == "TICK03"
    rows = input_rows(features, universe, COLUMNS)
    assert list(rows) == ["session", *COLUMNS]
    assert len(rows) == 30
    assert input_rows(features, universe, COLUMNS, tickers=["TICK04"]).empty


def test_a_feature_that_is_not_there_is_named():
    features, universe = market(30)
    with pytest.raises(DatasetError, match="no column rsi_14"):
        input_rows(features, universe, ("rsi_14",))


# Alarms


def test_a_market_that_only_has_moods_rarely_raises_an_alarm():
    """Eight markets watched for 200 sessions each: the longer proof is in `proofs`."""
    began = 0
    for seed in range(1, 9):
        drift = found(*market(900, seed=seed), learned=700)
        began += drift.path["is_alarm"].astype(int).diff().eq(1).sum()
    assert drift.is_judged
    assert drift.reason.startswith("inputs: no drift; the 63 sessions to 2018-06-13")
    assert began <= 3


def test_a_window_of_the_reference_itself_would_pass_the_customary_threshold():
    """What makes fixed thresholds useless: the volatility of a quarter is not that of years."""
    windows = Windows(_rows(market(900)[0]), _rows(market(1)[0])[:0], COLUMNS, 63)
    psi, _ = windows._measures(np.arange(63, 901), 63)
    assert (psi.max(axis=0) > 0.2).mean() > 0.5


def _rows(features):
    return features[["session", *COLUMNS]]


def test_moves_twice_as_large_are_noticed_and_named():
    drift = found(*market(900, {760: 2.5}), learned=750)
    assert drift.has_drift
    assert drift.since is not None
    assert day(market(900)[0], 760) < drift.since < day(market(900)[0], 823)
    assert "volatility_21d" in drift.drifted
    assert f"drift since {drift.since}" in drift.reason
    answer = as_answer(drift)
    assert answer["has_drift"] is True
    assert answer["recommendation"] == "retrain"
    assert set(answer["drift_scores"]) == set(COLUMNS)
    assert answer["drift_scores"]["volatility_21d"] > 1


def test_what_a_model_has_learned_from_is_no_drift_for_it():
    changed = market(900, {700: 2.5})
    before, after = found(*changed, learned=690), found(*changed, learned=820)
    assert before.has_drift
    assert not after.has_drift
    # It is as unlike the past as before; the level is the next one above.
    assert after.path["severity"].max() > 1
    assert after.path["level"].iloc[-1] > after.path["severity"].iloc[0]


def test_drift_that_grows_after_a_training_is_drift_again():
    drift = found(*market(900, {700: 2.5, 830: 30.0}), learned=820)
    assert drift.has_drift


def test_an_alarm_ends_when_the_market_is_as_it_was():
    drift = found(*market(1000, {760: 4.0, 800: 1 / 4.0}), learned=750)
    assert drift.path["is_alarm"].any()
    assert not drift.has_drift
    assert as_answer(drift)["recommendation"] == "ok"
    assert as_answer(drift)["drifted_features"] == []


def test_an_alarm_stays_until_it_is_well_below_its_level():
    path = found(*market(1000, {760: 4.0, 800: 1 / 4.0}), learned=750).path
    on = path[path["is_alarm"]]
    assert on["severity"].iloc[0] > 1
    assert (on["severity"] >= 0.8).all()
    assert path["severity"][on.index[-1] + 1] < 0.8


def test_tomorrow_does_not_change_what_was_found_today():
    features, universe = market(900, {760: 2.5})
    whole = found(features, universe, learned=750).path
    known = (features["session"] <= pd.Timestamp(day(features, 790))).to_numpy()
    then = found(features[known], universe[known], learned=750).path
    pd.testing.assert_frame_equal(then, whole[: len(then)])


def test_a_column_that_vanishes_drifts():
    features, universe = market(900)
    late = features["session"] > pd.Timestamp(day(features, 830))
    features.loc[late, "volatility_21d"] = NOTHING
    drift = found(features, universe, learned=800)
    assert drift.drifted == ["volatility_21d"]


def test_a_column_that_was_always_missing_says_nothing():
    features, universe = market(900)
    features["volatility_21d"] = NOTHING
    drift = found(features, universe, learned=700)
    assert not drift.has_drift
    assert drift.columns.set_index("column").loc["volatility_21d", "psi"] == 0


@pytest.mark.parametrize(
    ("n_sessions", "columns", "why"),
    [
        (140, COLUMNS, "78 sessions of reference and 62 to compare; 84 and 21 are needed"),
        (900, (), "no column can drift"),
    ],
)
def test_what_cannot_be_judged_says_so(n_sessions, columns, why):
    features, universe = market(n_sessions)
    drift = found(features, universe, learned=n_sessions - 1, columns=columns)
    assert not drift.has_drift
    if columns:
        why = "77 sessions of reference and 63 to compare; 84 and 21 are needed"
    assert drift.reason == f"inputs: not judged ({why})"
    assert as_answer(drift) == {
        "has_drift": False,
        "drifted_features": [],
        "drift_scores": {},
        "recommendation": "ok",
    }


def test_of_a_short_history_windows_are_shorter():
    drift = found(*market(63 + 100 + 40), learned=162)
    assert drift.is_judged
    row = drift.columns.iloc[0]
    assert row["n_current"] == 25 * N_TICKERS
    assert row["n_reference"] == 100 * N_TICKERS


# Two periods


def test_two_periods_are_compared_by_the_same_measure():
    features, _ = market(900, {700: 2.5})
    rows, days = _rows(features), np.unique(features["session"])
    reference = rows[rows["session"] < days[700]]
    alike = drift_between(reference, rows[rows["session"].between(days[600], days[662])], COLUMNS)
    unlike = drift_between(reference, rows[rows["session"] >= days[837]], COLUMNS)
    assert not alike.has_drift
    assert unlike.has_drift
    assert as_answer(unlike)["drifted_features"]
    # Sessions of both count as current alone.
    assert alike.columns["n_reference"].tolist() == [637 * N_TICKERS] * 2


def test_a_period_as_long_as_the_reference_is_compared_whole():
    rows = _rows(market(800)[0])
    days = np.unique(rows["session"])
    drift = drift_between(
        rows[rows["session"] < days[400]], rows[rows["session"] >= days[400]], COLUMNS
    )
    assert drift.columns["n_current"].tolist() == [400 * N_TICKERS] * 2


@pytest.mark.parametrize(("n", "m"), [(83, 10), (200, 0)])
def test_periods_too_short_to_compare_are_refused(n, m):
    rows = _rows(market(n + m)[0])
    reference, current = rows[: n * N_TICKERS], rows[n * N_TICKERS :]
    with pytest.raises(DatasetError, match="drift needs a reference of 84 sessions"):
        drift_between(reference, current, COLUMNS)


# What is said


def said(n_sessions: int, first: str, scale: float = 1.0, seed: int = 1) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    days = pd.bdate_range(first, periods=n_sessions).as_unit("us")
    shape = n_sessions * N_TICKERS
    mood = np.exp(0.3 * np.sin(np.arange(n_sessions) / 20)).repeat(N_TICKERS)
    hold = 0.4 + 0.05 * random.standard_normal(shape)
    rise = (1 - hold) * (0.5 + 0.02 * random.standard_normal(shape))
    return pd.DataFrame(
        {
            "session": days.repeat(N_TICKERS),
            "horizon": 1,
            "expected_return": scale * 0.001 * mood * random.standard_normal(shape),
            "probability_buy": rise,
            "probability_hold": hold,
            "probability_sell": 1 - hold - rise,
        }
    )


@pytest.mark.parametrize(("scale", "drifts"), [(1.0, False), (4.0, True)])
def test_what_is_said_is_held_against_what_was_judged(scale, drifts):
    judged = said(320, "2022-01-03")
    served = said(80, "2023-05-01", scale, seed=2)
    drift = prediction_drift(judged, served, date(2023, 4, 20))
    assert drift.subject == "predictions"
    assert drift.has_drift == drifts
    assert broken_promises(DRIFT, drift_table("lstm", "4", drift)).empty
    if drifts:
        assert {"expected_return", "score_spread"} <= set(drift.drifted)
        assert "probability_hold" not in drift.drifted


def test_a_model_that_has_served_for_two_months_is_not_judged_yet():
    drift = prediction_drift(said(320, "2022-01-03"), said(40, "2023-05-01"), date(2023, 4, 20))
    assert not drift.is_judged
    assert drift.reason.endswith(
        "320 sessions of reference and 40 to compare; 84 and 63 are needed)"
    )


def test_refused_rows_and_later_horizons_say_nothing():
    rows = said(2, "2022-01-03")
    rows.loc[0, "expected_return"] = NOTHING
    rows.loc[1, "horizon"] = 2
    found_rows = said_rows(rows)
    assert len(found_rows) == len(rows) - 2
    first = rows[2:N_TICKERS]["expected_return"]
    assert found_rows["score_spread"].iloc[0] == pytest.approx(first.std(ddof=0))


# The arithmetic of windows


def test_windows_from_running_sums_are_those_of_a_plain_loop():
    features, _ = market(300, {250: 3.0})
    rows, days = _rows(features), np.unique(features["session"])
    is_reference = rows["session"] < days[260]
    windows = Windows(rows[is_reference], rows[~is_reference], COLUMNS, 30)
    for end in (30, 150, 260, 270, 300):
        inside = rows["session"].isin(days[end - 30 : end])
        apart = is_reference & ~inside
        measured = windows.measure(end)
        for place, column in enumerate(COLUMNS):
            edges = windows._edges[place]
            cells = [
                np.bincount(np.searchsorted(edges.cells, rows.loc[where, column]), minlength=100)
                for where in (inside, apart)
            ]
            p, q = (
                np.maximum(counts.reshape(10, 10).sum(axis=1), 0.5) / counts.sum()
                for counts in cells
            )
            below = [np.cumsum(counts) / counts.sum() for counts in cells]
            assert measured.psi[place] == pytest.approx(((p - q) * np.log(p / q)).sum(), abs=2e-5)
            assert measured.ks[place] == pytest.approx(np.abs(below[0] - below[1]).max())
            assert measured.n_current[place] == inside.sum()
            assert measured.n_reference[place] == apart.sum()
        assert measured.severity.max() == pytest.approx(windows.severities(np.array([end]))[0])


def test_no_window_of_a_short_reference_is_beyond_its_own_level():
    rows = _rows(market(900)[0])
    windows = Windows(rows, rows[:0], COLUMNS, 63)
    severity = windows.severities(np.arange(63, 901))
    assert severity.max() == pytest.approx(1.0)


def test_of_a_reference_twice_as_long_its_rarest_window_is_left_out(monkeypatch):
    rows = _rows(market(900)[0])
    monkeypatch.setattr(drift_windows, "SESSIONS_PER_ONSET", 900)
    severity = Windows(rows, rows[:0], COLUMNS, 63).severities(np.arange(63, 901))
    beyond = np.flatnonzero(severity > 1 + 1e-9)
    assert len(beyond)
    assert beyond[-1] - beyond[0] < 2 * 63  # one stretch of windows that overlap
