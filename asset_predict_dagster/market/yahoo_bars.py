"""Yahoo's bars become records as B3 would have written them: prices as traded, splits undone.

Yahoo divides every price and dividend, and multiplies every volume, by the splits that came
later. Undone, a record never changes again when a paper is split, and the split stands where it
belongs: among the corporate actions.
"""

import re

import numpy as np
import pandas as pd

from asset_predict_dagster.market.corporate_actions import no_events
from asset_predict_dagster.market.records import RECORD_COLUMNS, RECORD_TYPES
from asset_predict_dagster.market.yahoo_download import Answer

_PRICES = ["open", "high", "low", "close"]

_PAPER = re.compile(r"ON|PN[A-H]?|UNT|CIA?|DR[NE123]")
_PAPER_OF_DIGITS = {"3": "ON", "4": "PN", "5": "PNA", "6": "PNB", "7": "PNC", "8": "PND"}
_REAL_ESTATE_FUND = re.compile(r"FII\b|FDO INV IMOB")

_SPLIT_TO_TELL = np.log(1.5)
"""|log factor| from which a day's return cannot be mistaken for the split itself."""


def as_traded(answer: Answer) -> pd.DataFrame:
    """The bars in order with the splits undone, one row per day of the answer.

        price as traded  = Yahoo's price × factors of the splits after that day
        dividend as paid = Yahoo's dividend × factors of the splits on that day and after

    (a dividend is paid per share as held on the day before). Columns `session`, the prices in R$
    rounded to centavos, `quantity`, `split` (shares after / before; 1 if none), `dividend` (R$
    per share; 0 if none), `yahoo_close`. Missing prices stay missing.

    A 1→2 split on the second day:

    >>> bars = pd.DataFrame(
    ...     {"Open": 5.0, "High": 6.0, "Low": 4.0, "Close": [5.5, 5.0], "Volume": [800, 100],
    ...      "Dividends": 0.0, "Stock Splits": [0.0, 2.0]},
    ...     index=pd.to_datetime(["2024-02-08", "2024-02-09"]).tz_localize("America/Sao_Paulo"),
    ... )
    >>> as_traded(Answer(bars))[["close", "quantity", "split"]].to_numpy().tolist()
    [[11.0, 400.0, 1.0], [5.0, 100.0, 2.0]]
    """
    bars = answer.bars.sort_index()
    split = bars["Stock Splits"].to_numpy(dtype=float)
    split = np.where(split > 0, split, 1.0)
    on_or_after = np.cumprod(split[::-1])[::-1]
    after = np.append(on_or_after[1:], 1.0)[: len(bars)]
    # The day is the exchange's: bars are stamped with the midnight of São Paulo.
    days = bars.index.tz_localize(None).normalize().as_unit("us")
    prices = {name: (bars[name.capitalize()].to_numpy() * after).round(2) for name in _PRICES}
    return pd.DataFrame(
        {
            "session": days,
            **prices,
            "quantity": np.rint(bars["Volume"].fillna(0).to_numpy() / after),
            "split": split,
            "dividend": (bars["Dividends"].fillna(0).to_numpy(dtype=float) * on_or_after).round(8),
            "yahoo_close": bars["Close"].to_numpy(dtype=float),
        }
    )


def records_of(ticker: str, days: pd.DataFrame, short_name: str) -> pd.DataFrame:
    """The days of `as_traded` on which there was a trade, as records.

    What Yahoo does not know is as B3 writes that there is none: no bid or ask, no ISIN, a
    distribution number that never steps; `average` and `trades` are missing. `volume_brl` is an
    estimate: the typical price (high + low + close) / 3 times the quantity.
    """
    traded = days[days[_PRICES].notna().all(axis=1) & (days["quantity"] > 0)]
    company, specification, bdi_code = paper_of(ticker, short_name)
    typical = traded[["high", "low", "close"]].mean(axis=1)
    records = traded[["session", *_PRICES, "quantity"]].assign(
        ticker=ticker,
        market_type="010",
        bdi_code=bdi_code,
        company=company,
        specification=specification,
        forward_days=pd.NA,
        currency="R$",
        average=np.nan,
        best_bid=0.0,
        best_ask=0.0,
        trades=pd.NA,
        volume_brl=(typical * traded["quantity"]).round(2),
        strike_price=0.0,
        strike_indexer="0",
        expiry=pd.NaT,
        quotation_factor=1,
        strike_points=0.0,
        isin="",
        distribution_number=0,
    )
    return records[[column.name for column in RECORD_COLUMNS]].astype(RECORD_TYPES)


def events_of(ticker: str, days: pd.DataFrame) -> pd.DataFrame:
    """The splits, groupings and dividends of `as_traded`, as `tables.CORPORATE_ACTIONS`."""
    splits = days[days["split"] != 1.0]
    dividends = days[days["dividend"] > 0]
    kinds = np.where(splits["split"] > 1.0, "split", "grouping")
    told = [
        splits.assign(kind=kinds, amount_brl=np.nan, factor=splits["split"]),
        dividends.assign(kind="cash_dividend", amount_brl=dividends["dividend"], factor=np.nan),
    ]
    nothing = no_events()
    events = pd.concat(told).rename(columns={"session": "ex_date"})
    events = events.assign(
        ticker=ticker, source="yahoo", confidence=1.0, evidence=None, disputed=None
    )
    return events[nothing.columns].astype(nothing.dtypes)


def doubts_of(days: dict[str, pd.DataFrame]) -> list[str]:
    """A sentence for each split that Yahoo lists, but whose step its prices still show.

    For some days after a split the list and the prices can disagree; undone, such a split makes
    the prices before it wrong by its factor. `days` are those of `as_traded` by ticker.
    """
    sentences = []
    for ticker, rows in days.items():
        traded = rows[rows["yahoo_close"] > 0]
        step, size = np.log(traded["yahoo_close"]).diff(), np.log(traded["split"])
        doubtful = traded[(size.abs() >= _SPLIT_TO_TELL) & ((step + size).abs() < step.abs())]
        for session, factor in zip(doubtful["session"], doubtful["split"], strict=True):
            sentences.append(
                f"Yahoo lists a split of {ticker} on {session:%Y-%m-%d} (factor {factor:g}), but"
                " its prices still step there: until it adjusts them, what is landed of earlier"
                " sessions is wrong by that factor"
            )
    return sentences


def paper_of(ticker: str, short_name: str) -> tuple[str, str, str]:
    """The company (NOMRES), the kind of paper (ESPECI) and the section of the bulletin (CODBDI).

    Of papers of B3 Yahoo's short name repeats B3's fields: 12 characters of company, 4 of paper,
    4 of flags, 2 of segment. The flags (ED, ER...) are left out: the name is today's, and they
    say what the paper was on one day. Where the name is another, the digits of the ticker say
    what they can; of 11, which may be a unit or a fund, nothing.

    >>> paper_of("PETR4", "PETROBRAS   PN  ED  N2")
    ('PETROBRAS', 'PN      N2', '02')
    >>> paper_of("KNRI11", "FII KINEA   CI  ER")
    ('FII KINEA', 'CI', '12')
    >>> paper_of("VALE3", "Vale S.A.")
    ('Vale S.A.', 'ON', '02')
    """
    company, segment = short_name[:12].strip(), short_name[20:22].strip()
    paper = short_name[12:16].strip()
    if not _PAPER.fullmatch(paper):
        paper, segment = _PAPER_OF_DIGITS.get(ticker[4:], ""), ""
    if paper in ("CI", "CIA"):
        bdi_code = "12" if _REAL_ESTATE_FUND.match(company.upper()) else "14"
    else:
        bdi_code = "34" if paper.startswith("DR") else "02"
    return company or ticker[:4], f"{paper:<8}{segment}".rstrip(), bdi_code
