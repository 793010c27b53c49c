"""Corporate actions as B3's listed-company service tells them, in answers saved as JSON.

A folder that holds a `GetDetailsCompany.json` is one company. Beside it may lie
`GetListedSupplementCompany.json` (every share event, the cash of about the last twelve months,
rights to subscribe) and `GetListedCashDividends.json` (all cash, by class of share).
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from math import prod
from pathlib import Path

import pandas as pd

from asset_predict_dagster.errors import MarketFileError
from asset_predict_dagster.market.corporate_actions import no_events
from asset_predict_dagster.market.listed_answers import Answer, read_answers
from asset_predict_dagster.market.listed_papers import Papers
from asset_predict_dagster.market.sessions import all_sessions, session_after
from asset_predict_dagster.tables import CASH_KINDS, CORPORATE_ACTIONS, SHARE_KINDS

DETAILS = "GetDetailsCompany.json"
SUPPLEMENT = "GetListedSupplementCompany.json"
CASH_HISTORY = "GetListedCashDividends.json"

_CASH = {
    "DIVIDENDO",
    "JRS CAP PROPRIO",
    "RENDIMENTO",
    "REST CAP DIN",
    "AMORTIZACAO",
    "AMORTIZACAO RF",
    "JUROS RF",
}
_SHARES = {
    "DESDOBRAMENTO": "split",
    "GRUPAMENTO": "grouping",
    "BONIFICACAO": "bonus",
    "CIS RED CAP": "spin_off",
    "CIS RED CAP QTD": "spin_off",
    "REST CAP ACOES": "spin_off",
}

_SAME_CASH_BRL = Decimal("0.000001")
"""The two files round differently; amounts that differ by no more than this are one payment."""


@dataclass(frozen=True)
class _Event:
    """One event: of cash `amount` is R$ per share, of shares `factor` is after / before.

    `as_written` is the amount before it was divided by the shares it is told for.
    """

    ticker: str
    last_with_right: date
    kind: str
    name: str
    amount: Decimal = Decimal(0)
    factor: Decimal = Decimal(1)
    as_written: Decimal = Decimal(0)


def read_listed_companies(folder: Path, last: date) -> pd.DataFrame:
    """The events up to `last` of every company at or below the folder; possibly none.

    Key: (ticker, ex_date, kind). Columns and units: `tables.CORPORATE_ACTIONS`; `source` is `b3`,
    `evidence` B3's name of the event. What falls on one key is one row: amounts added, factors
    multiplied, names joined with " + ". The ex-date is the session after B3's last day with the
    right. Events before 1986 are left out: neither B3's files nor the calendar reach so far back.

    What B3's numbers mean, by the name of the event:

    - DESDOBRAMENTO "100,00" and BONIFICACAO "3,00" are per cent of new shares: factors 2 and
      1.03. GRUPAMENTO "0,10" is the factor itself. A bonus paid in another paper than it is paid
      on changes the number of neither and is listed as `other`.
    - CIS RED CAP and REST CAP ACOES hand out another company's shares: `spin_off`, of no factor,
      for the number beside them is no ratio of shares.
    - Cash is gross of tax and per `ratio` shares: B3 prints `ratio` ("dividend per 1 or 1,000")
      after `valueCash` and `quotedPerShares` ("price per 1 or 1,000") after the closing price.
      Where the two differ, the row's own `corporateActionPrice`, the dividend in per cent of the
      price, decides which of them the amount is told for.
    - Any other name is kept as `other`. An amount that no rule can use is told in `evidence`.

    A supplement repeats its rows once per ISIN that a class of shares has had: they are one event.
    Equal rows of the cash history are not: it knows no ISIN and tells each instalment of a
    dividend in a row of its own. A payment told by both files counts once.

    A paper without a code today gets the one that its class had (`listed_papers`).

    Raises
    ------
    MarketFileError
        If an answer is not JSON, contradicts itself or its neighbours, or lacks a number or a day
        that its event needs.
    """
    events: list[_Event] = []
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob(DETAILS)):
        papers = _papers(path)
        if papers.issuer in found:
            raise MarketFileError(
                f"{path}: {papers.issuer} is told of in {found[papers.issuer].parent} as well, so"
                " its dividends would count twice; keep one of the two folders"
            )
        found[papers.issuer] = path
        events += _events_of(path.parent, papers)
    return _table(events, last)


def _papers(path: Path) -> Papers:
    details = read_answers(path)
    supplement = read_answers(path.with_name(SUPPLEMENT))
    issuers = [answer.text("issuingCompany") for answer in details]
    issuers += [answer.text("code") for answer in supplement]
    told = sorted({issuer for issuer in issuers if issuer})
    if len(told) != 1:
        raise MarketFileError(
            f"{path}: one company was expected here and in {SUPPLEMENT}, but they tell of"
            f" {' and '.join(told) or 'none'}; keep one company's answers in a folder"
        )
    return Papers.of(path, told[0], details)


def _events_of(folder: Path, papers: Papers) -> list[_Event]:
    cash = [_cash_of_history(row, papers) for row in read_answers(folder / CASH_HISTORY)]
    events: list[_Event] = []
    recent: list[_Event] = []
    for supplement in read_answers(folder / SUPPLEMENT):
        for row in _once_per_class(supplement.rows("cashDividends"), papers):
            recent.append(_cash_of_supplement(row, papers))
        for row in _once_per_class(supplement.rows("stockDividends"), papers):
            events.append(_share_event(row, papers))
        for row in _once_per_class(supplement.rows("subscriptions"), papers):
            events.append(_subscription(row, papers))
    return events + cash + _not_in(cash, recent)


def _isin(row: Answer) -> str:
    """The paper that has the right; `assetIssued` is what its holder gets."""
    isin = row.text("isinCode") or row.text("assetIssued")
    if not isin:
        raise row.refusal("isinCode", "an ISIN")
    return isin


def _once_per_class(rows: Iterable[Answer], papers: Papers) -> list[Answer]:
    """The rows without those that tell the same of an older ISIN of the same class."""
    kept: dict[tuple, Answer] = {}
    for row in rows:
        got, has = papers.code_of_isin(row.text("assetIssued")), papers.code_of_isin(_isin(row))
        kept.setdefault((has, got, *row.said_beside("isinCode", "assetIssued", "remarks")), row)
    return list(kept.values())


def _cash_event(ticker: str, day: date, name: str, amount: Decimal, as_written: Decimal) -> _Event:
    kind = "cash_dividend" if _plain(name) in _CASH and amount > 0 else "other"
    return _Event(ticker, day, kind, name, amount, as_written=as_written)


def _cash_of_supplement(row: Answer, papers: Papers) -> _Event:
    rate = row.number("rate")
    code = papers.code_of_isin(_isin(row))
    return _cash_event(code, row.day("lastDatePrior"), row.text("label"), rate, rate)


def _cash_of_history(row: Answer, papers: Papers) -> _Event:
    value = row.number("valueCash")
    shares = row.number("ratio", "1") or Decimal(1)
    lot = row.number("quotedPerShares", "1") or Decimal(1)
    price = row.number("closingPricePriorExDate", "0") / lot
    stated = row.number("corporateActionPrice", "0") / 100 * price
    if shares != lot and value > 0 and stated > 0:
        shares = min((shares, lot), key=lambda told_for: abs((value / told_for / stated).ln()))
    code, day = papers.code_of_type(row.text("typeStock")), row.day("lastDatePriorEx")
    return _cash_event(code, day, row.text("corporateAction"), value / shares, value)


def _share_event(row: Answer, papers: Papers) -> _Event:
    name, ticker = row.text("label"), papers.code_of_isin(_isin(row))
    day, kind = row.day("lastDatePrior"), _SHARES.get(_plain(name), "other")
    issued = papers.code_of_isin(row.text("assetIssued"))
    if kind == "bonus" and issued and issued != ticker:
        return _Event(ticker, day, "other", f"{name} in {issued}")
    if kind not in SHARE_KINDS:
        return _Event(ticker, day, kind, name)
    told = row.number("factor")
    if told <= 0:
        raise row.refusal("factor", "a number above zero")
    factor = told if kind == "grouping" else 1 + told / 100
    return _Event(ticker, day, kind, name, factor=factor)


def _subscription(row: Answer, papers: Papers) -> _Event:
    ticker = papers.code_of_isin(_isin(row))
    return _Event(ticker, row.day("lastDatePrior"), "subscription", row.text("label"))


def _plain(name: str) -> str:
    """B3's name of an event without accents and in capitals, as it mostly writes it."""
    letters = unicodedata.normalize("NFKD", name.upper())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def _not_in(cash: list[_Event], recent: list[_Event]) -> list[_Event]:
    """The payments of the supplement that the history does not tell of, each of its rows once."""
    told: dict[tuple, list[_Event]] = defaultdict(list)
    for event in cash:
        told[event.ticker, event.last_with_right, _plain(event.name)].append(event)
    missing = []
    for event in recent:
        candidates = told[event.ticker, event.last_with_right, _plain(event.name)]
        same = next((other for other in candidates if _is_same_cash(event, other)), None)
        if same is None:
            missing.append(event)
        else:
            candidates.remove(same)
    return missing


def _is_same_cash(event: _Event, other: _Event) -> bool:
    """Whether the amounts agree; a supplement's old rows are told per 1,000 shares as well."""
    amounts = (other.amount, other.as_written)
    return any(abs(event.amount - amount) <= _SAME_CASH_BRL for amount in amounts)


def _table(events: list[_Event], last: date) -> pd.DataFrame:
    together: dict[tuple[str, date, str], list[_Event]] = defaultdict(list)
    first = all_sessions()[0].astype(date)
    for event in events:
        # `last` on its last day with the right means that the ex-date is still to come.
        if first <= event.last_with_right < last:
            ex_date = session_after(event.last_with_right)
            together[event.ticker, ex_date, event.kind].append(event)
    rows = [
        {
            "ticker": ticker,
            "ex_date": ex_date,
            "kind": kind,
            "amount_brl": sum(event.amount for event in own) if kind in CASH_KINDS else None,
            "factor": prod(event.factor for event in own) if kind in SHARE_KINDS else None,
            "source": "b3",
            "confidence": 1.0,
            "evidence": " + ".join(sorted(_evidence(event) for event in own)),
            "disputed": None,
        }
        for (ticker, ex_date, kind), own in sorted(together.items())
        if ex_date <= last
    ]
    return pd.DataFrame(rows, columns=CORPORATE_ACTIONS.column_names).astype(no_events().dtypes)


def _evidence(event: _Event) -> str:
    if event.kind == "other" and event.amount:
        return f"{event.name} (R$ {event.amount.normalize():f} per share)"
    return event.name
