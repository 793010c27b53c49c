"""Splits and groupings are found, with the right factor and day, and nothing is taken for one.

Six simulated markets of eight years each, whose truth is known; and twelve years of real prices
into which splits are written at random: there the moves overnight are real ones.
"""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster.market.corporate_actions import APPLIED_CONFIDENCE, no_events
from asset_predict_dagster.market.inferred_actions import infer_share_events
from asset_predict_dagster_tests.market.real_panel import needs_panel, panel_quotes
from asset_predict_dagster_tests.market.true_returns import Truth, against_the_truth

pytestmark = pytest.mark.proofs

SEEDS = (11, 12, 13, 14, 15, 16)
LAST = date(2025, 12, 30)
REQUIRED = 0.98


@pytest.fixture(scope="module")
def truths() -> list[Truth]:
    return [against_the_truth(seed, LAST) for seed in SEEDS]


def precision_and_recall(events: pd.DataFrame, kinds: list[str]) -> tuple[float, float]:
    is_found, is_true = events["kind"].isin(kinds), events["true_kind"].isin(kinds)
    n_right = (events["is_right"] & is_true).sum()
    print(f"{'+'.join(kinds)}: {is_true.sum()} true, {is_found.sum()} found, {n_right} right")
    return n_right / is_found.sum(), n_right / is_true.sum()


def test_splits_and_groupings_are_found_and_nothing_else_is_taken_for_one(truths):
    events = pd.concat([truth.events for truth in truths], ignore_index=True)
    applied = events["confidence"] >= APPLIED_CONFIDENCE
    named = ["kind", "factor", "confidence"]
    for which in (events, events.assign(**events[named].where(applied))):
        precision, recall = precision_and_recall(which, ["split", "grouping"])
        assert precision >= REQUIRED
        assert recall >= REQUIRED
    print("bonuses, precision and recall:", precision_and_recall(events, ["bonus"]))


def test_with_every_event_supplied_every_adjusted_return_is_the_true_one(truths):
    rows = pd.concat([truth.with_everything for truth in truths], ignore_index=True)
    assert len(rows) > 400_000
    assert rows["holds"].all()


def test_with_dividends_supplied_only_a_bonus_in_doubt_leaves_a_return_untrue(truths):
    n_rows = n_broken = n_not_applied = 0
    for truth in truths:
        broken = truth.with_inferred[~truth.with_inferred["holds"]]
        untrue = broken.merge(
            truth.events, left_on=["ticker", "session"], right_on=["ticker", "ex_date"], how="left"
        )
        assert set(untrue["true_kind"]) <= {"bonus"}
        n_rows += len(truth.with_inferred)
        n_broken += len(broken)
        n_not_applied += truth.n_not_applied
    print(f"{n_rows} returns, {n_broken} beyond centavo rounding, {n_not_applied} bonuses in doubt")
    assert n_broken <= n_not_applied
    assert n_broken / n_rows < 1e-4


FACTORS = (2.0, 0.5, 4.0, 0.25, 10.0, 0.1, 3.0, 1 / 3, 5.0, 0.2, 1.1, 1.0 / 1.1)
"""Written one after the other, so that prices stay where they are; the last is no event of B3's
and is written without step or mark."""


def with_splits(quotes: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The quotes with an event about every 120 sessions of each ticker; and these events."""
    rng = np.random.default_rng(seed)
    parts, written = [], []
    for ticker, own in quotes.groupby("ticker"):
        own = own.reset_index(drop=True)
        is_ex_already = own["distribution_number"].diff() > 0
        days = np.arange(100, len(own) - 1, 120) + rng.integers(
            0, 100, len(range(100, len(own) - 1, 120))
        )
        days = [day for day in days.tolist() if day < len(own) and not is_ex_already[day]]
        per_share = np.ones(len(own))
        for turn, day in enumerate(days):
            factor = FACTORS[turn % len(FACTORS)]
            per_share[day:] *= factor
            if turn % len(FACTORS) == len(FACTORS) - 1:
                continue
            own.loc[day:, "distribution_number"] += 1
            own.loc[day, "specification"] = "ON  EG" if factor < 1 else "ON  EB"
            written.append((ticker, own["session"][day], factor))
        for name in ("open", "high", "low", "close"):
            own[name] = (own[name] / per_share).clip(lower=0.01).round(2)
        parts.append(own)
    events = pd.DataFrame(written, columns=["ticker", "ex_date", "true_factor"])
    return pd.concat(parts, ignore_index=True), events


@needs_panel
def test_splits_written_into_real_prices_are_found():
    quotes, written = with_splits(panel_quotes(), seed=1)
    found = infer_share_events(quotes, no_events())
    both = found.merge(written, on=["ticker", "ex_date"], how="outer", validate="1:1")
    both["is_right"] = (both["factor"] - both["true_factor"]).abs() < 1e-9
    is_bonus = both["factor"].fillna(both["true_factor"]) == 1.1
    for name, rows in (
        ("splits and groupings", both[~is_bonus]),
        ("bonuses of 10 %", both[is_bonus]),
    ):
        n_right = rows["is_right"].sum()
        print(
            f"{name}: {rows['true_factor'].notna().sum()} written,"
            f" {rows['factor'].notna().sum()} found, {n_right} right"
        )
    large = both[~is_bonus]
    assert large["is_right"].sum() >= REQUIRED * large["true_factor"].notna().sum() > 500
    assert large["is_right"].sum() >= REQUIRED * large["factor"].notna().sum()
