"""No session of training can see, through its labels, a session of validation or of the test."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.dataset.labels import SPAN, compute_labels
from asset_predict_dagster.dataset.splits import (
    EMBARGO,
    HOLDOUT,
    MIN_SESSIONS,
    role_mask,
    temporal_split,
    too_close_roles,
    usable_sessions,
)
from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.market.sessions import sessions_between
from asset_predict_dagster.tables import FOLDS

CALENDAR = sessions_between(date(2016, 1, 1), date(2022, 12, 31))
ROLES = ("train", "validation", "test")


def sessions_of(folds):
    """{role: its sessions}, in the order of the table."""
    return {
        role: rows["session"].to_numpy().astype("datetime64[D]")
        for role, rows in folds.groupby("role")
    }


@st.composite
def histories(draw):
    """Labelled sessions out of B3's calendar: some are missing, as 2020-11-20 is in real files."""
    n = draw(st.integers(150, 1200))
    absent = draw(st.sets(st.integers(0, n - 1), max_size=20))
    return np.delete(CALENDAR[:n], sorted(absent))


fractions = st.floats(0.05, 0.6)


@given(
    sessions=histories(),
    validation_size=fractions,
    test_size=fractions,
    span=st.integers(1, 31),
    embargo=st.integers(0, 20),
)
@settings(max_examples=150, deadline=None)
def test_the_labels_of_one_role_never_touch_the_next(
    sessions, validation_size, test_size, span, embargo
):
    n = len(sessions)
    n_validation, n_test = round(validation_size * n), round(test_size * n)
    n_train = n - n_validation - n_test - 2 * (span + embargo)
    sizes = {"validation_size": validation_size, "test_size": test_size}
    if min(n_train, n_validation, n_test) < MIN_SESSIONS:
        with pytest.raises(DatasetError, match="use a longer history"):
            temporal_split(sessions, **sizes, span=span, embargo=embargo)
        return
    folds = temporal_split(sessions, **sizes, span=span, embargo=embargo)
    of_role = sessions_of(folds)

    # The fractions mean what they say, and the most recent session is tested.
    assert {role: len(days) for role, days in of_role.items()} == {
        "train": n_train,
        "validation": n_validation,
        "test": n_test,
    }
    assert of_role["train"][0] == sessions[0] and of_role["test"][-1] == sessions[-1]

    # A label of t looks at the `span` sessions of the calendar after t.
    for before, after in (("train", "validation"), ("validation", "test")):
        for day in of_role[before]:
            seen_until = CALENDAR[np.searchsorted(CALENDAR, day) + span]
            assert seen_until < of_role[after][0]
        between = (sessions > of_role[before][-1]) & (sessions < of_role[after][0])
        assert between.sum() == span + embargo

    # Every session plays one role or none, in order, and the check agrees.
    assert folds["session"].is_monotonic_increasing and folds["session"].is_unique
    assert set(folds["session"].to_numpy().astype("datetime64[D]")) <= set(sessions)
    assert too_close_roles(folds, span + embargo).empty


def test_the_purge_covers_what_labels_really_look_at():
    """Not the constant `SPAN` but the sessions that `compute_labels` says it looked at."""
    days = CALENDAR[:400]
    quotes = pd.DataFrame(
        {
            "ticker": "AAAA3",
            "session": days.astype("datetime64[us]"),
            "adjusted_close": np.random.default_rng(0).uniform(9, 11, 400),
        }
    )
    everyone = pd.DataFrame({"in_universe": np.ones(400, dtype=bool)})
    labels = compute_labels(quotes, everyone, np.full(400, 0.02))
    folds = temporal_split(usable_sessions(labels, everyone))
    of_role = sessions_of(folds)
    for before, after in (("train", "validation"), ("validation", "test")):
        is_before = labels["session"].isin(of_role[before].astype("datetime64[us]"))
        last_seen = labels.loc[is_before, "span_end"].max().to_datetime64()
        n_unseen = ((days > last_seen.astype("datetime64[D]")) & (days < of_role[after][0])).sum()
        assert n_unseen == EMBARGO


def test_a_fifth_of_a_thousand_sessions_is_two_hundred():
    of_role = sessions_of(temporal_split(CALENDAR[:1000]))
    assert {role: len(days) for role, days in of_role.items()} == {
        "train": 1000 - 200 - 200 - 2 * (6 + 5),
        "validation": 200,
        "test": 200,
    }


def test_a_short_history_is_refused_with_its_numbers():
    with pytest.raises(DatasetError, match=r"200 labelled sessions give 98 .* 40 to validate"):
        temporal_split(CALENDAR[:200])
    with pytest.raises(DatasetError, match="0 labelled sessions give 0 to train"):
        temporal_split(CALENDAR[:0])


def test_fractions_that_leave_nothing_to_train_on_are_refused():
    with pytest.raises(DatasetError, match="give 0 to train"):
        temporal_split(CALENDAR[:1000], validation_size=0.6, test_size=0.5)


def test_the_rows_are_those_of_the_dictionary():
    folds = temporal_split(CALENDAR[:400], window="2018H1")
    assert list(folds.columns) == FOLDS.column_names
    assert set(folds["window"]) == {"2018H1"}
    assert folds["session"].dtype == "datetime64[us]"


def test_usable_sessions_have_a_known_action_in_the_universe():
    days = pd.to_datetime(["2024-01-02", "2024-01-03", "2024-01-04"] * 2)
    labels = pd.DataFrame({"session": days, "action": ["buy", None, "hold", None, None, "sell"]})
    universe = pd.DataFrame({"in_universe": [True, True, False, True, True, False]})
    assert usable_sessions(labels, universe).astype(str).tolist() == ["2024-01-02"]
    universe = pd.DataFrame({"in_universe": [True, True, False, True, True, True]})
    assert usable_sessions(labels, universe).astype(str).tolist() == ["2024-01-02", "2024-01-04"]


def test_a_role_is_played_by_all_rows_of_its_sessions():
    folds = temporal_split(CALENDAR[:400])
    codes = np.tile(np.arange(400), 2)  # two tickers
    masks = {role: role_mask(CALENDAR[:400], codes, folds, role) for role in ROLES}
    for role, days in sessions_of(folds).items():
        np.testing.assert_array_equal(CALENDAR[:400][codes[masks[role]]], np.tile(days, 2))
    assert (sum(mask.astype(int) for mask in masks.values()) <= 1).all()


def test_a_role_of_another_window_is_not_this_ones():
    folds = pd.concat([temporal_split(CALENDAR[:400]), temporal_split(CALENDAR[:600], window="x")])
    codes = np.arange(600)
    of_holdout = role_mask(CALENDAR[:600], codes, folds, "test", HOLDOUT)
    assert CALENDAR[:600][codes[of_holdout]].tolist() == CALENDAR[320:400].tolist()


@pytest.mark.parametrize("missing", [1, SPAN + EMBARGO])
def test_roles_that_came_too_close_are_named(missing):
    folds = temporal_split(CALENDAR[:400])
    days = folds["session"].to_numpy().astype("datetime64[D]")
    first_test = np.searchsorted(CALENDAR, days[folds["role"] == "test"][0])
    earlier = CALENDAR[first_test - missing : first_test].astype("datetime64[us]")
    crept = pd.DataFrame({"window": HOLDOUT, "session": earlier, "role": "test"})
    found = too_close_roles(pd.concat([folds, crept], ignore_index=True))
    assert found.to_dict("records") == [
        {
            "window": HOLDOUT,
            "before": "validation",
            "after": "test",
            "n_between": SPAN + EMBARGO - missing,
        }
    ]


def test_roles_out_of_order_are_named():
    folds = temporal_split(CALENDAR[:400])
    swapped = folds.replace({"role": {"train": "test", "test": "train"}})
    found = too_close_roles(swapped)
    assert found[["before", "after"]].to_numpy().tolist() == [
        ["train", "validation"],
        ["validation", "test"],
    ]
