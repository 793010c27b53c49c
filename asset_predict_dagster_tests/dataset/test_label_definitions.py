"""Another definition of buy, hold and sell changes the action and how far it looks, no more."""

import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster.dataset.labels import (
    LabelDefinition,
    LabelKind,
    compute_labels,
    learned_until,
)
from asset_predict_dagster_tests.dataset.test_labels import DAYS, OVERSOLD, TWO_WEEKS, quotes_from

FOLLOWS = ["action", "uniqueness", "span_end"]
"""The columns that a definition decides."""


def labels_by(closes, volatility=0.02, **definition) -> pd.DataFrame:
    quotes = quotes_from(closes)
    everyone = pd.DataFrame({"in_universe": np.ones(len(quotes), dtype=bool)})
    features = pd.DataFrame({"volatility_21d": np.full(len(quotes), volatility)}).assign(**OVERSOLD)
    return compute_labels(quotes, everyone, features, LabelDefinition(**definition))


def first_action(closes: list[float], **definition) -> str:
    """The action of the first of ten sessions; the last close given stands until the tenth."""
    whole = closes + closes[-1:] * (10 - len(closes))
    return labels_by({"TEST3": dict(enumerate(map(float, whole)))}, **definition)["action"].iloc[0]


@pytest.mark.parametrize(
    ("closes", "definition", "by_hand"),
    [
        # Half of 2 % × √5 is 2.236 %: where the fifth session closes decides.
        ([100, 120, 80, 100, 100, 102.3], {"horizon": 5}, "buy"),
        ([100, 120, 80, 100, 100, 102.2], {"horizon": 5}, "hold"),
        ([100, 120, 80, 100, 100, 97.7], {"horizon": 5}, "sell"),
        # At one session half of 2 % is 1 %, and the fifth does not matter.
        ([100, 101.1, 80, 80, 80, 80], {}, "buy"),
        # A width of two volatilities: 2 × 2 % × √5 = 8.94 %; of none: any move.
        ([100, 100, 100, 100, 100, 108.9], {"horizon": 5, "width": 2.0}, "hold"),
        ([100, 100, 100, 100, 100, 109], {"horizon": 5, "width": 2.0}, "buy"),
        ([100, 100, 100, 100, 100, 99.9], {"horizon": 5, "width": 0.0}, "sell"),
        # Barriers: what is reached first decides, here half of 2 % × √3 = 1.732 %.
        ([100, 101, 98, 110], {"kind": "triple_barrier", "horizon": 3}, "sell"),
        ([100, 101, 98.3, 101.7], {"kind": "triple_barrier", "horizon": 3}, "hold"),
        ([100, 101.8, 90, 90], {"kind": "triple_barrier", "horizon": 3}, "buy"),
        # At √4 × 1 % = 2 % the fall to 98.2 is none, and the fourth session counts as well.
        ([100, 101, 98.2, 101, 103], {"kind": "triple_barrier", "horizon": 4}, "buy"),
        # The cluster is made of the day's features: rsi_14 is 25, macd and volume_change rise.
        ([100, 50, 40, 30], {"kind": "signal_cluster"}, "buy"),
    ],
)
def test_an_action_is_what_a_person_works_out(closes, definition, by_hand):
    assert first_action(closes, **definition) == by_hand


def test_the_default_definition_is_the_table():
    quotes = quotes_from(TWO_WEEKS)
    universe = pd.DataFrame({"in_universe": np.ones(len(quotes), dtype=bool)})
    features = pd.DataFrame({"volatility_21d": np.full(len(quotes), 0.02)}).assign(**OVERSOLD)
    table = compute_labels(quotes, universe, features)
    pd.testing.assert_frame_equal(table, labels_by(TWO_WEEKS))


@pytest.mark.parametrize(
    "definition",
    [
        {"horizon": 3},
        {"kind": "triple_barrier", "horizon": 8},
        {"kind": "signal_cluster"},
        {"width": 2.0},
    ],
)
def test_returns_ranks_and_halts_are_the_same_by_every_definition(definition):
    default, other = labels_by(TWO_WEEKS), labels_by(TWO_WEEKS, **definition)
    pd.testing.assert_frame_equal(default.drop(columns=FOLLOWS), other.drop(columns=FOLLOWS))


def test_a_longer_horizon_leaves_a_longer_tail_without_a_label():
    """Ten sessions that go up: a row needs as many sessions after it as its horizon has."""
    rising = {"TEST3": {day: 10.0 + day for day in range(10)}}
    for kind in ("forward_return", "triple_barrier"):
        known = labels_by(rising, kind=kind, horizon=8)["action"].notna().tolist()
        assert known == [True, True] + [False] * 8


@pytest.mark.parametrize(
    ("kind", "horizon", "span"),
    [
        ("forward_return", 1, 6),  # the returns of five sessions from t+1 look at six
        ("forward_return", 6, 6),
        ("forward_return", 7, 7),
        ("triple_barrier", 30, 30),
        ("signal_cluster", 30, 6),  # it looks at nothing, the returns beside it do
    ],
)
def test_a_label_looks_as_far_as_its_own_horizon_and_the_returns(
    kind: LabelKind, horizon: int, span: int
):
    assert LabelDefinition(kind, horizon).span == span


def test_the_table_says_where_the_span_of_its_definition_ends():
    ends = labels_by(TWO_WEEKS, horizon=8).groupby("ticker")["span_end"].first()
    assert ends["ALWA3"] == pd.Timestamp(DAYS[8])


def test_what_a_model_has_learned_reaches_as_far_as_its_labels_look():
    friday = DAYS[4].astype(object)
    assert learned_until(DAYS[0].astype(object), span=4) == friday
    assert learned_until(DAYS[3].astype(object), span=1) == friday


def test_by_barriers_a_row_is_unique_as_far_as_its_own_touch():
    """Prices that rise by a tenth a session: every row touches with the next, and shares none."""
    rising = {"TEST3": {day: 10 * 1.1**day for day in range(10)}}
    by_touch = labels_by(rising, kind="triple_barrier", horizon=4)["uniqueness"]
    assert by_touch.tolist()[:6] == [1.0] * 6 and by_touch[6:].isna().all()
    assert labels_by(rising, horizon=4)["uniqueness"].iloc[3] < 0.5
