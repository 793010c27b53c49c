"""A model is fresh until the day it is stale: the clock is given, so the day can be tried."""

from datetime import UTC, date, datetime, timedelta, timezone

import pandas as pd
import pytest

from asset_predict_dagster.lake import Lake
from asset_predict_dagster.predictions.drift_finding import Drift
from asset_predict_dagster.predictions.health import MENDED_BY_TRAINING, Findings, model_health
from asset_predict_dagster.predictions.live_skill import SkillWatch
from asset_predict_dagster.table_checks import broken_promises
from asset_predict_dagster.tables import CHAMPIONS, MODEL_HEALTH, VERDICTS

TRAINED = datetime(2024, 1, 8, 12, tzinfo=UTC)


def champions(**trained_at: datetime) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "model": list(trained_at),
            "model_version": "4",
            "status": "proven",
            "candidate_version": "4",
            "decision": "promoted",
            "reason": "first champion",
            "trained_at": list(trained_at.values()),
            "training_end": pd.Timestamp("2024-01-05").as_unit("us"),
            "bundle": "digest",
        }
    )[CHAMPIONS.column_names]


@pytest.mark.parametrize(
    ("age", "verdict"),
    [
        (timedelta(0), "fresh"),
        (timedelta(days=14, hours=23), "fresh"),
        (timedelta(days=15) - timedelta(seconds=1), "fresh"),
        (timedelta(days=15), "stale"),
        (timedelta(days=400), "stale"),
    ],
)
def test_a_model_is_stale_from_its_fifteenth_day(age, verdict):
    table = model_health(("lstm",), champions(lstm=TRAINED), TRAINED + age, stale_after_days=15)
    assert broken_promises(MODEL_HEALTH, table).empty
    health = table.iloc[0]
    assert health["verdict"] == verdict
    assert health["age_days"] == pytest.approx(age.total_seconds() / 86_400)
    assert health["reason"] == f"lstm was trained {age.days} days ago; stale from 15"
    assert health["training_end"] == pd.Timestamp("2024-01-05")
    assert health["model_version"] == "4"


def test_how_long_a_model_stays_fresh_is_a_setting():
    for days, verdict in [(1, "stale"), (3, "stale"), (4, "fresh")]:
        table = model_health(
            ("lstm",), champions(lstm=TRAINED), TRAINED + timedelta(days=3), stale_after_days=days
        )
        assert table["verdict"].tolist() == [verdict]


def test_a_clock_in_sao_paulo_reckons_the_same_age():
    there = (TRAINED + timedelta(days=15)).astimezone(timezone(timedelta(hours=-3)))
    table = model_health(("lstm",), champions(lstm=TRAINED), there, stale_after_days=15)
    assert table["verdict"].tolist() == ["stale"]
    assert table["age_days"].tolist() == [15.0]


@pytest.mark.parametrize("known", [None, champions(), champions(gru=TRAINED)])
def test_a_model_without_champion_is_missing(known):
    table = model_health(("lstm", "random_forest"), known, TRAINED, stale_after_days=15)
    assert broken_promises(MODEL_HEALTH, table).empty
    assert table["model"].tolist() == ["lstm", "random_forest"]
    assert set(table["verdict"]) == {"missing"}
    assert table["reason"].tolist() == ["lstm has no champion", "random_forest has no champion"]
    assert table["age_days"].isna().all()


@pytest.mark.parametrize("present", [(), ("lstm",), ("random_forest",), ("lstm", "random_forest")])
def test_health_can_be_kept_whoever_is_missing(tmp_path, present):
    lake = Lake(tmp_path)
    lake.write(CHAMPIONS, champions(**dict.fromkeys(present, TRAINED)))
    now = TRAINED + timedelta(days=20)
    table = model_health(("lstm", "random_forest"), lake.read(CHAMPIONS), now, stale_after_days=15)
    lake.write(MODEL_HEALTH, table)
    kept = lake.read(MODEL_HEALTH).set_index("model")
    for model in ("lstm", "random_forest"):
        assert kept.loc[model, "verdict"] == ("stale" if model in present else "missing")
    assert (kept["checked_at"] == pd.Timestamp(now)).all()
    assert set(kept["trained_at"].dropna()) == ({pd.Timestamp(TRAINED)} if present else set())


# Everything else that is found

CLOSED = date(2024, 1, 12)  # a Friday; the model learned from sessions up to the Friday before


def drift_of(subject: str, since: date | None) -> Drift:
    reason = f"{subject}: drift since {since}" if since else f"{subject}: no drift"
    return Drift(subject, pd.DataFrame(), pd.DataFrame(), since, reason)


def skill_of(since: date | None) -> SkillWatch:
    reason = f"rank_ic: lost since {since}" if since else "rank_ic: kept"
    return SkillWatch("rank_ic", None, 0.01, 63, pd.DataFrame(), since, reason)


def health_of(
    age_days: int = 4, last_closed: date | None = CLOSED, newest: date | None = None, **found
) -> pd.Series:
    now = TRAINED + timedelta(days=age_days)
    table = model_health(
        ("lstm",),
        champions(lstm=TRAINED),
        now,
        stale_after_days=15,
        last_closed=last_closed,
        newest_quotes=newest,
        findings={"lstm": Findings(**found)},
    )
    assert broken_promises(MODEL_HEALTH, table).empty
    return table.iloc[0]


LOST, DRIFTED = skill_of(date(2024, 1, 9)), drift_of("inputs", date(2024, 1, 10))


def test_a_model_of_which_nothing_is_amiss_is_fresh_and_says_what_was_looked_at():
    health = health_of(newest=CLOSED, drifts=[drift_of("inputs", None)], skills=[skill_of(None)])
    assert (health["verdict"], health["causes"]) == ("fresh", "")
    assert health["reason"] == (
        "lstm was trained 4 days ago; stale from 15; 5 sessions have closed since the last one it"
        " learned from; rank_ic: kept; inputs: no drift"
    )
    assert health["age_sessions"] == 5


@pytest.mark.parametrize(
    ("case", "verdict", "causes"),
    [
        ({"drifts": [DRIFTED]}, "drifting", "drifting"),
        ({"drifts": [drift_of("predictions", CLOSED)]}, "drifting", "drifting"),
        ({"skills": [LOST]}, "losing_skill", "losing_skill"),
        ({"skills": [LOST], "drifts": [DRIFTED]}, "losing_skill", "losing_skill,drifting"),
        ({"drifts": [DRIFTED], "age_days": 20}, "drifting", "drifting,stale"),
        ({"damage": "model.onnx was altered"}, "missing", "missing"),
        ({"damage": "altered", "failed_checks": ["quotes:sane"]}, "missing", "missing,broken"),
        ({"failed_checks": ["quotes:sane"], "age_days": 20}, "broken", "broken,stale"),
        ({"newest": date(2024, 1, 11), "skills": [LOST]}, "broken", "broken,losing_skill"),
    ],
)
def test_the_worst_that_holds_is_the_verdict_and_the_rest_is_told(case, verdict, causes):
    health = health_of(**case)
    assert (health["verdict"], health["causes"]) == (verdict, causes)


def test_quotes_that_are_late_are_counted_in_sessions():
    health = health_of(newest=date(2024, 1, 9))
    assert (
        "the newest quotes are of 2024-01-09, 3 sessions behind the last closed one, 2024-01-12"
        in health["reason"]
    )


def test_a_champion_that_cannot_be_asked_says_why():
    assert (
        "lstm cannot be asked: model.onnx was altered"
        in health_of(damage="model.onnx was altered")["reason"]
    )


def test_failed_checks_are_named():
    health = health_of(failed_checks=["quotes:sane", "features:no_leak"])
    assert "failed checks: quotes:sane, features:no_leak" in health["reason"]


def test_a_weekend_ages_nothing():
    sunday = health_of(last_closed=date(2024, 1, 14), newest=CLOSED)
    assert sunday["age_sessions"] == 5
    assert sunday["verdict"] == "fresh"


def test_a_clock_before_the_last_session_learned_from_reckons_no_negative_age():
    assert health_of(last_closed=date(2023, 12, 28))["age_sessions"] == 0


def test_without_the_last_closed_session_no_sessions_are_reckoned():
    assert pd.isna(health_of(last_closed=None, newest=date(2020, 1, 2))["age_sessions"])


def test_a_missing_model_is_missing_whatever_else_is_broken():
    table = model_health(
        ("lstm",), None, TRAINED, 15, last_closed=CLOSED, newest_quotes=date(2024, 1, 11)
    )
    assert table["verdict"].tolist() == ["missing"]
    assert table["causes"].tolist() == ["missing,broken"]
    assert table["reason"][0].startswith("lstm has no champion; the newest quotes are of")


def test_what_training_cannot_mend_is_not_asked_of_it():
    assert set(VERDICTS) - set(MENDED_BY_TRAINING) == {"broken", "fresh"}
