"""Splits, groupings and bonuses that nobody listed, inferred from B3's own records.

Where the distribution number (DISMES) rises something was cut off the paper; the letters that
ESPECI gains with it say what, and the price by how much. Each possible factor is weighed against
"cash or nothing" by Bayes' rule, and the posterior probability of the best one is its confidence.
A session is judged by its own record and those before it; later ones change nothing. B3 never
lowers DISMES: of 1,269 papers seen in two of the real files of 2003 to 2024 none had less later.

Amounts of cash are never inferred: a fall of 2 % can be a dividend or a day's news.
"""

import numpy as np
import pandas as pd

from asset_predict_dagster.market.adjustment import effects, rows_of_events
from asset_predict_dagster.market.corporate_actions import no_events
from asset_predict_dagster.market.share_event_odds import ShareEventOdds, prior_of
from asset_predict_dagster.tables import CASH_KINDS, CORPORATE_ACTIONS, OTHER_KINDS, SHARE_KINDS

MIN_CONFIDENCE = 0.5
"""An event less likely than not is not written."""

WINDOW = 63
"""Past moves that tell how far the paper moves overnight."""

MIN_MOVES = 10
USUAL_MOVE = 0.02
SMALLEST_MOVE = 0.003
"""With fewer past moves than that, an overnight move is taken to be of 2 %; never of less than
0.3 %, however still the paper lay. At 1,134 ex-dates of 58 B3 papers in 2012-2024 the moves
before told 0.30 % to 1.4 %, half of them 0.41 % or less."""

MIN_TICKERS = 10
"""Papers without an event whose median move is the market's; with fewer it is taken to be 0."""


def infer_share_events(quotes: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """The share events that records tell of and `known` does not, each with its confidence.

    Looked at are the sessions in which a ticker's distribution number rose. What is weighed is
    the open over the previous close, net of known cash and of the market's median move: a night
    moves a price less than a whole day. A share event known for that session leaves nothing to
    infer; cash known for it is taken out of the price, and no more is expected.

    Parameters
    ----------
    quotes
        As `clean_quotes` gives them, sorted by ticker and session, under current codes.
    known
        Rows of `tables.CORPORATE_ACTIONS` from other sources, under current codes.

    Returns
    -------
    Rows of `tables.CORPORATE_ACTIONS`, sorted by its key, with `confidence` from 0.5 on.
    """
    steps = _steps(quotes, known)
    if steps.empty:
        return no_events()
    odds = ShareEventOdds()
    chosen, confidence = odds.weigh(steps)
    steps = steps.assign(
        kind=odds.kinds[chosen],
        factor=odds.factors[chosen],
        confidence=confidence,
    )
    found = steps[steps["confidence"] >= MIN_CONFIDENCE]
    events = found.assign(
        ex_date=found["session"],
        amount_brl=np.nan,
        source="inferred",
        disputed=None,
        evidence=[_evidence(step) for step in found.itertuples()],
    )
    events = events.sort_values(list(CORPORATE_ACTIONS.key), ignore_index=True)
    return events[CORPORATE_ACTIONS.column_names].astype(no_events().dtypes)


def marks(specification: pd.Series) -> pd.Series:
    """The letters of the rights that a paper is ex, from ESPECI; empty without any.

    >>> marks(pd.Series(["ON  EDJ NM", "CI  ER", "PN *EB", "ON   ED NM", "DIR ORD", "PN      N1",
    ...                  "ON  ATZ NM"])).tolist()
    ['DJ', 'R', 'B', 'D', '', '', '']
    """
    return specification.str.slice(3, 8).str.extract(r"^[ *]+E([A-Z]+) *$", expand=False).fillna("")


def _steps(quotes: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """One row per session to be judged, with all that is weighed."""
    ticker = quotes["ticker"]
    number = quotes["distribution_number"].to_numpy()
    is_own = (ticker == ticker.shift()).to_numpy()
    rises = is_own & (number > np.roll(number, 1))
    previous = np.roll(quotes["close"].to_numpy(), 1)
    open_ = quotes["open"].to_numpy()
    sessions, place = np.unique(quotes["session"].to_numpy(), return_inverse=True)
    # A move over n sessions is counted as one of a night, n times as uncertain in variance.
    nights = np.sqrt(np.maximum(place - np.roll(place, 1), 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        move = np.log(open_ / previous)
    move[~is_own | rises | ~np.isfinite(move)] = np.nan
    market = market_move(move, place, len(sessions))

    is_other = known["kind"].isin(OTHER_KINDS)
    is_share = known["kind"].isin(SHARE_KINDS)
    has_share = _has(quotes, known[is_share])
    has_other = _has(quotes, known[is_other])
    cash = effects(quotes, known[known["kind"].isin(CASH_KINDS)])[1]
    held = previous - cash
    judged = np.flatnonzero(rises & ~has_share & (open_ > 0) & (held > 0))

    now = marks(quotes["specification"].iloc[judged]).tolist()
    before = marks(quotes["specification"].iloc[judged - 1]).tolist()
    gained = ["".join(c for c in a if c not in b) or a for a, b in zip(now, before, strict=True)]
    factor = quotes["quotation_factor"].to_numpy()
    quoted_before, quoted = (previous * np.roll(factor, 1))[judged], (open_ * factor)[judged]
    scale = usual_move(move - market[place], nights, judged, is_own) * nights[judged]
    return pd.DataFrame(
        {
            "ticker": ticker.iloc[judged].to_numpy(),
            "session": quotes["session"].iloc[judged].to_numpy(),
            "number_before": number[judged - 1],
            "number": number[judged],
            "mark": gained,
            "prior": [prior_of(letters) for letters in gained],
            "previous": previous[judged],
            "open": open_[judged],
            "cash": cash[judged],
            "is_cash_known": cash[judged] > 0,
            "is_other_known": has_other[judged],
            "has_cash_mark": [not set(letters).isdisjoint("DJRAC") for letters in gained],
            "log_ratio": np.log(held[judged] / open_[judged]) + market[place[judged]],
            # Both are quoted in whole centavos: half a one of each is of no night's making.
            "scale": np.hypot(scale, 0.005 / quoted_before + 0.005 / quoted),
        }
    )


def _has(quotes: pd.DataFrame, events: pd.DataFrame) -> np.ndarray:
    rows = rows_of_events(quotes, events)
    is_there = np.zeros(len(quotes), dtype=bool)
    is_there[rows[rows >= 0]] = True
    return is_there


def market_move(move: np.ndarray, place: np.ndarray, n_sessions: int) -> np.ndarray:
    """The median overnight move of a session's papers without an event; shape (n_sessions,)."""
    seen = pd.Series(move).groupby(place)
    median = seen.median().where(seen.count() >= MIN_TICKERS, 0.0)
    return median.reindex(range(n_sessions), fill_value=0.0).to_numpy()


def usual_move(
    move: np.ndarray, nights: np.ndarray, judged: np.ndarray, is_own: np.ndarray
) -> np.ndarray:
    """How far each judged paper moves in one night, from its own past; shape (n_judged,)."""
    first = np.maximum.accumulate(np.where(is_own, 0, np.arange(len(is_own))))
    back = judged[:, None] - np.arange(1, WINDOW + 1)  # (n_judged, WINDOW)
    sizes = np.abs(move / nights)[np.maximum(back, 0)]
    sizes[back < first[judged][:, None]] = np.nan
    enough = np.isfinite(sizes).sum(axis=1) >= MIN_MOVES
    usual = np.full(len(judged), USUAL_MOVE)
    # 0.741 standard deviations of Student's t with 4 degrees are its median absolute value.
    usual[enough] = np.nanmedian(sizes[enough], axis=1) / 0.741
    return np.maximum(usual, SMALLEST_MOVE)


def _evidence(step) -> str:
    ratio = f"{step.open / (step.previous - step.cash):.4g}"
    mark = f"E{step.mark}" if step.mark else "no mark"
    net = f" less R$ {step.cash:.4g} of cash" if step.is_cash_known else ""
    return f"DISMES {step.number_before}→{step.number}, {mark}, open/previous close{net} {ratio}"
