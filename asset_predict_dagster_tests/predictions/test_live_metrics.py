"""Live figures are those of forecasts that were made in time, and a plain loop finds the same."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr, t

from asset_predict_dagster.evaluation.drawing import WIDTH
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.market.sessions import opens_at, session_after, sessions_between
from asset_predict_dagster.predictions.live_metrics import live_metrics, read_live_metrics
from asset_predict_dagster.predictions.live_page import live_picture, months_in_words
from asset_predict_dagster.table_checks import broken_promises
from asset_predict_dagster.tables import LIVE_METRICS, OUTCOMES, PREDICTIONS

FIGURES = [
    *("rank_ic", "rank_ic_low", "rank_ic_high", "hit_rate", "naive_hit_rate"),
    *("mae", "naive_mae", "coverage"),
]
COUNTS = ["n_sessions", "n_predictions", "n_met", "n_refused", "n_late", "n_caught_up"]
TICKERS = ["ABCD3", "EFGH4", "IJKL3", "MNOP4", "QRST3"]


def said(
    ticker: str,
    session: date,
    expected: float = 0.0,
    *,
    model: str = "lstm",
    reason: str = "",
    after_opening: timedelta = timedelta(hours=-4),
    late: int = 0,
) -> dict:
    """A row of the ledger at the horizon of the action, and what is needed to meet it."""
    target = session_after(session, 1 + late)
    return {
        "model": model,
        "ticker": ticker,
        "session": pd.Timestamp(session).as_unit("us"),
        "target_session": pd.Timestamp(target).as_unit("us"),
        "horizon": 1 + late,
        "sessions_late": late,
        "reason": reason,
        "created_at": pd.Timestamp(opens_at(target) + after_opening).as_unit("us"),
        "expected_return": expected,
    }


def met(row: dict, realised: float) -> dict:
    expected = row["expected_return"]
    return {name: row[name] for name in ("model", "ticker", "session", "target_session")} | {
        "horizon": row["horizon"],
        "expected_return": expected,
        "realised_return": realised,
        "absolute_error": abs(realised - expected),
        "naive_absolute_error": abs(realised),
        "is_within_interval": abs(realised - expected) <= 0.02,
    }


def metrics(rows: list[dict], outcomes: list[dict]) -> pd.DataFrame:
    # Without an outcome, those of the first row keep the columns and their types.
    came = pd.DataFrame(outcomes or [met(rows[0], 0.0)]).iloc[: len(outcomes)]
    table = live_metrics(
        pd.DataFrame(rows).drop(columns="expected_return"),
        came.drop(columns=["target_session", "horizon"]),
    )
    assert broken_promises(LIVE_METRICS, table).empty
    return table


# --- By hand ------------------------------------------------------------------------------------

THURSDAY, FRIDAY = date(2024, 1, 18), date(2024, 1, 19)


def test_a_month_of_two_sessions_worked_out_by_hand():
    """Expected 1, 2, 3 %. On Friday 2, -1, 4 % came: ranks 2, 1, 3. On Monday 1, 2, 0: 2, 3, 1."""
    rows = [
        said(ticker, session, expected)
        for session in (THURSDAY, FRIDAY)
        for ticker, expected in zip(TICKERS, (0.01, 0.02, 0.03), strict=False)
    ]
    came = [0.02, -0.01, 0.04, 0.01, 0.02, 0.0]
    (row,) = metrics(rows, [met(*pair) for pair in zip(rows, came, strict=True)]).to_dict("records")
    assert (row["model"], row["month"]) == ("lstm", "2024-01")
    assert [row[name] for name in COUNTS] == [2, 6, 6, 0, 0, 0]
    assert row["share_in_time"] == 1.0
    # 1 - 6 Σd² / 24: Σd² is 2 on the one day and 6 on the other.
    assert row["rank_ic"] == pytest.approx((0.5 - 0.5) / 2)
    # The move of 0 has no sign. Of five all were said to rise, and four did.
    assert row["hit_rate"] == row["naive_hit_rate"] == 0.8
    # |r - f|: 1, 3, 1, 0, 0, 3 %; |r|: 2, 1, 4, 1, 2, 0 %.
    assert row["mae"] == pytest.approx(0.08 / 6)
    assert row["naive_mae"] == pytest.approx(0.10 / 6)
    assert row["coverage"] == pytest.approx(4 / 6)


def test_who_says_the_rarer_sign_is_worse_than_the_naive():
    rows = [said(ticker, FRIDAY, -0.01) for ticker in TICKERS]
    came = [0.01, 0.01, 0.01, -0.01, 0.01]
    row = metrics(rows, [met(*pair) for pair in zip(rows, came, strict=True)]).iloc[0]
    assert (row["hit_rate"], row["naive_hit_rate"]) == (0.2, 0.8)
    # All were expected alike: nothing was ordered.
    assert np.isnan(row["rank_ic"])


def test_a_month_is_that_of_the_session_that_was_forecast():
    rows = [said("ABCD3", date(2024, 1, 31)), said("ABCD3", date(2024, 1, 30))]
    assert metrics(rows, [])["month"].tolist() == ["2024-01", "2024-02"]


@pytest.mark.parametrize(
    ("after_opening", "is_live"), [(timedelta(seconds=-1), True), (timedelta(0), False)]
)
def test_what_is_said_when_b3_has_opened_is_no_live_forecast(after_opening, is_live):
    row = said("ABCD3", FRIDAY, 0.01, after_opening=after_opening)
    found = metrics([row], [met(row, 0.01)]).iloc[0]
    assert [found[name] for name in COUNTS] == ([1, 1, 1, 0, 0, 0] if is_live else [0] * 5 + [1])
    assert found["share_in_time"] == float(is_live)
    assert found[["mae", "hit_rate", "coverage"]].notna().all() == is_live


def test_each_row_is_counted_once_and_only_those_in_time_are_judged():
    day = timedelta(days=1)
    rows = [
        said("ABCD3", FRIDAY, 0.01),
        said("EFGH4", FRIDAY, 0.01, reason="out_of_distribution"),
        said("IJKL3", FRIDAY, reason="illiquid"),
        said("MNOP4", FRIDAY, reason="model_expired", after_opening=day),
        said("QRST3", FRIDAY, 0.01, after_opening=day),
        said("ABCD3", THURSDAY, 0.01, reason="late_data", late=1, after_opening=day),
        said("EFGH4", THURSDAY, reason="stale_quote", late=1, after_opening=day),
    ]
    judged = [row for row in rows if row["expected_return"] and not row["sessions_late"]]
    found = metrics(rows, [met(row, 0.02 if row["ticker"] != "QRST3" else 9.0) for row in judged])
    assert found[COUNTS].iloc[0].tolist() == [1, 2, 2, 3, 1, 1]
    assert found["share_in_time"].iloc[0] == 0.5
    # The caught-up one was wrong by 899 points.
    assert found["mae"].iloc[0] == pytest.approx(0.01)


def test_what_has_not_come_true_yet_has_no_figure():
    row = metrics([said("ABCD3", FRIDAY, 0.01)], []).iloc[0]
    assert [row[name] for name in COUNTS] == [1, 1, 0, 0, 0, 0]
    assert row[FIGURES].isna().all()


def test_a_month_in_which_all_was_refused_has_no_share_in_time():
    row = metrics([said("ABCD3", FRIDAY, reason="illiquid")], []).iloc[0]
    assert np.isnan(row["share_in_time"])
    assert row[FIGURES].isna().all()


def of_correlations(*signs: int) -> pd.Series:
    """The month's row when in each session all came in the order said (1) or in its reverse."""
    sessions = sessions_between(date(2024, 1, 2), date(2024, 1, 31)).astype(object)[: len(signs)]
    rows, came = [], []
    for session, sign in zip(sessions, signs, strict=True):
        mine = [said(ticker, session, 0.01 * place) for place, ticker in enumerate(TICKERS)]
        rows += mine
        came += [met(row, sign * row["expected_return"]) for row in mine]
    return metrics(rows, came).iloc[0]


def test_four_sessions_have_no_interval():
    row = of_correlations(1, 1, 1, -1)
    assert row["rank_ic"] == pytest.approx(0.5)
    assert row[["rank_ic_low", "rank_ic_high"]].isna().all()


def test_an_interval_ends_where_correlations_do():
    # s = .8944, so s / √5 = .4, and Student's t of four degrees of freedom is 2.7764.
    row = of_correlations(1, 1, 1, 1, -1)
    assert row["rank_ic"] == pytest.approx(0.6)
    assert row["rank_ic_low"] == pytest.approx(0.6 - 2.7764 * 0.4, abs=1e-4)
    assert row["rank_ic_high"] == 1.0
    assert of_correlations(-1, -1, -1, -1, 1)["rank_ic_low"] == -1.0


def test_without_a_ledger_row_there_is_no_month():
    rows = [said("ABCD3", FRIDAY)]
    empty = pd.DataFrame(rows).iloc[:0]
    outcomes = (
        pd.DataFrame([met(rows[0], 0.0)]).iloc[:0].drop(columns=["target_session", "horizon"])
    )
    assert live_metrics(empty.drop(columns="expected_return"), outcomes).empty


def test_a_target_that_became_a_holiday_counts_from_midnight_of_its_day():
    """It was said of Carnival Monday, 12 February 2024, whose midnight is 03:00 UTC."""
    holiday, midnight = pd.Timestamp("2024-02-12"), pd.Timestamp("2024-02-12 03:00", tz="UTC")
    before = said("ABCD3", date(2024, 2, 9)) | {
        "target_session": holiday,
        "created_at": midnight - timedelta(minutes=1),
    }
    after = before | {"ticker": "EFGH4", "created_at": midnight}
    ordinary = said("ABCD3", date(2024, 2, 14))
    row = metrics([before, after, ordinary], []).iloc[0]
    assert (row["n_predictions"], row["n_caught_up"]) == (2, 1)


# --- Against a plain loop -----------------------------------------------------------------------


def by_a_plain_loop(rows: list[dict], outcomes: list[dict]) -> dict[tuple[str, str], dict]:
    came = {(o["model"], o["ticker"], o["session"]): o for o in outcomes}
    months: dict[tuple[str, str], list[dict]] = {}
    for row in rows:
        key = row["model"], str(row["target_session"])[:7]
        months.setdefault(key, []).append(row)
    table = {}
    for key, mine in months.items():
        in_time, n_refused, n_late, n_caught_up = [], 0, 0, 0
        for row in mine:
            if row["reason"] in ("stale_quote", "illiquid", "model_expired"):
                n_refused += 1
            elif row["sessions_late"]:
                n_late += 1
            elif row["created_at"] >= opens_at(row["target_session"].date()):
                n_caught_up += 1
            else:
                in_time.append(row)
        known = [came[k] for r in in_time if (k := (r["model"], r["ticker"], r["session"])) in came]
        pairs = [(o["expected_return"], o["realised_return"]) for o in known]
        daily = []
        for day in sorted({o["session"] for o in known}):
            f, r = zip(
                *[
                    (o["expected_return"], o["realised_return"])
                    for o in known
                    if o["session"] == day
                ],
                strict=True,
            )
            if len(f) >= 3 and len(set(f)) > 1 and len(set(r)) > 1:
                daily.append(spearmanr(f, r).statistic)
        moves = [(f, r) for f, r in pairs if f != 0 and r != 0]
        rises = sum(r > 0 for _, r in moves)
        nan = float("nan")
        low, high = nan, nan
        if len(daily) >= 5:
            half = t.ppf(0.975, len(daily) - 1) * np.std(daily, ddof=1) / len(daily) ** 0.5
            low, high = max(np.mean(daily) - half, -1), min(np.mean(daily) + half, 1)
        n_said = len(mine) - n_refused
        table[key] = {
            "n_sessions": len({r["target_session"] for r in in_time}),
            "n_predictions": len(in_time),
            "n_met": len(known),
            "n_refused": n_refused,
            "n_late": n_late,
            "n_caught_up": n_caught_up,
            "share_in_time": len(in_time) / n_said if n_said else nan,
            "rank_ic": np.mean(daily) if daily else nan,
            "rank_ic_low": low,
            "rank_ic_high": high,
            "hit_rate": sum(f * r > 0 for f, r in moves) / len(moves) if moves else nan,
            "naive_hit_rate": max(rises, len(moves) - rises) / len(moves) if moves else nan,
            "mae": np.mean([abs(r - f) for f, r in pairs]) if pairs else nan,
            "naive_mae": np.mean([abs(r) for _, r in pairs]) if pairs else nan,
            "coverage": np.mean([o["is_within_interval"] for o in known]) if known else nan,
        }
    return table


DAYS = [day.astype(date) for day in sessions_between(date(2024, 1, 22), date(2024, 2, 9))]


@st.composite
def a_life(draw) -> tuple[list[dict], list[dict]]:
    """What two models said in three weeks, some of it late, refused, caught up or not yet met."""
    random = np.random.default_rng(draw(st.integers(0, 2**16)))
    few = draw(st.booleans())
    rows = []
    for model in ("lstm", "random_forest"):
        for day in DAYS:
            n_late, hours = (
                int(random.random() < 0.1),
                random.choice([-5, -1, 0, 30], p=[0.6, 0.2, 0.1, 0.1]),
            )
            for ticker in TICKERS:
                reason = random.choice(["", "illiquid", "out_of_distribution"], p=[0.7, 0.2, 0.1])
                size = random.choice([0.0, 0.01, 0.02]) if few else 0.02 * random.standard_normal()
                rows.append(
                    said(
                        ticker,
                        day,
                        float(size),
                        model=model,
                        reason=str(reason),
                        late=n_late,
                        after_opening=timedelta(hours=int(hours)),
                    )
                )
    outcomes = [
        met(
            row,
            float(random.choice([-0.01, 0.0, 0.03])) if few else 0.02 * random.standard_normal(),
        )
        for row in rows
        if row["reason"] != "illiquid" and not row["sessions_late"] and random.random() < 0.9
    ]
    return rows, outcomes


@given(a_life())
@settings(max_examples=15, deadline=None)
def test_the_table_is_what_a_plain_loop_finds(life):
    rows, outcomes = life
    expected = by_a_plain_loop(rows, outcomes)
    table = metrics(rows, outcomes)
    assert [tuple(key) for key in table[["model", "month"]].to_numpy()] == sorted(expected)
    for row in table.to_dict("records"):
        for name, value in expected[row["model"], row["month"]].items():
            assert row[name] == pytest.approx(value, nan_ok=True, abs=1e-12), name


# --- From the lake ------------------------------------------------------------------------------


def whole(table, row: dict, **more) -> dict:
    """The row with a value in every column that it does not name."""
    blank = {column.name: 0.0 for column in table.columns}
    return {name: (blank | row | more)[name] for name in table.column_names}


def test_of_thirty_horizons_the_first_is_read(tmp_path):
    rows = [said(ticker, FRIDAY, 0.01 * place) for place, ticker in enumerate(TICKERS)]
    lake = Lake(tmp_path)
    text = {"model_version": "1", "action": "hold", "status": "unproven"}
    for horizon in (1, 2, 30):
        far = {
            "horizon": horizon,
            "target_session": pd.Timestamp(session_after(FRIDAY, horizon)).as_unit("us"),
        }
        wrong = horizon - 1.0
        lake.insert_new(
            PREDICTIONS,
            pd.DataFrame([whole(PREDICTIONS, row | far, **text) for row in rows]),
        )
        lake.insert_new(
            OUTCOMES,
            pd.DataFrame(
                [
                    whole(
                        OUTCOMES, met(row | far, 0.02 + wrong), model_version="1", is_halted=False
                    )
                    for row in rows
                ]
            ),
        )
    found = read_live_metrics(lake)
    near = metrics(rows, [met(row, 0.02) for row in rows])
    pd.testing.assert_frame_equal(found, near)
    assert lake.write(LIVE_METRICS, found).n_rows == 1


def test_late_rows_of_the_ledger_are_counted_at_the_horizon_of_their_action(tmp_path):
    """One session late: of its horizons 2 to 30 the second is the next session's."""
    lake, day = Lake(tmp_path), timedelta(hours=1)
    row = said("ABCD3", THURSDAY, 0.01, late=1, reason="late_data", after_opening=day)
    text = {"model_version": "1", "action": "hold", "status": "unproven"}
    rows = [
        whole(
            PREDICTIONS,
            row,
            **text,
            horizon=horizon,
            target_session=pd.Timestamp(session_after(THURSDAY, horizon)).as_unit("us"),
        )
        for horizon in (2, 3, 30)
    ]
    lake.insert_new(PREDICTIONS, pd.DataFrame(rows))
    blank = whole(OUTCOMES, met(row, 0.0), model_version="1", is_halted=False)
    lake.insert_new(OUTCOMES, pd.DataFrame([blank]).iloc[:0])
    found = read_live_metrics(lake)
    assert found[COUNTS].to_numpy().tolist() == [[0, 0, 0, 0, 1, 0]]
    assert found["share_in_time"].tolist() == [0.0]


# --- What people see ----------------------------------------------------------------------------


def a_month(month: str, **figures) -> dict:
    row = dict.fromkeys(LIVE_METRICS.column_names, np.nan) | dict.fromkeys(COUNTS, 0)
    return row | {"model": "lstm", "month": month} | figures


def test_the_page_shows_each_figure_beside_the_naive_one_the_latest_month_first():
    told = months_in_words(
        pd.DataFrame(
            [
                a_month(
                    "2024-01",
                    n_sessions=21,
                    n_predictions=2100,
                    n_met=2000,
                    n_refused=40,
                    n_late=100,
                    n_caught_up=3,
                    share_in_time=0.95,
                    rank_ic=0.0312,
                    rank_ic_low=-0.01,
                    rank_ic_high=0.0724,
                    hit_rate=0.512,
                    naive_hit_rate=0.5304,
                    mae=0.01234,
                    naive_mae=0.01229,
                    coverage=0.897,
                ),
                a_month("2024-02", n_sessions=1, n_predictions=100, share_in_time=1.0),
            ]
        )
    )
    lines = [line for line in told.splitlines() if line.startswith("| 2024")]
    february, january = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines)
    assert january == [
        *("2024-01", "21", "2,000 / 2,100", "0.031 [-0.010, 0.072]", "51.2% / 53.0%"),
        *("1.234% / 1.229%", "89.7%", "95%", "100", "3", "40"),
    ]
    assert february == ["2024-02", "1", "0 / 100", *["–"] * 4, "100%", "0", "0", "0"]


def test_the_picture_is_small_and_there_is_none_before_there_is_a_figure():
    months = [f"{year}-{month:02d}" for year in (2021, 2022, 2023) for month in range(1, 13)]
    figures = {"rank_ic": 0.02, "rank_ic_low": -0.05, "rank_ic_high": 0.09}
    figures |= {"hit_rate": 0.51, "naive_hit_rate": 0.53}
    table = pd.DataFrame([a_month(month, **figures) for month in months])
    both = pd.concat([table, table.assign(model="random_forest", rank_ic=0.03)])
    drawn = live_picture(both)
    assert drawn is not None
    assert drawn == live_picture(both)
    assert len(drawn) < 50_000
    assert int.from_bytes(drawn[16:20], "big") == WIDTH
    assert live_picture(pd.DataFrame([a_month("2024-01")])) is None
