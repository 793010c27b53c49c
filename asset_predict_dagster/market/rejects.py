"""Rejects: records that can be read but cannot be true, told apart and accounted for.

A rule looks at one record, or at the others of its batch with the same key. The first rule that
a record breaks gives its reason.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from asset_predict_dagster.market.cotahist_layout import FIELDS, MARKET_TYPES
from asset_predict_dagster.market.sessions import is_traded_on
from asset_predict_dagster.market.sources import Delivery
from asset_predict_dagster.tables import RAW_QUOTES, REJECTED_RECORDS

_B3_NAMES = {field.name: field.b3_name for field in FIELDS}
_PRICES = ("open", "high", "low", "average", "close")
_ROUNDING = 0.001
_CENTAVO = 0.01


@dataclass(frozen=True)
class Rule:
    """One way in which a record cannot be true: the records that break it, and why."""

    column: str
    broken: pd.Series
    reason: str


def sift(name: str, delivery: Delivery) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The records of a batch that can be true, and rows of `tables.REJECTED_RECORDS`.

    What a source does not say (`average` and `trades` may be missing) is not held against a
    record. Of records with the same key, equal ones but the first are rejected; where they
    differ nobody knows which is true, and all are.
    """
    records = delivery.records.reset_index(drop=True)
    is_sound = pd.Series(True, index=records.index)
    rejected = []
    for rule in _rules(records, delivery):
        # What a source does not say breaks no rule.
        is_broken = rule.broken.fillna(False).astype(bool)
        fresh = records[is_broken & is_sound]
        is_sound &= ~is_broken
        if len(fresh):
            rejected.append(
                fresh[["line", "session", "ticker", "market_type"]].assign(
                    file=name,
                    field=_B3_NAMES[rule.column],
                    value=fresh[rule.column].astype("str"),
                    reason=rule.reason,
                )
            )
    if not rejected:
        return records, pd.DataFrame(columns=REJECTED_RECORDS.column_names)
    return records[is_sound], pd.concat(rejected)[REJECTED_RECORDS.column_names]


def _rules(records: pd.DataFrame, delivery: Delivery) -> Iterator[Rule]:
    is_known = records["market_type"].isin(list(MARKET_TYPES))
    yield Rule("market_type", ~is_known, "B3 has no such market")
    yield Rule("ticker", records["ticker"].isna() | (records["ticker"] == ""), "it has no code")
    session = records["session"]
    yield Rule("session", ~is_traded_on(session), "B3 did not trade on that day")
    is_outside = (session < pd.Timestamp(delivery.first)) | (session > pd.Timestamp(delivery.last))
    yield Rule("session", is_outside, "the name of the file promises other days")
    is_ahead = session > pd.Timestamp(delivery.generated_on)
    yield Rule("session", is_ahead, f"the file was made on {delivery.generated_on}, before that")
    yield Rule("currency", records["currency"] != "R$", "B3 quotes in R$")
    yield Rule(
        "quotation_factor", ~(records["quotation_factor"] >= 1), "a price is of one paper or more"
    )
    for price in _PRICES:
        is_silent = records[price].isna() if price == "average" else False
        is_price = (records[price] > 0) & (records[price] < np.inf)
        yield Rule(price, ~(is_price | is_silent), "a price is above zero")
    yield Rule("low", records["low"] > records["high"], "the lowest price is above the highest")
    for price in ("open", "average", "close"):
        is_out = (records[price] < records["low"]) | (records[price] > records["high"])
        yield Rule(price, is_out, "it is not between the lowest and the highest price")
    for book in ("best_bid", "best_ask"):
        yield Rule(book, ~(records[book] >= 0), "a price is above zero, or 0 for none")
    has_volume = records["volume_brl"] > 0
    yield Rule("trades", (records["trades"] == 0) & has_volume, "there is volume without a trade")
    yield Rule("trades", records["trades"] < 0, "a count is not below zero")
    yield Rule("quantity", ~(records["quantity"] > 0), "there is a price, and nothing was traded")
    # Nobody paid less than the lowest price, nor more than the highest. B3 rounds to centavos.
    lots = records["quantity"] / records["quotation_factor"]
    is_less = records["volume_brl"] < lots * records["low"] * (1 - _ROUNDING) - _CENTAVO
    is_more = records["volume_brl"] > lots * records["high"] * (1 + _ROUNDING) + _CENTAVO
    yield Rule("volume_brl", ~(records["volume_brl"] >= 0), "a value is not below zero")
    yield Rule("volume_brl", is_less, "that is less than all papers at the lowest price")
    yield Rule("volume_brl", is_more, "that is more than all papers at the highest price")
    yield from _repeats(records)


def _repeats(records: pd.DataFrame) -> Iterator[Rule]:
    key = list(RAW_QUOTES.key)
    content = [name for name in records.columns if name != "line"]
    repeated = records[records.duplicated(key, keep=False)]
    n_of_key = repeated.groupby(key, dropna=False)["line"].transform("size")
    n_alike = repeated.groupby(content, dropna=False)["line"].transform("size")
    is_alike = n_of_key == n_alike
    is_copy = is_alike & repeated.duplicated(content, keep="first")
    for rows, reason in (
        (is_copy, "it repeats an earlier record"),
        (~is_alike, "another record of the same key says otherwise"),
    ):
        yield Rule("ticker", rows.reindex(records.index, fill_value=False), reason)
