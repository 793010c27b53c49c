"""Each promise of the dictionary is checked, and a broken one shows the rows that break it."""

import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster.table_checks import broken_promises
from asset_predict_dagster.tables import DAY, NUMBER, TEXT, WHOLE, Column, Table

WEATHER = Table(
    "weather",
    "one station on one day",
    ("station", "day"),
    (
        Column("station", TEXT, "name"),
        Column("day", DAY, "day"),
        Column("sky", TEXT, "what it looked like", required=False, values=("clear", "grey")),
        Column("humidity", NUMBER, "share", "fraction", minimum=0.0, maximum=1.0),
        Column("rain", NUMBER, "fallen", "mm", required=False, minimum=0.0),
        Column("visitors", WHOLE, "people", minimum=1),
    ),
)


def weather(**changed) -> pd.DataFrame:
    """Three days that keep every promise, but for what is `changed`."""
    days = pd.DataFrame(
        {
            "station": "Santos",
            "day": pd.to_datetime(["2024-01-02", "2024-01-03", "2024-01-04"]),
            "sky": ["clear", "grey", None],
            "humidity": [0.0, 0.5, 1.0],
            "rain": [0.0, np.nan, 7.5],
            "visitors": [1, 2, 3],
        }
    )
    return days.assign(**changed)


def test_kept_promises_are_not_mentioned():
    assert broken_promises(WEATHER, weather()).empty


def test_a_table_without_rows_breaks_no_promise():
    assert broken_promises(WEATHER, weather().head(0)).empty


@pytest.mark.parametrize(
    ("changed", "promise", "n_rows"),
    [
        ({"station": ["Santos", None, "Santos"]}, "station is never missing", 1),
        ({"day": pd.to_datetime(["2024-01-02"] * 3)}, "(station, day) is unique", 3),
        ({"sky": ["clear", "green", None]}, "sky is one of 'clear', 'grey'", 1),
        ({"sky": ["clear", "", None]}, "sky is one of 'clear', 'grey'", 1),
        ({"humidity": [-0.01, 0.5, 1.0]}, "humidity ≥ 0", 1),
        ({"humidity": [0.0, 1.01, 1.02]}, "humidity ≤ 1", 2),
        ({"humidity": [0.0, np.nan, 1.0]}, "humidity is never missing", 1),
        ({"rain": [0.0, np.inf, 1.0]}, "rain is finite", 1),
        ({"visitors": [0, 1, 2]}, "visitors ≥ 1", 1),
    ],
)
def test_a_broken_promise_is_named_and_its_rows_are_counted(changed, promise, n_rows):
    broken = broken_promises(WEATHER, weather(**changed))
    assert broken[["promise", "n_rows"]].values.tolist() == [[promise, n_rows]]


def test_a_number_below_every_bound_breaks_two_promises():
    broken = broken_promises(WEATHER, weather(rain=[0.0, -np.inf, 1.0]))
    assert broken["promise"].tolist() == ["rain is finite", "rain ≥ 0"]


def test_the_first_rows_are_shown_by_their_key():
    [shown] = broken_promises(WEATHER, weather(visitors=[1, 0, 1]))["first_rows"]
    assert shown.split() == ["station", "day", "Santos", "2024-01-03"]


def test_no_more_than_five_rows_are_shown():
    days = pd.date_range("2024-01-01", periods=40, unit="us")
    many = pd.concat([weather(visitors=0)] * 14, ignore_index=True).head(40).assign(day=days)
    [broken] = broken_promises(WEATHER, many).to_dict("records")
    assert broken["n_rows"] == 40
    assert broken["first_rows"].count("\n") == 5
