"""The detector finds what looks ahead, names it, and leaves what does not alone."""

import re
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.dataset.another_future import another_future, draw_cuts, up_to
from asset_predict_dagster.dataset.features import gaussian_rank
from asset_predict_dagster.dataset.label_leaks import (
    find_fold_leaks,
    find_label_copies,
    find_label_leaks,
)
from asset_predict_dagster.dataset.labels import SPAN
from asset_predict_dagster.dataset.leaks import find_leaks
from asset_predict_dagster.dataset.splits import temporal_split
from asset_predict_dagster.errors import DatasetError

N_SESSIONS = 60
DAYS = list(pd.bdate_range("2024-01-01", periods=N_SESSIONS).as_unit("us"))


@cache
def quotes() -> pd.DataFrame:
    """Eight tickers that wander for sixty sessions; AAA3 has no volume in the 41st."""
    random = np.random.default_rng(7)
    parts = []
    for ticker in ("AAA3", "BBB3", "CCC4", "DDD4", "EEE3", "FFF3", "GGG3", "HHH3"):
        close = 20 * np.exp(random.normal(0, 0.02, N_SESSIONS).cumsum())
        volume = np.exp(random.normal(15, 1, N_SESSIONS))
        parts.append(
            pd.DataFrame({"ticker": ticker, "session": DAYS, "close": close, "volume": volume})
        )
    table = pd.concat(parts, ignore_index=True)
    table.loc[40, "volume"] = np.nan
    return table


def of_tickers(table: pd.DataFrame, name: str):
    return table.groupby("ticker", sort=False)[name]


def with_features(table: pd.DataFrame, **columns) -> pd.DataFrame:
    return table[["ticker", "session"]].assign(**columns)


# --- Planted leaks, each beside its honest version -----------------------------------------


def centred_window(table, centred=True):
    rolled = of_tickers(table, "close").rolling(5, center=centred).mean()
    return with_features(table, smooth_close=rolled.to_numpy())


def filled_volume(table, backwards=True):
    volume = of_tickers(table, "volume")
    return with_features(table, filled_volume=volume.bfill() if backwards else volume.ffill())


def wrong_sign(table, ahead=1):
    return with_features(table, momentum=table["close"] / of_tickers(table, "close").shift(-ahead))


def label_as_feature(table, with_label=True):
    features = with_features(table, log_close=np.log(table["close"]))
    label = of_tickers(table, "close").shift(-1) / table["close"] - 1
    return features.assign(hint=label) if with_label else features


def rank_over_session(table, ahead=1):
    """How many tickers close lower than this one does today: in another session, or in its own."""
    boards = table.pivot(index="session", columns="ticker", values="close").shift(-ahead)
    below = [(boards.loc[row.session] < row.close).sum() for row in table.itertuples()]
    return with_features(table, place_in_session=np.array(below, dtype=float))


def delisted(table, only_survivors=True):
    """HHH3 leaves the exchange in the fiftieth session."""
    kept = table[(table["ticker"] != "HHH3") | (table["session"] < DAYS[49])]
    alive = kept.loc[kept["session"] == kept["session"].max(), "ticker"]
    kept = kept[kept["ticker"].isin(alive)] if only_survivors else kept
    return with_features(kept, close=kept["close"])


PLANTED = {
    "a centred window": (centred_window, {"centred": False}, "smooth_close"),
    "a backward fill": (filled_volume, {"backwards": False}, "filled_volume"),
    "a shift with the wrong sign": (wrong_sign, {"ahead": -1}, "momentum"),
    "a label used as a feature": (label_as_feature, {"with_label": False}, "hint"),
    "a rank over the wrong session": (rank_over_session, {"ahead": 0}, "place_in_session"),
    "survivors only": (delisted, {"only_survivors": False}, "(rows)"),
}


@pytest.mark.parametrize("leak", PLANTED)
def test_a_planted_leak_is_found_and_named(leak):
    compute, _, column = PLANTED[leak]
    found = find_leaks(compute, quotes())
    assert set(found["column"]) == {column}


@pytest.mark.parametrize("leak", PLANTED)
def test_its_honest_version_is_left_alone(leak):
    compute, honest, _ = PLANTED[leak]
    assert find_leaks(lambda table: compute(table, **honest), quotes()).empty


def scaled(table: pd.DataFrame, fitted_until: pd.Timestamp | None) -> pd.DataFrame:
    known = table if fitted_until is None else table[table["session"] <= fitted_until]
    centre, spread = known["close"].mean(), known["close"].std()
    return with_features(table, scaled_close=(table["close"] - centre) / spread)


def test_a_full_sample_scaler_is_found_at_the_end_of_training():
    found = find_leaks(lambda table: scaled(table, None), quotes(), cuts=[DAYS[29]])
    assert set(found["column"]) == {"scaled_close"}
    assert set(found["how"]) == {"truncated", "perturbed"}
    # Every row of the thirty training sessions of eight tickers, from the first one on.
    assert set(found["n_rows"]) == {240}
    assert set(found["row_session"]) == {DAYS[0]}


def test_a_scaler_fitted_on_training_sessions_is_left_alone():
    assert find_leaks(lambda table: scaled(table, DAYS[29]), quotes(), cuts=[DAYS[29]]).empty


# --- What a finding says --------------------------------------------------------------------


def test_a_finding_says_how_many_rows_how_far_off_and_which_comes_first():
    """Each close is one more than the last; the mean of three, centred, lacks tomorrow's."""
    table = pd.DataFrame({"ticker": "PETR4", "session": DAYS[:10], "close": np.arange(10.0)})

    def compute(rows):
        filled = rows["close"].shift(-1).fillna(0.0)
        return with_features(rows, tomorrow=filled, today=rows["close"])

    (found,) = find_leaks(compute, table, cuts=[DAYS[5]]).query("how == 'truncated'").itertuples()
    # In the sixth session tomorrow's close is 6; without tomorrow it is filled with 0.
    assert (found.column, found.n_rows, found.largest_difference) == ("tomorrow", 1, 6.0)
    assert (found.ticker, found.row_session, found.cut) == ("PETR4", DAYS[5], DAYS[5])


def test_only_the_columns_asked_for_are_tested():
    assert find_leaks(label_as_feature, quotes(), columns=["log_close"]).empty


def a_column_per_month(table):
    """As `get_dummies` makes them: of the months that are in the data."""
    months = pd.get_dummies(table["session"].dt.month, prefix="month")
    return pd.concat([table[["ticker", "session"]], months], axis=1)


def test_a_column_that_is_there_with_one_future_only_is_named():
    """The sessions reach from January to March; up to the twentieth it is January."""
    found = find_leaks(a_column_per_month, quotes(), cuts=[DAYS[19]])
    truncated = found[found["how"] == "truncated"]
    assert truncated["column"].tolist() == ["month_2", "month_3"]
    # Every row of eight tickers in twenty sessions.
    assert truncated["n_rows"].tolist() == [160, 160]


def test_a_column_that_another_future_brings_is_named_only_if_all_are_tested():
    def compute(table):
        is_whole = table["session"].max() > DAYS[30]
        more = {} if is_whole else {"of_the_short": table["close"]}
        return with_features(table, close=table["close"], **more)

    (found,) = find_leaks(compute, quotes(), cuts=[DAYS[30]]).itertuples()
    assert (found.column, found.how, found.n_rows) == ("of_the_short", "truncated", 248)
    assert find_leaks(compute, quotes(), cuts=[DAYS[30]], columns=["close"]).empty


def test_other_names_for_paper_and_day_will_do():
    renamed = quotes().rename(columns={"ticker": "symbol", "session": "day"})

    def compute(rows):
        return rows.assign(ahead=rows.groupby("symbol")["close"].shift(-1))

    found = find_leaks(compute, renamed, key=("symbol", "day"))
    assert set(found["column"]) == {"ahead"}


def test_a_leak_of_texts_flags_and_categories_is_found_as_well():
    def compute(table):
        rises = of_tickers(table, "close").shift(-1) > table["close"]
        named = pd.Series(np.where(rises, "up", "down"), index=table.index, dtype="str")
        honest = pd.Categorical(table["ticker"])
        return with_features(
            table, flag=rises, text=named, kind=named.astype("category"), paper=honest
        )

    assert set(find_leaks(compute, quotes())["column"]) == {"flag", "text", "kind"}


def test_the_sign_of_zero_is_a_bit_too():
    def signed(rows):
        sign = -1.0 if rows["session"].max() > DAYS[30] else 1.0
        return with_features(rows, zero=0.0 * sign)

    assert set(find_leaks(signed, quotes(), cuts=[DAYS[30]])["how"]) == {"truncated"}


def test_what_differs_by_chance_is_not_called_a_leak():
    random = np.random.default_rng(1)

    def compute(table):
        return with_features(table, noise=random.normal(size=len(table)), close=table["close"])

    (found,) = find_leaks(compute, quotes()).itertuples()
    assert (found.column, found.how) == ("noise", "repeated")


def test_a_compute_that_changes_its_argument_spoils_nothing():
    source = quotes().copy()

    def compute(table):
        table["close"] = 0.0
        return with_features(table, close=table["close"])

    assert find_leaks(compute, source).empty
    pd.testing.assert_frame_equal(source, quotes())


def test_a_compute_that_fails_says_on_which_data():
    def compute(table):
        if table["session"].max() == DAYS[9]:
            raise ZeroDivisionError("nothing to divide by")
        return with_features(table)

    with pytest.raises(ZeroDivisionError) as error:
        find_leaks(compute, quotes(), cuts=[DAYS[9]])
    assert "with the sessions after 2024-01-12 changed" in error.value.__notes__[0]


@pytest.mark.parametrize(
    ("source", "arguments", "sentence"),
    [
        (quotes().drop(columns="session"), {}, "found no session"),
        (pd.concat([quotes(), quotes().head(1)]), {}, "found several of AAA3, 2024-01-01"),
        (quotes(), {"cuts": [DAYS[-1]]}, "expected sessions up to it and after it"),
        (quotes(), {"cuts": [DAYS[0] - pd.Timedelta(days=1)]}, "expected sessions up to it"),
        (quotes().query("session == @DAYS[0]"), {}, "two or more can be tested"),
        (quotes(), {"cuts": []}, "found none, which would test nothing"),
        (quotes(), {"columns": []}, "found none; name columns that are computed"),
        (quotes(), {"columns": ["smooth_close", "nope"]}, "found nope; name columns"),
    ],
)
def test_what_cannot_be_tested_is_refused_in_one_sentence(source, arguments, sentence):
    for find, compute in ((find_leaks, centred_window), (find_label_leaks, smooth_label)):
        with pytest.raises(DatasetError, match=re.escape(sentence)):
            find(compute, source, **arguments)


def smooth_label(table):
    return honest_labels(table, smooth_close=centred_window(table)["smooth_close"])


def test_labels_without_the_end_of_their_span_are_refused():
    with pytest.raises(DatasetError, match="found span_end"):
        find_label_leaks(centred_window, quotes())


# --- Another future -------------------------------------------------------------------------


@given(place=st.integers(0, N_SESSIONS - 2), seed=st.integers(0, 5))
@settings(max_examples=25, deadline=None)
def test_another_future_is_the_same_past(place, seed):
    cut = DAYS[place]
    future = another_future(quotes(), cut, seed=seed)
    pd.testing.assert_frame_equal(up_to(future, cut), up_to(quotes(), cut), check_exact=True)
    pd.testing.assert_frame_equal(future, another_future(quotes(), cut, seed=seed))
    later = future[future["session"] > cut]
    assert not later["close"].isin(quotes()["close"]).any()


def test_in_another_future_rows_are_missing_and_tickers_are_new():
    future = another_future(quotes(), DAYS[29])
    later = future[future["session"] > DAYS[29]]
    old = later[~later["ticker"].str.startswith("~")]
    assert 0.7 * 240 < len(old) < 0.9 * 240
    assert later["ticker"].str.startswith("~").any()


def test_in_another_future_a_row_holds_the_texts_and_whole_numbers_of_another():
    """No factor changes these, so they have to move."""
    table = quotes().assign(trades=np.arange(480), note=[f"row {n}" for n in range(480)])
    future = another_future(table, DAYS[29])
    both = table.merge(future, on=["ticker", "session"], suffixes=("", "_then"))
    later = both[both["session"] > DAYS[29]]
    assert len(later) > 150
    # Of so many places a permutation leaves about one as it was.
    assert (later["trades"] == later["trades_then"]).sum() < 10
    assert (later["note"] == later["note_then"]).sum() < 10
    # It is whole rows that move: the text still goes with its number.
    assert (later["note_then"] == "row " + later["trades_then"].astype("str")).all()


def test_what_is_true_within_a_row_stays_true_in_another_future():
    table = quotes().assign(high=lambda rows: rows["close"] * 1.01)
    future = another_future(table, DAYS[10])
    assert (future["high"] >= future["close"]).all()


def test_cuts_are_drawn_at_the_last_session_but_one_and_where_something_is_missing():
    cuts = draw_cuts(quotes(), 4)
    assert len(cuts) == 4
    assert DAYS[-2] in cuts
    assert DAYS[40] in cuts  # the volume that is missing
    assert cuts == sorted(cuts)
    assert draw_cuts(quotes(), 4, seed=1) != cuts
    assert draw_cuts(quotes().query("session == @DAYS[0]"), 4) == []


def test_a_session_without_a_row_between_two_with_one_is_such_a_place():
    halted = quotes().assign(volume=1.0).query("not (ticker == 'CCC4' and session == @DAYS[50])")
    assert DAYS[50] in draw_cuts(halted, 2)


# --- Labels ---------------------------------------------------------------------------------


def honest_labels(table: pd.DataFrame, **others) -> pd.DataFrame:
    """The return of two sessions, whether it rises, and when that is known."""
    close, session = of_tickers(table, "close"), of_tickers(table, "session")
    change = close.shift(-2) / table["close"] - 1
    rises = pd.Series(np.where(change > 0, "buy", "sell"), index=table.index, dtype="str")
    labels = {"change": change, "action": rises.where(change.notna())}
    return with_features(table, **labels, **others, span_end=session.shift(-2))


def test_an_honest_label_is_left_alone():
    assert find_label_leaks(honest_labels, quotes()).empty


def test_a_label_decided_by_what_is_known_at_t_is_found_as_such():
    def compute(table):
        before = of_tickers(table, "close").shift(1)
        cluster = np.where(table["close"] > before, "buy", "sell")
        return honest_labels(table, cluster=pd.Series(cluster, index=table.index, dtype="str"))

    found = find_label_leaks(compute, quotes())
    assert set(zip(found["column"], found["how"], strict=True)) == {("cluster", "known_at_t")}


def test_a_rare_event_that_no_future_brings_at_a_cut_is_no_leak():
    """That nobody is halted is the same in most futures: it says nothing of what is known at t."""

    def compute(table):
        change = of_tickers(table, "close").shift(-2) / table["close"] - 1
        soars = pd.Series(np.where(change > 10, 1.0, 0.0), index=table.index)
        return honest_labels(table, soars=soars.where(change.notna()))

    assert find_label_leaks(compute, quotes()).empty


def test_so_is_one_that_hides_by_being_missing_in_the_tail():
    def compute(table):
        past = table["close"] / of_tickers(table, "close").shift(1) - 1
        is_known = of_tickers(table, "close").shift(-2).notna()
        return honest_labels(table, past=past.where(is_known))

    (found,) = find_label_leaks(compute, quotes()).itertuples()
    assert (found.column, found.how) == ("past", "known_at_t")
    # Eight tickers at each of five cuts, but for the last one, after which no label is known.
    assert found.n_rows == 32


def test_a_label_that_looks_beyond_its_span_is_found():
    def compute(table):
        longer = of_tickers(table, "close").shift(-3) / table["close"] - 1
        return honest_labels(table, longer=longer)

    found = find_label_leaks(compute, quotes())
    assert set(zip(found["column"], found["how"], strict=True)) == {
        ("longer", "truncated"),
        ("longer", "perturbed"),
    }


def test_a_tail_that_is_filled_is_found():
    def compute(table):
        close = of_tickers(table, "close")
        last = close.transform("last")
        return honest_labels(table, filled=close.shift(-2).fillna(last) / table["close"] - 1)

    found = find_label_leaks(compute, quotes())
    assert {"provisional", "known_at_t"} <= set(found["how"])
    assert set(found["column"]) == {"filled"}


def test_a_label_that_is_there_with_one_future_only_is_named():
    def compute(table):
        name = "long" if table["session"].max() == DAYS[-1] else "short"
        change = of_tickers(table, "close").shift(-2) / table["close"] - 1
        return honest_labels(table, **{name: change})

    found = find_label_leaks(compute, quotes(), cuts=[DAYS[29]])
    truncated = found[found["how"] == "truncated"].set_index("column")
    assert set(truncated.index) == {"long", "short"}
    assert (truncated["n_rows"] == 240).all()
    asked = find_label_leaks(compute, quotes(), cuts=[DAYS[29]], columns=["change"])
    assert asked.empty


def test_a_feature_that_is_a_label_or_orders_tickers_as_one_is_named():
    labels = honest_labels(quotes())
    change = labels["change"]
    features = with_features(
        quotes(),
        itself=change,
        ranked=gaussian_rank(change.to_numpy(), labels["session"]),
        reversed=-np.exp(change),
        coded=labels["action"].map({"buy": 1.0, "sell": 0.0}),
        close=quotes()["close"],
        weekday=quotes()["session"].dt.day_of_week,
    )
    found = find_label_copies(features, labels.drop(columns="span_end"))
    assert set(zip(found["column"], found["label"], strict=True)) == {
        ("itself", "change"),
        ("ranked", "change"),
        ("reversed", "change"),
        ("coded", "action"),
    }


# --- Folds ----------------------------------------------------------------------------------

SESSIONS = pd.bdate_range("2020-01-01", periods=400).as_unit("us")


def spans(span: int) -> pd.DataFrame:
    """Every label looks `span` sessions ahead; those of the last sessions are not known."""
    ends = pd.Series(SESSIONS).shift(-span)
    return pd.DataFrame({"ticker": "PETR4", "session": SESSIONS, "span_end": ends})


def folds(**settings_) -> pd.DataFrame:
    return temporal_split(SESSIONS.to_numpy().astype("datetime64[D]"), **settings_)


def test_a_purge_as_long_as_the_labels_span_suffices():
    assert find_fold_leaks(folds(span=SPAN, embargo=0), spans(SPAN)).empty


def test_an_off_by_one_in_the_purge_is_found():
    found = find_fold_leaks(folds(span=SPAN - 1, embargo=0), spans(SPAN))
    assert list(zip(found["role"], found["reaches"], strict=True)) == [
        ("train", "validation"),
        ("validation", "test"),
    ]
    # One session of each: its labels' span ends on the first session of the next role.
    assert found["n_sessions"].tolist() == [1, 1]
    assert (found["span_end"] == found["first_reached"]).all()


def test_sessions_drawn_at_random_overlap_everywhere():
    random = np.random.default_rng(0)
    role = random.choice(["train", "test"], len(SESSIONS))
    shuffled = pd.DataFrame({"window": "shuffled", "session": SESSIONS, "role": role})
    found = find_fold_leaks(shuffled, spans(1))
    assert set(found["role"]) == {"train", "test"}
    # After half of the sessions of a role comes one of the other.
    assert found["n_sessions"].sum() > 150


def test_a_label_of_unknown_span_looks_at_everything_to_come():
    labels = spans(SPAN)
    labels.loc[0, "span_end"] = pd.NaT
    found = find_fold_leaks(folds(span=SPAN, embargo=0), labels)
    assert list(zip(found["role"], found["reaches"], strict=True)) == [
        ("train", "test"),
        ("train", "validation"),
    ]
    assert found["session"].eq(SESSIONS[0]).all()
