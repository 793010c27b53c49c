"""A model is fresh until the day it is stale: the clock is given, so the day can be tried."""

from datetime import UTC, datetime, timedelta, timezone

import pandas as pd
import pytest

from asset_predict_dagster.lake import Lake
from asset_predict_dagster.predictions.health import model_health
from asset_predict_dagster.table_checks import broken_promises
from asset_predict_dagster.tables import CHAMPIONS, MODEL_HEALTH

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
