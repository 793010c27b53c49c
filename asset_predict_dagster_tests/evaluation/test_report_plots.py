"""What a report draws is worked out from the forecasts: by hand, and by a plain loop."""

import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster.evaluation.drawing import NARROW, new_figure, png, svg
from asset_predict_dagster.evaluation.error_plots import (
    adjusted_prices,
    error_by_ticker,
    likeliest,
    share_of_tickers_beaten,
)
from asset_predict_dagster.evaluation.metrics import session_means
from asset_predict_dagster.evaluation.report_plots import equity_figure, rank_ic_by_month
from asset_predict_dagster_tests.evaluation.forecast_rows import made_forecasts


def forecast(day: str, ticker: str, expected: float, realised: float) -> dict:
    return {
        "session": pd.Timestamp(day),
        "ticker": ticker,
        "expected_return": expected,
        "realised_return": realised,
    }


def of_model(rows: pd.DataFrame, model: str) -> pd.DataFrame:
    return rows[rows["model"] == model]


def test_a_months_rank_ic_is_the_mean_of_its_sessions():
    rows = of_model(made_forecasts({("lstm", "1"): 0.2}, n_sessions=45), "lstm")
    months = rank_ic_by_month(rows)
    daily = session_means(rows, "rank_ic")
    assert months["month"].tolist() == list(pd.date_range("2023-01-01", periods=3, freq="MS"))
    assert months["n_sessions"].tolist() == [22, 20, 3]
    for row in months.itertuples():
        inside = [value for day, value in daily.items() if day.month == row.month.month]
        assert row.rank_ic == pytest.approx(np.mean(inside))
        assert row.half_width == pytest.approx(1.96 * np.std(inside, ddof=1) / np.sqrt(len(inside)))


def test_a_month_of_two_sessions_has_no_interval():
    rows = of_model(made_forecasts({("lstm", "1"): 0.2}, n_sessions=24), "lstm")
    assert rank_ic_by_month(rows)["half_width"].isna().tolist() == [False, True]


def test_who_orders_nothing_has_no_month():
    rows = of_model(made_forecasts({("lstm", "1"): 0.2}, n_sessions=24), "naive")
    assert rank_ic_by_month(rows).empty


def test_a_model_that_is_half_as_far_off_differs_by_minus_a_half():
    rows = [("2024-01-02", 0.04), ("2024-01-03", -0.02)]
    naive = pd.DataFrame([forecast(day, "ZZAA3", 0.0, real) for day, real in rows])
    mine = pd.DataFrame([forecast(day, "ZZAA3", real / 2, real) for day, real in rows])
    (row,) = error_by_ticker(mine, naive, ["ZZAA3", "NOT5"]).itertuples()
    assert (row.ticker, row.n_sessions) == ("ZZAA3", 2)
    assert row.naive == pytest.approx(0.03)
    assert (row.difference, row.low, row.high) == pytest.approx((-0.5, -0.5, -0.5))


def test_errors_by_ticker_are_those_of_a_plain_loop():
    made = made_forecasts({("lstm", "1"): 0.3}, n_sessions=60, n_tickers=5)
    mine, naive = of_model(made, "lstm"), of_model(made, "naive")
    # One ticker was not there in every session.
    absent = (naive["ticker"] == "TICK01") & (naive["session"] < pd.Timestamp("2023-02-01"))
    mine, naive = mine[~absent.to_numpy()], naive[~absent]
    table = error_by_ticker(mine, naive, ["TICK03", "TICK01"])
    assert table["ticker"].tolist() == ["TICK03", "TICK01"]
    for row in table.itertuples():
        errors = [
            [abs(r.realised_return - r.expected_return) for r in rows.itertuples()]
            for rows in (mine[mine["ticker"] == row.ticker], naive[naive["ticker"] == row.ticker])
        ]
        assert row.naive == pytest.approx(np.mean(errors[1]))
        assert row.difference == pytest.approx(np.sum(errors[0]) / np.sum(errors[1]) - 1)
        assert row.n_sessions == len(errors[1])
        assert row.low < row.difference < row.high


def test_tickers_are_beaten_where_the_mean_error_is_smaller():
    naive = pd.DataFrame([forecast("2024-01-02", name, 0.0, 0.02) for name in ("A3", "B3", "C3")])
    mine = naive.assign(expected_return=[0.01, -0.01, 0.0])
    assert share_of_tickers_beaten(mine, naive) == (1, 3)


def test_prices_are_in_reais_of_the_last_session():
    quotes = pd.DataFrame(
        {
            "session": pd.to_datetime(["2024-01-03", "2024-01-02", "2024-01-04"]),
            "close": [10.0, 18.0, 11.0],  # split 2 for 1 on the 3rd, first row out of order
            "adjusted_close": [20.0, 18.0, 22.0],
        }
    )
    assert adjusted_prices(quotes)["price"].tolist() == [9.0, 10.0, 11.0]


def test_the_likeliest_action_is_called():
    rows = pd.DataFrame(
        {
            "probability_buy": [0.2, 0.4],
            "probability_hold": [0.5, 0.4],
            "probability_sell": [0.3, 0.2],
        }
    )
    assert likeliest(rows).tolist() == ["hold", "buy"]


def test_an_unknown_session_of_the_index_is_a_gap_and_costs_nothing():
    days = pd.DataFrame({"session": pd.bdate_range("2024-01-02", periods=4)})
    daily = days.assign(gross_return=0.01, net_return=0.0)
    benchmarks = days.assign(equal_weight=np.nan, ibov=[0.1, np.nan, 0.1, 0.0])
    levels, falls = equity_figure({"lstm": daily}, benchmarks).axes
    lines = {line.get_label(): line.get_ydata() for line in levels.lines}
    np.testing.assert_allclose(lines["IBOV"], [1.1, np.nan, 1.21, 1.21])
    np.testing.assert_allclose(lines["lstm"], [1.0] * 4)
    assert "equal weight" not in lines
    assert len(falls.lines) == 2


def drawn():
    figure, (axes,) = new_figure(1, width=NARROW)
    axes.plot([0, 1], label="R$ \\frac US$")
    axes.legend()
    return figure


def test_a_name_with_two_dollars_is_no_formula():
    assert b"R$ \\frac US$" in svg(drawn())
    assert png(drawn())


def test_the_same_figure_is_the_same_bytes_and_scales():
    assert svg(drawn()) == svg(drawn())
    assert b'viewBox="0 0 288 ' in svg(drawn())  # 480 pixels at 120 a 72-point inch
    assert png(drawn()) == png(drawn())
