"""The detector finds what looks ahead, names it, and leaves what does not alone."""

import re
from dataclasses import dataclass
from datetime import date
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.dataset import chain, leak_audit
from asset_predict_dagster.dataset.another_future import another_future, draw_cuts, up_to
from asset_predict_dagster.dataset.chain import (
    Chain,
    Tables,
    split_labels,
)
from asset_predict_dagster.dataset.features import FEATURE_NAMES, TABLE, gaussian_rank
from asset_predict_dagster.dataset.label_leaks import (
    find_fold_leaks,
    find_label_copies,
    find_label_leaks,
)
from asset_predict_dagster.dataset.labels import SPAN
from asset_predict_dagster.dataset.leak_audit import audit, draw_sample, unequal_served_rows
from asset_predict_dagster.dataset.leaks import find_leaks
from asset_predict_dagster.dataset.splits import temporal_split
from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.market.adjustment import back_adjusted
from asset_predict_dagster.market.history import known_events, spot_quotes
from asset_predict_dagster.market.renames import read_renames
from asset_predict_dagster.market.simulated_market import SimulatedMarket
from asset_predict_dagster.market.universe import liquid_universe
from asset_predict_dagster.tables import SHARE_KINDS
from asset_predict_dagster_tests.market.true_returns import true_events

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
    ],
)
def test_what_cannot_be_tested_is_refused_in_one_sentence(source, arguments, sentence):
    with pytest.raises(DatasetError, match=re.escape(sentence)):
        find_leaks(centred_window, source, **arguments)


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


# --- The real chain, from B3's records to the model's input -----------------------------------

LAST = date(2019, 12, 30)


@dataclass(frozen=True)
class Market:
    chain: Chain
    records: pd.DataFrame


@cache
def market() -> Market:
    simulation = SimulatedMarket(1).simulate(LAST)
    events = true_events(simulation.corporate_actions)
    dividends = events[events["kind"] == "cash_dividend"].reset_index(drop=True)
    return Market(Chain(dividends, read_renames(None, LAST)), simulation.records)


@cache
def stretch() -> tuple[pd.DataFrame, list[pd.Timestamp]]:
    return draw_sample(market().records, 3, seed=2, latest=True)


def test_nothing_of_the_real_chain_looks_ahead_and_its_labels_are_honest():
    done = audit(market().chain, *stretch())
    assert done.leaks.empty, done.leaks.to_string()
    counts = done.tested.set_index("stage")
    assert list(counts.index) == ["quotes", "universe", "features", "input", "labels"]
    n_features = len(TABLE.point_in_time_columns) - 1  # without the session
    assert counts.loc["features", "n_columns"] == n_features
    assert counts.loc["input", "n_columns"] >= len(FEATURE_NAMES)
    assert (counts["n_cuts"] == 3).all()
    assert (counts["n_values"] > 100_000).all()


class BackAdjusted(Chain):
    """Its prices are adjusted by what happens later."""

    def _tables(self, spot, events):
        tables = super()._tables(spot, events)
        charted = back_adjusted(tables.quotes)
        adjusted = {f"adjusted_{name}": charted[name] for name in ("open", "high", "low", "close")}
        return Tables(tables.quotes.assign(**adjusted), tables.universe, tables.features)


class UniverseOfSurvivors(Chain):
    """Its universe holds whoever is liquid in the end."""

    def _tables(self, spot, events):
        tables = super()._tables(spot, events)
        universe = liquid_universe(tables.quotes)
        chosen = universe.groupby("ticker")["in_universe"].transform("last")
        return Tables(tables.quotes, universe.assign(in_universe=chosen), tables.features)


class FeaturesOfTomorrow(Chain):
    """Its RSI is that of the next session."""

    def _tables(self, spot, events):
        tables = super()._tables(spot, events)
        ahead = tables.features.groupby("ticker")["rsi_14"].shift(-1)
        return Tables(tables.quotes, tables.universe, tables.features.assign(rsi_14=ahead))


@pytest.mark.parametrize(
    ("planted", "columns"),
    [
        (
            BackAdjusted,
            {f"quotes.adjusted_{name}" for name in ("open", "high", "low", "close")},
        ),
        (
            UniverseOfSurvivors,
            {"universe.in_universe", "input.in_universe", "input.is_forecastable"},
        ),
        (FeaturesOfTomorrow, {"features.rsi_14", "input.rsi_14"}),
    ],
)
def test_a_leak_planted_anywhere_in_the_chain_is_named_where_it_enters(planted, columns):
    honest = market().chain
    leaky = planted(honest.listed, honest.renames, honest.classes)
    found = audit(leaky, *stretch(), what=["known"]).leaks
    assert set(found["column"]) == columns


class LabelAmongFeatures(Chain):
    """Its RSI is a label."""

    def _tables(self, spot, events):
        tables = super()._tables(spot, events)
        label = tables.labels["realised_return_3d"].to_numpy()
        return Tables(tables.quotes, tables.universe, tables.features.assign(rsi_14=label))


def test_a_label_among_the_features_is_named_with_the_label():
    honest = market().chain
    leaky = LabelAmongFeatures(honest.listed, honest.renames)
    found = audit(leaky, *stretch(), what=["labels"]).leaks
    copies = found.loc[found["how"] == "copy", "column"]
    assert copies.tolist() == ["features.rsi_14 = labels.realised_return_3d"]


def test_signal_cluster_is_declared_known_at_t_and_would_be_found_if_it_were_not():
    later, at_once = split_labels()
    assert at_once == ["signal_cluster"]
    assert "signal_cluster" not in later
    rows, cuts = stretch()
    found = find_label_leaks(
        lambda records: market().chain.tables(records).labels,
        rows[rows["market_type"] == "010"],
        columns=["signal_cluster", "action"],
        cuts=cuts,
    )
    assert set(zip(found["column"], found["how"], strict=True)) == {
        ("signal_cluster", "known_at_t")
    }


def test_of_the_table_of_labels_each_column_is_tested_as_it_is_declared(monkeypatch):
    """One that is declared known at t may not look ahead, and a label may not be known at t."""
    honest = chain.compute_labels

    def mixed_up(quotes, universe, table):
        labels = honest(quotes, universe, table)
        tomorrow = labels.groupby("ticker")["action"].shift(-1)
        today = table["rank_log_return_1d"].to_numpy(dtype=np.float64)
        return labels.assign(signal_cluster=tomorrow, return_rank_1d=today)

    monkeypatch.setattr(chain, "compute_labels", mixed_up)
    found = audit(market().chain, *stretch(), what=["labels"]).leaks
    found = found[found["how"] != "copy"]
    hows = found.groupby("column")["how"].unique().map(set).to_dict()
    assert hows == {
        "labels.signal_cluster": {"truncated", "perturbed"},
        "labels.return_rank_1d": {"known_at_t"},
    }


def test_share_events_that_nobody_lists_are_part_of_the_chain():
    factors = whole().quotes.groupby("ticker")["split_factor"].last()
    assert (factors != 1).any()
    assert not market().chain.listed["kind"].isin(SHARE_KINDS).any()


# --- The served row ----------------------------------------------------------------------------


@cache
def whole() -> Tables:
    return market().chain.tables(market().records)


def unequal(features: pd.DataFrame, universe: pd.DataFrame) -> pd.DataFrame:
    whole_chain, records = market().chain, market().records
    events = known_events(spot_quotes(records, whole_chain.renames, LAST), whole_chain.listed)
    return unequal_served_rows(whole_chain, records, events, features, universe)


def test_the_served_row_is_the_row_of_the_table():
    assert unequal(whole().features, whole().universe).empty


def test_a_bit_that_differs_in_the_served_row_is_named():
    features = whole().features.copy()
    is_last = features["session"] == pd.Timestamp(LAST)
    row = is_last & (is_last.cumsum() == 3)
    features.loc[row, "rsi_14"] = np.nextafter(features.loc[row, "rsi_14"], np.float32(np.inf))
    (found,) = unequal(features, whole().universe).itertuples()
    assert (found.column, found.n_rows) == ("input.rsi_14", 1)
    assert found.ticker == features.loc[row, "ticker"].iloc[0]


def test_a_ticker_that_is_not_in_the_table_is_named():
    is_last = whole().features["session"] == pd.Timestamp(LAST)
    gone = is_last & (is_last.cumsum() == 1)
    (found,) = unequal(whole().features[~gone], whole().universe[~gone]).itertuples()
    assert (found.column, found.n_rows) == ("(rows)", 1)
    assert found.ticker == whole().features.loc[gone, "ticker"].iloc[0]


def test_an_earlier_row_is_none_of_its_business():
    features = whole().features.copy()
    features.loc[features["session"] < pd.Timestamp(LAST), "rsi_14"] = 50.0
    assert unequal(features, whole().universe).empty


# --- Samples -----------------------------------------------------------------------------------


def test_a_sample_is_the_same_for_a_seed_and_another_one_for_another():
    rows, cuts = draw_sample(market().records, 3, seed=2, latest=False)
    again, cuts_again = draw_sample(market().records, 3, seed=2, latest=False)
    pd.testing.assert_frame_equal(rows, again)
    assert cuts == cuts_again
    starts = [
        draw_sample(market().records, 3, seed=seed, latest=False)[0]["session"].min()
        for seed in range(4)
    ]
    assert min(starts) < max(starts)
    latest = [draw_sample(market().records, 3, seed=seed, latest=True)[1] for seed in range(2)]
    assert latest[0] != latest[1]


def test_the_latest_sample_ends_with_the_last_session_and_cuts_on_its_eve():
    rows, cuts = stretch()
    sessions = np.unique(market().records["session"].to_numpy())
    assert rows["session"].max() == pd.Timestamp(LAST)
    assert rows["session"].nunique() == 400
    assert cuts[-1] == pd.Timestamp(sessions[-2])


def test_a_large_market_is_sampled_by_ticker(monkeypatch):
    monkeypatch.setattr(leak_audit, "MAX_TICKERS", 12)
    rows, _ = draw_sample(market().records, 3, seed=2, latest=True)
    assert rows["ticker"].nunique() == 12


def test_a_history_of_one_session_has_nothing_to_test():
    records = market().records
    one_day = records[records["session"] == records["session"].min()]
    rows, cuts = draw_sample(one_day, 3, seed=1, latest=True)
    done = audit(market().chain, rows, cuts)
    assert cuts == []
    assert done.leaks.empty
    assert (done.tested["n_values"] == 0).all()
