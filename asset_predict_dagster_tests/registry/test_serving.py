"""Nobody is asked about a session whose future it has learned from."""

from datetime import date, timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asset_predict_dagster.dataset.labels import learned_until
from asset_predict_dagster.registry.decisions import promotions_table
from asset_predict_dagster.registry.serving import SERVING_COLUMNS, served_at
from asset_predict_dagster.table_checks import broken_promises
from asset_predict_dagster.table_content import to_arrow, to_pandas
from asset_predict_dagster.tables import PROMOTIONS

FIRST_END = date(2024, 1, 5)


def log_of(*decisions: tuple[str, str, date], model: str = "lstm") -> pd.DataFrame:
    """Decision, version that serves from then on, and the end of that one's training; day by day.

    As the lake returns it.
    """
    rows, before = [], ""
    for day, (decision, version, end) in enumerate(decisions):
        rows.append(
            {
                "model": model,
                "decided_at": pd.Timestamp("2024-02-01", tz="UTC") + timedelta(days=day),
                "candidate_version": version,
                "incumbent_version": before,
                "decision": decision,
                "model_version": version,
                "status": "unproven",
                "reason": "",
                "by": "rule",
                "bundle": f"bundle {version}",
                "training_end": pd.Timestamp(end),
                "trained_at": pd.Timestamp(end, tz="UTC"),
            }
        )
        before = version
    return to_pandas(to_arrow(PROMOTIONS, pd.DataFrame(rows)[PROMOTIONS.column_names]))


def champions_of(log: pd.DataFrame) -> pd.DataFrame:
    return log.groupby("model").tail(1)[SERVING_COLUMNS]


# The labels look six sessions ahead: rows up to Friday 01-05 know of Monday 01-15.
JANUARY = log_of(
    ("promoted", "1", date(2024, 1, 5)),
    ("promoted", "2", date(2024, 1, 12)),
    ("promoted", "3", date(2024, 1, 19)),
)


@pytest.mark.parametrize(
    ("session", "version"),
    [
        (date(2024, 2, 1), ["3"]),
        (learned_until(date(2024, 1, 19)), ["3"]),
        (learned_until(date(2024, 1, 19)) - timedelta(days=1), ["2"]),
        (date(2024, 1, 16), ["1"]),
        (date(2024, 1, 15), ["1"]),
        (date(2024, 1, 12), []),
    ],
)
def test_a_session_is_asked_of_the_latest_that_had_not_learned_from_later_ones(session, version):
    served = served_at(JANUARY, champions_of(JANUARY), session)
    assert list(served["model_version"]) == version
    assert list(served.columns) == SERVING_COLUMNS
    assert list(served["bundle"]) == [f"bundle {one}" for one in version]


def test_each_model_has_a_champion_of_its_own():
    forest = log_of(("promoted", "7", date(2024, 1, 12)), model="random_forest")
    both = pd.concat([JANUARY, forest])
    served = served_at(both, champions_of(both), date(2024, 1, 22))
    assert dict(zip(served["model"], served["model_version"], strict=True)) == {
        "lstm": "2",
        "random_forest": "7",
    }
    assert list(served_at(both, champions_of(both), date(2024, 1, 16))["model"]) == ["lstm"]


def test_nobody_is_asked_whom_a_person_went_back_from():
    """Version 2 knows nothing later than the session, and version 1 does."""
    log = log_of(("promoted", "1", date(2024, 1, 12)), ("promoted_by_hand", "2", date(2024, 1, 5)))
    assert list(served_at(log, champions_of(log), date(2024, 1, 16))["model_version"]) == ["2"]
    log = log_of(
        ("promoted", "1", date(2024, 1, 12)),
        ("promoted_by_hand", "2", date(2024, 1, 5)),
        ("rolled_back", "1", date(2024, 1, 12)),
    )
    assert served_at(log, champions_of(log), date(2024, 1, 16)).empty


def test_a_version_that_cannot_serve_is_passed_over_for_the_next_earlier_one():
    def version_at(session: date, *damaged: str) -> list[str]:
        champions = champions_of(JANUARY)
        rows = served_at(JANUARY, champions, session, lambda *one: one[1] not in damaged)
        assert list(rows["bundle"]) == [f"bundle {one}" for one in rows["model_version"]]
        return list(rows["model_version"])

    assert version_at(date(2024, 2, 1), "3") == ["2"]
    assert version_at(date(2024, 2, 1), "3", "2") == ["1"]
    assert version_at(date(2024, 2, 1), "2") == ["3"]
    assert version_at(date(2024, 1, 16), "1") == []


def test_a_version_is_named_by_its_model_its_number_and_its_bundle():
    asked = []
    served_at(JANUARY, champions_of(JANUARY), date(2024, 1, 22), lambda *one: asked.append(one))
    # Version 3 has learned from later sessions: whether it is whole is not asked.
    assert asked == [("lstm", "2", "bundle 2"), ("lstm", "1", "bundle 1")]


def test_where_an_earlier_program_kept_no_log_the_champion_is_all_there_is():
    champions = champions_of(JANUARY)
    assert list(served_at(None, champions, date(2024, 2, 1))["model_version"]) == ["3"]
    assert served_at(None, champions, date(2024, 1, 22)).empty


def test_while_nobody_served_nobody_is_asked():
    log = JANUARY.copy()
    log.loc[0, ["model_version", "bundle"]] = ["", None]
    log.loc[0, ["training_end", "trained_at"]] = [pd.NaT, pd.NaT]
    assert broken_promises(PROMOTIONS, log).empty
    assert served_at(log, champions_of(log), date(2024, 1, 16)).empty
    assert promotions_table([]).empty


@given(st.lists(st.integers(0, 60), min_size=1, max_size=6), st.integers(0, 90))
def test_who_is_asked_never_knows_later_sessions(ends, asked):
    """Beside a plain loop over the whole log, the latest first."""
    session = FIRST_END + timedelta(days=asked)
    trainings = [FIRST_END + timedelta(days=days) for days in ends]
    log = log_of(*(("promoted", str(n), end) for n, end in enumerate(trainings, start=1)))
    by_hand = [
        str(n) for n in range(len(ends), 0, -1) if learned_until(trainings[n - 1]) <= session
    ]
    assert list(served_at(log, champions_of(log), session)["model_version"]) == by_hand[:1]
