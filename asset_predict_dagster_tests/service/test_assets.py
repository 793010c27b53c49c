"""Quotes, indicators and the list of tickers."""

from datetime import date

import numpy as np
import pytest

from asset_predict_dagster.service.schemas import assets
from asset_predict_dagster.tables import QUOTES
from asset_predict_dagster_tests.pipeline.conftest import AS_OF, Workplace
from asset_predict_dagster_tests.service.asking import of_reason, refusal


def test_an_asset_has_its_latest_quote_and_the_indicators(client, finished: Workplace, said):
    ticker = of_reason(said, "")
    quote = finished.lake.read(QUOTES, where={"ticker": [ticker]}).iloc[-1]
    answer = client.get(f"/asset/{ticker.lower()}").json()
    found = assets.AssetAnswer.model_validate(answer)
    assert (found.ticker, found.company) == (ticker, quote["company"])
    assert found.data["session"] == str(AS_OF)
    for name in ("open", "high", "low", "close", "volume_brl", "adjusted_close"):
        assert found.data[name] == quote[name]
    assert {"rsi_14", "macd", "sma_200", "atr_14", "returns", "day_of_week"} <= set(found.data)
    assert found.data["day_of_week"] == date.weekday(AS_OF)


def test_a_history_has_the_last_sessions_in_order(client, finished: Workplace, said):
    ticker = of_reason(said, "")
    quotes = finished.lake.read(QUOTES)
    year = np.unique(quotes["session"])[-252:]
    quotes = quotes[(quotes["ticker"] == ticker) & (quotes["session"] >= year[0])]
    for asked, n in (("", 52), ("?days=1", 1), ("?days=252", 252)):
        answer = client.get(f"/asset/{ticker}/history{asked}").json()
        found = assets.HistoryAnswer.model_validate(answer)
        rows = quotes.iloc[-n:]
        assert [row.session for row in found.history] == list(rows["session"].dt.date)
        assert [row.close for row in found.history] == rows["close"].tolist()


@pytest.mark.parametrize(
    ("route", "status", "code"),
    [
        ("/asset/NONE3", 404, "unknown_ticker"),
        ("/asset/NONE3/history", 404, "unknown_ticker"),
        (f"/asset/{'P' * 21}", 422, "out_of_range"),
        ("/assets?page=0", 422, "out_of_range"),
        ("/assets?page_size=101", 422, "out_of_range"),
        ("/assets?page=first", 400, "malformed"),
        ("/assets?search=zz", 422, "out_of_range"),
        ("/nowhere", 404, "not_found"),
    ],
)
def test_what_cannot_be_looked_up_is_refused(client, route, status, code):
    answer = client.get(route)
    assert (answer.status_code, refusal(answer).error) == (status, code)


def test_a_history_is_of_one_to_two_hundred_and_fifty_two_sessions(client, said):
    for days, status in ((0, 422), (253, 422), ("x", 400)):
        answer = client.get(f"/asset/{of_reason(said, '')}/history?days={days}")
        assert answer.status_code == status


def test_the_pages_of_the_assets_hold_each_ticker_once(client):
    seen, page, more = [], 1, True
    while more:
        answer = client.get(f"/assets?page={page}&page_size=7").json()
        found = assets.AssetsAnswer.model_validate(answer)
        seen += [one.ticker for one in found.assets]
        more, page = found.pagination.has_next, page + 1
        assert found.pagination.has_prev == (page > 2)
    assert seen == sorted(set(seen))
    assert len(seen) == found.pagination.total_count
    assert found.search_term is None


def test_assets_are_found_by_a_part_of_their_company(client, finished: Workplace):
    quotes = finished.lake.read(QUOTES, columns=["ticker", "company"])
    company = quotes["company"].iloc[-1]
    found = client.get("/assets", params={"search": company.lower()}).json()
    assert found["search_term"] == company
    assert {one["company"] for one in found["assets"]} == {company}
