"""From simulated prices to the records of a COTAHIST file: spot, fractional and option trades.

Prices become centavos here, and only here. What a day's record adds to its close (open, extremes,
average, bid, ask, trades) is drawn from that day alone and says nothing about the days after it.
"""

import numpy as np
import pandas as pd

from asset_predict_dagster.market.simulated_companies import PAPERS
from asset_predict_dagster.market.simulated_prices import PriceHistory

EX_SESSIONS = 8
"""Sessions that ESPECI keeps the mark of an ex-date, that of the ex-date included: in B3's files
of January 2021, 8 for all of EB, ED, EJ, ER and ES."""

SHARE_EVENT_FLAGS = {"split": "EB", "bonus": "EB", "grouping": "EG"}
"""Marks of share events. B3 has none for a split and writes EB, as for a bonus."""

FIRST_DISTRIBUTION = 100
"""DISMES before a paper's first event."""

SPREAD_AT_MILLION, SPREAD_EXPONENT = 0.0056, -0.34
TICKET_AT_MILLION, TICKET_EXPONENT = 2450.0, 0.27
"""Median spread over price and median R$ per trade, as powers of the traded value in R$ million:
fitted to the spot records of 16 sessions of January 2021."""

MAXIMUM_TRADES = 99_999
"""What TOTNEG's five digits hold."""

FRACTIONAL_PLACES = range(15)
OPTION_PLACES = range(10)
"""Papers (places in PAPERS) with a fractional market, and with one call and one put a session."""

FRACTIONAL_SHARE = 0.002
OPTION_SHARE = 0.01
"""Traded value there, over that of the paper itself."""

STRIKE_STEP = 0.25
CALL_MONTHS, PUT_MONTHS = "ABCDEFGHIJKL", "MNOPQRSTUVWX"

_NONE = np.datetime64("NaT", "us")


def make_records(history: PriceHistory, rows: slice) -> pd.DataFrame:
    """The records of the sessions `rows`, in the order of session, market and paper.

    Columns as `cotahist_layout.FIELDS` names them, without `record_type`.
    """
    spot = _spot(history, rows)
    place = spot["place"].to_numpy()
    fractional = _fractional(spot.loc[np.isin(place, FRACTIONAL_PLACES)])
    options = [
        _options(spot.loc[np.isin(place, OPTION_PLACES)], market) for market in ("070", "080")
    ]
    records = pd.concat([spot, fractional, *options], ignore_index=True)
    order = np.lexsort((records["place"], records["market_type"], records["session"]))
    return records.iloc[order].reset_index(drop=True)[_COLUMNS]


_COLUMNS = [
    "session", "bdi_code", "ticker", "market_type", "company", "specification", "forward_days",
    "currency", "open", "high", "low", "average", "close", "best_bid", "best_ask", "trades",
    "quantity", "volume_brl", "strike_price", "strike_indexer", "expiry", "quotation_factor",
    "strike_points", "isin", "distribution_number",
]  # fmt: skip


def _spot(history: PriceHistory, rows: slice) -> pd.DataFrame:
    """One row per trade of a paper in a session; `place` is the paper, the draws come along."""
    row, place = np.nonzero(history.is_traded[rows])
    row = row + rows.indices(len(history.sessions))[0]
    at = (row, place)
    normal, uniform = history.normals[at], history.uniforms[at]
    factor, deviation = history.quotation_factor[at], history.volatility[at]
    reference = history.reference_price_brl[at] * factor
    close = history.price_brl[at] * factor

    opening = (close / reference) ** 0.3 * np.exp(0.3 * deviation * normal[:, 2])
    open_ = reference * opening
    high = np.maximum(open_, close) * np.exp(0.5 * deviation * np.abs(normal[:, 3]))
    low = np.minimum(open_, close) * np.exp(-0.5 * deviation * np.abs(normal[:, 4]))
    middle = (open_ + close) / 2 + 0.15 * (high - low) * normal[:, 5]
    average = _centavos(middle.clip(low, high))
    close = _centavos(close)

    value_brl = np.exp(history.log_value[at])
    quantity = _quantity(value_brl, average / factor, _LOTS[place] * factor)
    flag, distribution = _rights(history)
    records = pd.DataFrame(
        {
            "session": history.sessions[row].astype("datetime64[us]"),
            "bdi_code": _BDI_CODES.take(place),
            "ticker": _TICKERS.take(place),
            "market_type": _text("010", len(row)),
            "company": _COMPANIES.take(place),
            "specification": _SPECIFICATIONS.take(place * len(_FLAGS) + flag[at]),
            "forward_days": pd.array([pd.NA], dtype="Int64").take(np.zeros(len(row), int)),
            "currency": _text("R$", len(row)),
            "open": _centavos(open_),
            "high": _centavos(high),
            "low": _centavos(low),
            "average": average,
            "close": close,
            **_book(close, _USUAL_VALUE_MILLIONS[place], normal[:, 6], uniform),
            "trades": _trades(value_brl, quantity, _LOTS[place] * factor),
            "quantity": quantity,
            "volume_brl": _centavos(average * quantity / factor),
            "strike_price": 0.0,
            "strike_indexer": _text("0", len(row)),
            "expiry": np.full(len(row), _NONE),
            "quotation_factor": factor,
            "strike_points": 0.0,
            "isin": _ISINS.take(place),
            "distribution_number": distribution[at],
            "place": place,
        }
    )
    return records.assign(deviation=deviation, draw=normal[:, 7], other_draw=uniform[:, 7])


def _book(
    close: np.ndarray, usual_value_millions: np.ndarray, normal: np.ndarray, uniform: np.ndarray
) -> dict[str, np.ndarray]:
    """Best bid and ask: the last trade was at the bid, at the ask, or between, a third each."""
    spread = SPREAD_AT_MILLION * usual_value_millions**SPREAD_EXPONENT * np.exp(0.3 * normal)
    spread_centavos = np.rint(spread * close * 100).clip(min=1)
    inside = np.floor(uniform[:, 5] * (spread_centavos + 1))
    below = np.choose(
        (uniform[:, 4] * 3).astype(int), np.stack([0 * inside, spread_centavos, inside])
    )
    best_bid = _centavos((close - below / 100).clip(min=0.01))
    return {"best_bid": best_bid, "best_ask": _centavos(best_bid + spread_centavos / 100)}


def _fractional(spot: pd.DataFrame) -> pd.DataFrame:
    """The market of less than a lot: the same day's prices, a little of its value."""
    close = (spot["close"] + (2 * spot["draw"]).round() / 100).clip(spot["low"], spot["high"])
    quantity = _quantity(FRACTIONAL_SHARE * spot["volume_brl"], spot["average"], 1)
    return spot.assign(
        bdi_code=_text("96", len(spot)),
        ticker=spot["ticker"] + "F",
        market_type=_text("020", len(spot)),
        close=_centavos(close),
        quantity=quantity,
        trades=(quantity // 20).clip(1, MAXIMUM_TRADES),
        volume_brl=_centavos(spot["average"] * quantity),
    )


def _options(spot: pd.DataFrame, market: str) -> pd.DataFrame:
    """One option per paper and session, a little out of the money, on next month's expiry."""
    is_call = market == "070"
    close_brl, draw = spot["close"].to_numpy(), spot["draw"].to_numpy()
    session = spot["session"].to_numpy().astype("datetime64[D]")
    strike = np.rint(close_brl * (1.03 if is_call else 0.97) / STRIKE_STEP) * STRIKE_STEP
    expiry = _expiries(session)
    to_expiry = (expiry - session).astype(int) * 252 / 365
    deviation = spot["deviation"].to_numpy() * np.sqrt(to_expiry)
    intrinsic = (close_brl - strike if is_call else strike - close_brl).clip(min=0.0)
    distance = np.abs(np.log(strike / close_brl)) / deviation
    close = _centavos((intrinsic + 0.4 * close_brl * deviation * np.exp(-distance)).clip(min=0.01))
    open_ = _centavos((close * np.exp(0.1 * draw)).clip(min=0.01))
    average = _centavos((open_ + close) / 2)
    quantity = _quantity(OPTION_SHARE * spot["volume_brl"].to_numpy(), average, 100)
    months = pd.Series(expiry.astype("datetime64[M]").astype(int) % 12, index=spot.index)
    series = months.map(dict(enumerate(CALL_MONTHS if is_call else PUT_MONTHS)))
    specification = spot["specification"]
    return spot.assign(
        bdi_code=_text("78" if is_call else "82", len(spot)),
        ticker=spot["ticker"].str[:4] + series + np.rint(strike).astype(int).astype(str),
        market_type=_text(market, len(spot)),
        specification=(specification.str[:4] + "    " + specification.str[8:]).str.rstrip(),
        forward_days=pd.array([0], dtype="Int64").take(np.zeros(len(spot), int)),
        open=open_,
        high=np.maximum(open_, close),
        low=np.minimum(open_, close),
        average=average,
        close=close,
        best_bid=_centavos((close - 0.01).clip(min=0.01)),
        best_ask=_centavos(close + 0.01),
        trades=(quantity // 1500).clip(1, MAXIMUM_TRADES),
        quantity=quantity,
        volume_brl=_centavos(average * quantity),
        strike_price=strike,
        expiry=expiry.astype("datetime64[us]"),
    )


def _expiries(sessions: np.ndarray) -> np.ndarray:
    """The third Friday of the month after each session's, datetime64[D].

    >>> _expiries(np.array(["2024-01-31"], dtype="datetime64[D]")).tolist()
    [datetime.date(2024, 2, 16)]
    """
    month_after = (sessions.astype("datetime64[M]") + 1).astype("datetime64[D]")
    return np.busday_offset(month_after, 2, roll="forward", weekmask="Fri")


def _rights(history: PriceHistory) -> tuple[np.ndarray, np.ndarray]:
    """Place in `_FLAGS` of the mark that ESPECI carries, and DISMES; (n_sessions, n_papers)."""
    flag = np.zeros(history.is_traded.shape, dtype=np.int64)
    steps = np.zeros(history.is_traded.shape, dtype=np.int64)
    events = history.corporate_actions
    for row, place, kind in zip(events["session"], events["paper"], events["kind"], strict=True):
        mark = SHARE_EVENT_FLAGS.get(kind, PAPERS[place].cash_flag)
        flag[row : row + EX_SESSIONS, place] = _FLAGS.index(mark)
        steps[row, place] += 1
    return flag, FIRST_DISTRIBUTION + steps.cumsum(axis=0)


def _quantity(value_brl, price_brl, lot):
    """Shares traded: about the value, in whole lots, at least one."""
    return np.maximum(np.rint(value_brl / price_brl / lot), 1).astype(np.int64) * lot


def _trades(value_brl: np.ndarray, quantity: np.ndarray, lot: np.ndarray) -> np.ndarray:
    """Number of trades: at most one per lot."""
    ticket = TICKET_AT_MILLION * (value_brl / 1e6).clip(min=1.0) ** TICKET_EXPONENT
    most = np.minimum(quantity // lot, MAXIMUM_TRADES)
    return np.rint(value_brl / ticket).astype(np.int64).clip(1, most)


def _centavos(prices):
    """Rounded to two decimals, as the file holds them."""
    return np.rint(prices * 100) / 100


def _text(value: str, length: int):
    return pd.array([value], dtype="str").take(np.zeros(length, dtype=np.int64))


def _specification(kind: str, flag: str, segment: str) -> str:
    """Field ESPECI: kind, mark and segment at fixed places.

    >>> _specification("ON", "ED", "NM"), _specification("UNT", "", "N2")
    ('ON  ED  NM', 'UNT     N2')
    """
    return f"{kind:<4}{flag:<4}{segment:<2}".rstrip()


_FLAGS = ("", "ED", "EJ", "ER", "EB", "EG")
_TICKERS = pd.array([paper.ticker for paper in PAPERS], dtype="str")
_COMPANIES = pd.array([paper.company_name for paper in PAPERS], dtype="str")
_ISINS = pd.array([paper.isin for paper in PAPERS], dtype="str")
_BDI_CODES = pd.array(["12" if paper.kind == "CI" else "02" for paper in PAPERS], dtype="str")
_SPECIFICATIONS = pd.array(
    [_specification(paper.kind, flag, paper.segment) for paper in PAPERS for flag in _FLAGS],
    dtype="str",
)
_LOTS = np.array([1 if paper.kind == "CI" else 100 for paper in PAPERS])
_USUAL_VALUE_MILLIONS = np.array([paper.value_brl_millions for paper in PAPERS])
