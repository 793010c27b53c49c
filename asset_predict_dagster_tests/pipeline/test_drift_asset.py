"""Drift and live skill, as they come out of the lake: said by model, and never a reason to fail."""

import shutil
from datetime import date, timedelta

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster.dataset.features import TABLE as FEATURES
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.market.sessions import sessions_between
from asset_predict_dagster.pipeline.resources import Models
from asset_predict_dagster.predictions.drift import input_drift
from asset_predict_dagster.predictions.drift_rows import SAID, input_columns
from asset_predict_dagster.tables import (
    CHAMPIONS,
    DRIFT,
    FORECASTS_OUT_OF_SAMPLE,
    MODEL_HEALTH,
    OUTCOMES,
    PREDICTIONS,
    UNIVERSE,
)
from asset_predict_dagster_tests.pipeline.conftest import AS_OF, Workplace, new_workplace
from asset_predict_dagster_tests.pipeline.retraining_watch import Watch

QUARTER = 63


@pytest.fixture
def place(finished: Workplace, tmp_path) -> Workplace:
    place = new_workplace(tmp_path)
    shutil.copytree(finished.settings.data, place.settings.data)
    return place


def models_of(place: Workplace) -> Models:
    settings = place.settings
    return Models(
        database=str(settings.registry_database),
        bundles=str(settings.bundles),
        presets="",
        checkpoints="",
        seed=settings.seed,
        stale_after_days=15,
        expires_after_days=60,
    )


def judge(place: Workplace, *assets: str) -> pd.DataFrame:
    """Health by model, after these were made."""
    assert place.materialise(*assets).success
    return place.lake.read(MODEL_HEALTH).set_index("model")


def quarter_after(day: date) -> np.ndarray:
    """The 63 sessions after `day`."""
    return sessions_between(day + timedelta(days=1), day + timedelta(days=120))[:QUARTER]


def add_a_quarter(lake: Lake, factor: float) -> None:
    """The last 63 sessions once more, after themselves, volatilities `factor` times as large."""
    later = quarter_after(AS_OF)
    for table in (FEATURES, UNIVERSE):
        rows = lake.read(table)
        last = np.unique(rows["session"])[-QUARTER:]
        again = rows[rows["session"].isin(last)].copy()
        moved = later[np.searchsorted(last, again["session"])]
        again["session"] = moved.astype("datetime64[us]")
        for name in set(again.columns) & {"volatility_21d", "volatility_63d"}:
            again[name] *= factor
        lake.write(table, pd.concat([rows, again]))


def test_each_input_that_can_drift_has_a_row_as_reckoned_from_the_whole_tables(
    finished: Workplace,
):
    lake, models = finished.lake, models_of(finished)
    table = lake.read(DRIFT)
    for champion in lake.read(CHAMPIONS).itertuples():
        bundle = models.load(champion.bundle)
        columns = input_columns(bundle.card["feature_names"])
        plain = input_drift(
            lake.read(FEATURES), lake.read(UNIVERSE), columns, bundle.learned_until
        ).columns.set_index("column")
        mine = table[(table["model"] == champion.model) & (table["subject"] == "inputs")]
        assert set(mine["column"]) == set(columns)
        assert set(mine["model_version"]) == {champion.model_version}
        expected = plain.loc[mine["column"], "severity"].to_numpy()
        assert mine["severity"].to_numpy() == pytest.approx(expected)


def test_predictions_of_one_session_are_not_judged_and_the_run_says_so(place: Workplace):
    result = place.materialise("drift")
    assert result.success
    (made,) = result.asset_materializations_for_node("drift")
    for model in ("random_forest", "lstm"):
        said = str(made.metadata[model].value)
        assert said.startswith("inputs: no drift; the 63 sessions to 2020-12-30")
        assert "predictions: not judged" in said
    assert set(place.lake.read(DRIFT)["subject"]) == {"inputs"}


def test_a_history_too_short_to_compare_makes_an_empty_table(place: Workplace):
    for table in (FEATURES, UNIVERSE):
        rows = place.lake.read(table)
        first = np.unique(rows["session"])[-40]
        place.lake.write(table, rows[rows["session"] >= first])
    health = judge(place, "drift", "model_health")
    assert place.lake.read(DRIFT).empty
    assert (health["verdict"] == "fresh").all()
    assert health["reason"].str.contains("inputs: not judged").all()


def test_a_fresh_model_says_everything_that_was_looked_at(finished: Workplace):
    for health in finished.lake.read(MODEL_HEALTH).itertuples():
        assert health.verdict == "fresh"
        assert health.causes == ""
        for part in (
            "stale from 15",
            "sessions have closed since",
            "skill: not watched (none of what it said of a next session has come true yet)",
            "inputs: no drift",
            "predictions: not judged",
        ):
            assert part in health.reason


def test_the_same_quarter_once_more_is_no_drift(place: Workplace):
    add_a_quarter(place.lake, factor=1.0)
    health = judge(place, "drift", "model_health")
    assert not place.lake.read(DRIFT)["alarm_since"].notna().any()
    assert (health["verdict"] == "fresh").all()


def test_a_quarter_of_another_volatility_is_drift_and_a_training_is_asked_for(place: Workplace):
    add_a_quarter(place.lake, factor=4.0)
    health = judge(place, "drift", "model_health")
    table = place.lake.read(DRIFT)
    assert {"volatility_21d", "volatility_63d"} <= set(table[table["is_drifting"]]["column"])
    assert (table["alarm_since"].dt.date > AS_OF).all()
    assert health["causes"].tolist() == ["drifting", "drifting"]
    now = health["checked_at"].iloc[0].to_pydatetime()
    request = Watch(place).at(now)
    assert request.run_key == f"retrain-random_forest-drifting-{now.date()}"
    assert "inputs: drift since 2021-" in request.tags["asset_predict/reason"]


def holdout_of(lake: Lake, model: str) -> pd.DataFrame:
    """What it said of the next session, beside what came true."""
    rows = lake.read(FORECASTS_OUT_OF_SAMPLE, where={"window": ["holdout"], "horizon": [1]})
    return rows[rows["model"] == model]


def serve(lake: Lake, rows: pd.DataFrame) -> None:
    """As if these rows had been said live, and come true."""
    template = lake.read(PREDICTIONS).iloc[0]
    said = rows.reindex(columns=PREDICTIONS.column_names).assign(
        status=template["status"],
        created_at=template["created_at"],
        reason="",
        sessions_late=0,
        predicted_price=rows["last_close"],
    )
    lake.insert_new(PREDICTIONS, said)
    came = rows.reindex(columns=OUTCOMES.column_names).assign(
        is_within_interval=True, is_halted=False, sessions_late=0
    )
    for name in ("absolute_error", "naive_absolute_error", "predicted_price", "realised_price"):
        came[name] = 1.0
    lake.insert_new(OUTCOMES, came)


@pytest.mark.parametrize(("sign", "verdict"), [(1.0, "fresh"), (-1.0, "losing_skill")])
def test_skill_is_kept_while_it_comes_true_and_lost_when_the_opposite_does(
    place: Workplace, sign: float, verdict: str
):
    rows = holdout_of(place.lake, "random_forest")
    serve(place.lake, rows.assign(realised_return=sign * rows["realised_return"]))
    health = judge(place, "model_health")
    assert health["verdict"].to_dict() == {"random_forest": verdict, "lstm": "fresh"}
    now = health["checked_at"].iloc[0].to_pydatetime()
    request = Watch(place).at(now)
    assert ("random_forest-losing_skill" in getattr(request, "run_key", "")) == (sign < 0)


def test_what_is_said_is_compared_with_the_holdout_once_there_are_enough_sessions(
    place: Workplace,
):
    rows = holdout_of(place.lake, "random_forest")
    last = np.unique(rows["session"])[-QUARTER:]
    rows = rows[rows["session"].isin(last)]
    moved = quarter_after(AS_OF)[np.searchsorted(last, rows["session"])]
    serve(place.lake, rows.assign(session=moved.astype("datetime64[us]")))
    assert place.materialise("drift").success
    table = place.lake.read(DRIFT)
    said = table[table["subject"] == "predictions"]
    assert set(said["model"]) == {"random_forest"}
    assert set(said["column"]) == set(SAID)
    assert (said["reference_last"].dt.date < AS_OF).all()
    assert (said["current_last"].dt.date > AS_OF).all()


def test_without_the_forecasts_that_promised_it_skill_is_not_watched(place: Workplace):
    for model in ("random_forest", "lstm"):
        serve(place.lake, holdout_of(place.lake, model))
    rows = place.lake.read(FORECASTS_OUT_OF_SAMPLE)
    place.lake.write(FORECASTS_OUT_OF_SAMPLE, rows[rows["model"] != "lstm"])
    health = judge(place, "drift", "model_health")
    reason = health.loc["lstm", "reason"]
    assert "skill: not watched (forecasts_out_of_sample has no row of version 1" in reason
    assert "predictions: not judged (forecasts_out_of_sample has no row of lstm 1" in reason
    assert "inputs: no drift" in reason
    assert health.loc["lstm", "verdict"] == "fresh"
    assert "skill: not watched" not in health.loc["random_forest", "reason"]


def test_health_is_told_though_a_table_is_gone(place: Workplace):
    shutil.rmtree(f"{place.lake.root}/{FEATURES.name}")
    health = judge(place, "model_health")
    assert health["reason"].str.contains("drift: not judged (table 'features'", regex=False).all()
    assert health["reason"].str.contains("skill: not watched (table 'features'", regex=False).all()
    assert (health["verdict"] == "fresh").all()


def test_quotes_behind_the_last_closed_session_make_it_broken(place: Workplace):
    late = Workplace(place.settings.model_copy(update={"as_of": date(2021, 1, 5)}), place.instance)
    health = judge(late, "model_health")
    assert (health["verdict"] == "broken").all()
    assert health["reason"].str.contains("2 sessions behind the last closed one").all()


def test_a_check_that_failed_on_what_models_read_makes_them_broken(place: Workplace):
    place.instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey("quotes"),
            check_name="prices_are_possible",
            passed=False,
            metadata={},
            severity=dg.AssetCheckSeverity.ERROR,
        )
    )
    health = judge(place, "model_health")
    assert (health["verdict"] == "broken").all()
    assert health["reason"].str.contains("failed checks: quotes: prices_are_possible").all()
