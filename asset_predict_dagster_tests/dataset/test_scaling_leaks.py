"""A scaling is what could be known when its window's training was over."""

from functools import cache

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset import scaling
from asset_predict_dagster.dataset.labels import learned_until
from asset_predict_dagster.dataset.scaling_leaks import unequal_scalings
from asset_predict_dagster.dataset.splits import temporal_split, usable_sessions
from asset_predict_dagster_tests.dataset.leak_market import LAST, as_of, whole

LAST_DAY = pd.Timestamp(LAST)


@cache
def folds() -> pd.DataFrame:
    """The pipeline's window, and one that ends earlier."""
    sessions = usable_sessions(whole().labels, whole().universe)
    early = temporal_split(sessions[:-40], window="early")
    return pd.concat([temporal_split(sessions), early], ignore_index=True)


@cache
def honest() -> pd.DataFrame:
    return scaling.fit_scalings(whole().samples, folds())


def on_everything(samples, windows) -> pd.DataFrame:
    """Fitted on whatever has a label, whichever its role."""
    return scaling_of_training(samples, windows.assign(role="train"))


scaling_of_training = scaling.fit_scalings


def found_in(stored: pd.DataFrame) -> list[tuple[str, str]]:
    return [(one["how"], one["column"]) for one in unequal(stored)]


def unequal(stored: pd.DataFrame) -> list[dict]:
    return unequal_scalings(stored, folds(), as_of, LAST_DAY)


def test_a_scaling_of_the_training_sessions_is_left_alone():
    assert unequal(honest()) == []


def test_a_table_fitted_on_every_session_is_named():
    found = found_in(on_everything(whole().samples, folds()))
    assert {how for how, _ in found} == {"stored"}
    columns = {column for _, column in found}
    for window in ("holdout", "early"):
        assert {f"scalings.{window}.centre", f"scalings.{window}.n_rows"} <= columns


def test_a_single_bit_is_enough_and_says_of_which_feature():
    table = honest().copy()
    place = table.index[(table["window"] == "early") & (table["feature"] == "rsi_14")]
    table.loc[place, "scale"] = np.nextafter(table.loc[place, "scale"], np.inf)
    (found,) = unequal(table)
    assert (found["how"], found["column"]) == ("stored", "scalings.early.scale")
    assert (found["n_rows"], found["ticker"]) == (1, "rsi_14")
    is_train = (folds()["window"] == "early") & (folds()["role"] == "train")
    end = folds().loc[is_train, "session"].max()
    assert found["row_session"] == end
    assert found["cut"] == pd.Timestamp(learned_until(end.date()))


def test_code_that_fits_on_every_session_is_named_whatever_the_table_holds(monkeypatch):
    monkeypatch.setattr(scaling, "fit_scalings", on_everything)
    assert {how for how, _ in found_in(honest())} == {"fitted"}


def test_a_feature_or_a_window_on_one_side_only_is_named():
    fewer = honest().drop(index=honest().index[:1])
    assert found_in(fewer) == [("stored", "scalings.holdout.(rows)")]
    more = pd.concat([honest(), honest().tail(2).assign(window="unheard of")])
    assert found_in(more) == [("stored", "scalings.unheard of.(rows)")]
