"""A preset is settings under a name, and it knows which outcomes chose them."""

import json
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asset_predict_dagster.dataset.splits import temporal_split
from asset_predict_dagster.errors import SettingsError
from asset_predict_dagster.models.presets import (
    Preset,
    read_preset,
    refuse_known_test,
    write_preset,
)


@pytest.fixture
def presets(tmp_path):
    tuned = {"model": "lstm", "settings": {"units": 48}, "n_trials": 50}
    (tmp_path / "presets").mkdir()
    (tmp_path / "best.json").write_text(json.dumps(tuned))
    tmp_path = tmp_path / "presets"
    (tmp_path / "lstm.json").write_text(json.dumps(tuned))
    (tmp_path / "half.json").write_text('{"model": "lstm"')
    (tmp_path / "bare.json").write_text('{"units": 48}')
    return tmp_path


def test_a_preset_is_settings_under_a_name(presets):
    assert read_preset(presets, "lstm", "lstm") == Preset({"units": 48}, 1, "lstm")


@pytest.mark.parametrize(
    ("name", "model", "says"),
    [
        ("best", "lstm", "lstm: there is no preset 'best'; there are bare, half, lstm"),
        ("../best", "lstm", "there is no preset '../best'"),
        ("lstm", "random_forest", "preset 'lstm' is of lstm, not of random_forest"),
        ("half", "lstm", "preset 'half' should be JSON"),
        ("bare", "lstm", "preset 'bare' should be JSON with the entries model and settings"),
    ],
)
def test_a_preset_that_cannot_be_used_says_why(presets, name, model, says):
    with pytest.raises(SettingsError) as refused:
        read_preset(presets, name, model)
    assert says in str(refused.value)


def test_where_nothing_was_tuned_there_is_no_preset(tmp_path):
    with pytest.raises(SettingsError, match="there is no preset 'lstm'; there are none"):
        read_preset(tmp_path / "presets", "lstm", "lstm")


def test_what_chose_a_preset_is_read_back(tmp_path):
    decided = {"n_trials_ever": 50, "last_session": "2023-01-31", "span": 6, "value": 0.03}
    write_preset(tmp_path, "lstm", {"model": "lstm", "settings": {"units": 48}, **decided})
    read = read_preset(tmp_path, "lstm", "lstm")
    assert read == Preset({"units": 48}, 50, "lstm", date(2023, 1, 31), 6)


def test_a_day_that_is_none_is_no_preset(tmp_path):
    write_preset(tmp_path, "lstm", {"model": "lstm", "settings": {}, "last_session": "yesterday"})
    with pytest.raises(SettingsError, match="preset 'lstm' should be JSON"):
        read_preset(tmp_path, "lstm", "lstm")


# --- What a preset may be tested on ------------------------------------------------------------

DAYS = np.arange("2020-01-01", "2021-05-15", dtype="datetime64[D]")
"""500 sessions; by default the last hundred test, and sessions 289 to 388 validate."""


def chosen_until(place: int, span: int = 6) -> Preset:
    return Preset({}, 50, "lstm", DAYS[place].item(), span)


def test_a_preset_may_be_tested_on_what_comes_after_the_outcomes_that_chose_it():
    folds = temporal_split(DAYS)
    refuse_known_test(chosen_until(388), DAYS, folds, "holdout")
    # The label of session 393 looks at 399, the last before the test; that of 394 at the test.
    refuse_known_test(chosen_until(393), DAYS, folds, "holdout")
    with pytest.raises(SettingsError, match="up to 2021-01-29, which look 6 sessions ahead, and"):
        refuse_known_test(chosen_until(394), DAYS, folds, "holdout")


def test_a_larger_test_or_an_earlier_end_is_refused():
    tuned = chosen_until(388)
    with pytest.raises(SettingsError, match="the test of window holdout begins on 2020-09-07"):
        refuse_known_test(tuned, DAYS, temporal_split(DAYS, test_size=0.5), "holdout")
    with pytest.raises(SettingsError, match="what it would be tested on has chosen it"):
        refuse_known_test(tuned, DAYS[:350], temporal_split(DAYS[:350]), "holdout")


def test_settings_that_a_person_wrote_may_be_tested_anywhere():
    refuse_known_test(Preset({"units": 48}, 1), DAYS, temporal_split(DAYS), "holdout")


@given(last=st.integers(0, 499), span=st.integers(1, 31), share=st.floats(0.15, 0.5))
def test_no_test_session_is_one_that_an_outcome_reached(last, span, share):
    folds = temporal_split(DAYS, test_size=share)
    first = folds.loc[folds["role"] == "test", "session"].min()
    reached = DAYS[min(last + span, len(DAYS) - 1)]
    is_refused = False
    try:
        refuse_known_test(chosen_until(last, span), DAYS, folds, "holdout")
    except SettingsError:
        is_refused = True
    assert is_refused == (reached >= np.datetime64(first, "D"))
