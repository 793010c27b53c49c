"""No session of training can see, through its labels, a session of validation or of the test."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from asset_predict_dagster.dataset.labels import SPAN, compute_labels
from asset_predict_dagster.dataset.splits import (
    EMBARGO,
    HOLDOUT,
    MIN_SESSIONS,
    ROLES,
    role_mask,
    temporal_split,
    too_close_roles,
    usable_sessions,
)
from asset_predict_dagster.dataset.walk_forward_splits import (
    MAX_MISSING,
    equal_tests,
    walk_forward,
)
from asset_predict_dagster.errors import DatasetError, SettingsError
from asset_predict_dagster.market.sessions import sessions_between
from asset_predict_dagster.tables import FOLDS

CALENDAR = sessions_between(date(2016, 1, 1), date(2022, 12, 31))


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


fractions = st.floats(0.05, 0.49)


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
    names = ("volatility_21d", "rsi_14", "macd", "volume_change", "price_momentum_5")
    labels = compute_labels(quotes, everyone, pd.DataFrame(dict.fromkeys(names, 0.02), range(400)))
    folds = temporal_split(usable_sessions(labels, everyone))
    of_role = sessions_of(folds)
    for before, after in (("train", "validation"), ("validation", "test")):
        is_before = labels["session"].isin(of_role[before].astype("datetime64[us]"))
        last_seen = labels.loc[is_before, "span_end"].max().to_datetime64()
        n_unseen = ((days > last_seen.astype("datetime64[D]")) & (days < of_role[after][0])).sum()
        assert n_unseen == EMBARGO


# --- Several windows --------------------------------------------------------------------------


def roles_of(folds, window):
    return sessions_of(folds[folds["window"] == window])


def share_missing(sessions, first, last):
    expected = sessions_between(first, last)
    return 1 - np.isin(expected, sessions).mean()


@given(
    sessions=histories(),
    n_windows=st.integers(1, 6),
    test_size=fractions,
    n_validation=st.integers(60, 150),
    n_train=st.one_of(st.none(), st.integers(60, 400)),
    span=st.integers(1, 31),
    embargo=st.integers(0, 20),
)
@settings(max_examples=200, deadline=None)
def test_windows_tile_the_test_period_and_none_is_shortened(
    sessions, n_windows, test_size, n_validation, n_train, span, embargo
):
    purge = span + embargo
    n_test = round(test_size * len(sessions))
    tests = equal_tests(sessions, n_windows, test_size)
    settings_ = {"n_validation": n_validation, "n_train": n_train, "span": span, "embargo": embargo}

    # Whatever cannot be had in full is refused. The first window has the least to train on.
    least = len(sessions) - n_test - n_validation - 2 * purge
    too_short = n_test // n_windows < MIN_SESSIONS or least < (n_train or MIN_SESSIONS)
    lacking = [share_missing(sessions, *days) > MAX_MISSING for days in tests.values()]
    if too_short or any(lacking):
        with pytest.raises(DatasetError, match=r"use a longer history|have no label"):
            walk_forward(sessions, tests, **settings_)
        return
    folds = walk_forward(sessions, tests, **settings_)
    assert folds["window"].unique().tolist() == list(tests)
    windows = [roles_of(folds, window) for window in tests]

    # The tests, one after another, are the end of the history; each is as long as the others.
    tested = np.concatenate([window["test"] for window in windows])
    np.testing.assert_array_equal(tested, sessions[-n_test:])
    lengths = [len(window["test"]) for window in windows]
    assert max(lengths) - min(lengths) <= 1

    for of_role in windows:
        assert len(of_role["validation"]) == n_validation
        if n_train is None:
            assert of_role["train"][0] == sessions[0]
        else:
            assert len(of_role["train"]) == n_train
        for before, after in (("train", "validation"), ("validation", "test")):
            # The labels of the last session before look at `span` sessions of the calendar.
            seen_until = CALENDAR[np.searchsorted(CALENDAR, of_role[before][-1]) + span]
            assert seen_until < of_role[after][0]
            assert (of_role[before] < of_role[after][0]).all()
            # Nothing is left out but the purge.
            between = (sessions > of_role[before][-1]) & (sessions < of_role[after][0])
            assert between.sum() == purge
    assert too_close_roles(folds, purge).empty


@given(
    sessions=histories(),
    test_size=fractions,
    validation_size=fractions,
    span=st.integers(1, 31),
    embargo=st.integers(0, 20),
)
@settings(max_examples=50, deadline=None)
def test_a_split_is_one_window_of_a_walk(sessions, test_size, validation_size, span, embargo):
    def one_window():
        [(name, days)] = equal_tests(sessions, 1, test_size).items()
        n_validation = round(validation_size * len(sessions))
        assume(share_missing(sessions, *days) <= MAX_MISSING)
        purge = {"span": span, "embargo": embargo}
        return name, walk_forward(sessions, {name: days}, n_validation=n_validation, **purge)

    sizes = {"validation_size": validation_size, "test_size": test_size}
    try:
        folds = temporal_split(sessions, **sizes, span=span, embargo=embargo)
    except DatasetError:
        with pytest.raises(DatasetError):
            one_window()
        return
    name, walked = one_window()
    pd.testing.assert_frame_equal(folds.assign(window=name), walked)


HALF_YEARS = {
    "2018H1": (date(2018, 1, 1), date(2018, 6, 30)),
    "2018H2": (date(2018, 7, 1), date(2018, 12, 31)),
    "2019H1": (date(2019, 1, 1), date(2019, 6, 30)),
}


def test_a_window_can_be_a_half_year_of_the_calendar():
    folds = walk_forward(CALENDAR, HALF_YEARS, n_validation=120)
    for name, (first, last) in HALF_YEARS.items():
        np.testing.assert_array_equal(roles_of(folds, name)["test"], sessions_between(first, last))


@pytest.mark.parametrize("n_train", [None, 200])
def test_a_window_is_the_same_alone_as_among_others(n_train):
    together = walk_forward(CALENDAR, HALF_YEARS, n_validation=120, n_train=n_train)
    for name, days in HALF_YEARS.items():
        alone = walk_forward(CALENDAR, {name: days}, n_validation=120, n_train=n_train)
        among = together[together["window"] == name].reset_index(drop=True)
        pd.testing.assert_frame_equal(alone, among)


def test_later_sessions_change_no_window():
    known = sessions_between(CALENDAR[0].astype(date), date(2019, 6, 28))
    pd.testing.assert_frame_equal(
        walk_forward(known, HALF_YEARS, n_validation=120),
        walk_forward(CALENDAR, HALF_YEARS, n_validation=120),
    )


def test_a_window_that_the_labels_do_not_reach_the_end_of_is_refused():
    known = sessions_between(CALENDAR[0].astype(date), date(2019, 6, 27))
    with pytest.raises(DatasetError, match=r"2019H1 .* end on 2019-06-27, 1 short of it"):
        walk_forward(known, HALF_YEARS, n_validation=120)


@pytest.mark.parametrize(
    ("windows", "says"),
    [
        (["2018H1", "2019H1"], "begins 122 later"),
        (["2018H2", "2018H1"], "begins 245 earlier"),
    ],
)
def test_tests_that_leave_sessions_out_or_overlap_are_refused(windows, says):
    with pytest.raises(DatasetError, match=says):
        walk_forward(CALENDAR, {name: HALF_YEARS[name] for name in windows}, n_validation=120)


def test_a_window_with_too_little_to_train_on_is_refused_by_name():
    # 249 sessions of 2016 and 246 of 2017, less 120 to validate and two purges of 11.
    with pytest.raises(DatasetError, match=r"window 2018H1: .* give 353 to train of 400 asked"):
        walk_forward(CALENDAR, HALF_YEARS, n_validation=120, n_train=400)


def test_a_window_without_a_month_of_its_sessions_is_refused_with_their_number():
    february = CALENDAR.astype("datetime64[M]") == np.datetime64("2018-02")
    with pytest.raises(DatasetError, match=r"2018H1 has 123 sessions .*, and 18 of them have no"):
        walk_forward(CALENDAR[~february], HALF_YEARS, n_validation=120)


def test_a_window_may_lack_single_sessions_as_real_files_do():
    known = np.setdiff1d(CALENDAR, np.array(["2018-02-01", "2018-05-02"], dtype="datetime64[D]"))
    folds = walk_forward(known, HALF_YEARS, n_validation=120)
    assert len(roles_of(folds, "2018H1")["test"]) == 121


def test_no_test_window_at_all_is_refused():
    with pytest.raises(DatasetError, match="no test window was asked for"):
        walk_forward(CALENDAR, {}, n_validation=60)


def test_more_windows_than_sessions_are_refused():
    with pytest.raises(DatasetError, match="20 sessions to test cannot make 21 windows"):
        equal_tests(CALENDAR[:100], 21)


@pytest.mark.parametrize("wrong", [{"span": 0}, {"embargo": -1}])
def test_a_purge_that_would_let_training_see_its_test_is_refused(wrong):
    with pytest.raises(SettingsError, match="found span"):
        temporal_split(CALENDAR[:400], **wrong)


@pytest.mark.parametrize("wrong", [CALENDAR[400::-1], CALENDAR[:400].repeat(2)])
def test_sessions_out_of_order_or_twice_are_refused(wrong):
    with pytest.raises(DatasetError, match="must be sorted"):
        temporal_split(wrong)


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


@pytest.mark.parametrize("wrong", [-0.2, 0.0, 1.0, 20, float("nan")])
def test_a_fraction_is_between_none_and_all(wrong):
    with pytest.raises(SettingsError, match=f"test_size={wrong}: fractions"):
        equal_tests(CALENDAR, 2, wrong)
    with pytest.raises(SettingsError, match=f"test_size={wrong}: fractions"):
        temporal_split(CALENDAR, test_size=wrong)


def test_no_window_is_no_number_of_windows():
    with pytest.raises(SettingsError, match="n_windows=0"):
        equal_tests(CALENDAR, 0)


@pytest.mark.parametrize("unit", ["s", "us", "ns"])
def test_a_session_is_a_day_in_whatever_unit(unit):
    finer = CALENDAR.astype(f"datetime64[{unit}]")
    assert equal_tests(finer, 3) == equal_tests(CALENDAR, 3)
    pd.testing.assert_frame_equal(temporal_split(finer), temporal_split(CALENDAR))


def test_a_role_or_window_that_is_not_there_is_refused_by_name():
    folds = temporal_split(CALENDAR)
    codes = np.arange(len(CALENDAR))
    with pytest.raises(DatasetError, match="no session plays trian of holdout"):
        role_mask(CALENDAR, codes, folds, "trian")
    with pytest.raises(DatasetError, match="train of holdout"):
        role_mask(CALENDAR, codes, folds, "test", window="2018H1")
    with pytest.raises(DatasetError, match="holdout has no session for validation"):
        too_close_roles(folds[folds["role"] != "validation"])


def test_fractions_that_leave_nothing_to_train_on_are_refused():
    with pytest.raises(SettingsError, match="leave some to train on"):
        temporal_split(CALENDAR[:1000], validation_size=0.6, test_size=0.5)
    with pytest.raises(DatasetError, match="give 0 to train"):
        temporal_split(CALENDAR[:1000], validation_size=0.5, test_size=0.49)


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
