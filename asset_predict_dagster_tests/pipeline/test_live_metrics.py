"""In Dagster's UI, live figures are a table for each model and a picture of all."""

from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster.market.sessions import opens_at, session_after, sessions_between
from asset_predict_dagster.tables import LIVE_METRICS, OUTCOMES, PREDICTIONS
from asset_predict_dagster_tests.pipeline.conftest import Workplace, new_workplace

TICKERS = [f"TICK{number}" for number in range(10, 18)]
DAYS = [day.astype(date) for day in sessions_between(date(2023, 11, 1), date(2024, 1, 30))]


def life(model: str, skill: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A quarter of the ledger at horizon 1, made four hours before each opening, and what came."""
    random = np.random.default_rng(1)
    parts = []
    for day in DAYS:
        target = session_after(day)
        came = 0.02 * random.standard_normal(len(TICKERS))
        said = skill * came + 0.01 * random.standard_normal(len(TICKERS))
        blank = {column.name: 0.0 for column in (*PREDICTIONS.columns, *OUTCOMES.columns)}
        parts.append(
            pd.DataFrame(
                blank
                | {
                    "model": model,
                    "model_version": "1",
                    "ticker": TICKERS,
                    "session": pd.Timestamp(day).as_unit("us"),
                    "target_session": pd.Timestamp(target).as_unit("us"),
                    "horizon": 1,
                    "action": "hold",
                    "status": "unproven",
                    "reason": "",
                    "created_at": pd.Timestamp(opens_at(target) - timedelta(hours=4)),
                    "expected_return": said,
                    "realised_return": came,
                    "absolute_error": np.abs(came - said),
                    "naive_absolute_error": np.abs(came),
                    "is_within_interval": np.abs(came - said) < 0.03,
                    "is_halted": False,
                }
            )
        )
    rows = pd.concat(parts, ignore_index=True)
    return rows[PREDICTIONS.column_names], rows[OUTCOMES.column_names]


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    place = new_workplace(tmp_path)
    for model, skill in (("lstm", 0.5), ("random_forest", 0.0)):
        predictions, outcomes = life(model, skill)
        place.lake.insert_new(PREDICTIONS, predictions)
        place.lake.insert_new(OUTCOMES, outcomes)
    return place


def test_a_person_reads_each_model_by_month_beside_the_naive_and_sees_it(place: Workplace):
    result = place.materialise("live_metrics")
    assert result.success
    (made,) = result.asset_materializations_for_node("live_metrics")
    for model in ("lstm", "random_forest"):
        told = made.metadata[model]
        assert isinstance(told, dg.MarkdownMetadataValue)
        lines = [line for line in (told.md_str or "").splitlines() if line.startswith("| 202")]
        # Said in the last sessions of a month, and about the first of the next one.
        months = ["2024-01", "2023-12", "2023-11"]
        assert [line.split("|")[1].strip() for line in lines] == months
        assert "hits / naive" in (told.md_str or "")
    picture = made.metadata["by_month"]
    assert isinstance(picture, dg.MarkdownMetadataValue)
    assert "data:image/png;base64," in (picture.md_str or "")

    table = place.lake.read(LIVE_METRICS).set_index(["model", "month"])
    assert (table.loc["lstm", "rank_ic_low"] > 0.3).all()
    assert (table.loc["random_forest", "rank_ic_low"] < 0).all()


def test_the_figures_are_made_again_only_where_they_changed(place: Workplace):
    assert place.materialise("live_metrics").success
    version = place.lake.version(LIVE_METRICS)
    assert place.materialise("live_metrics").success
    assert place.lake.version(LIVE_METRICS) == version


def test_before_anything_is_predicted_it_says_what_to_do(tmp_path: Path):
    place = new_workplace(tmp_path)
    (failure,) = place.materialise("live_metrics").get_step_failure_events()
    assert "table 'predictions' has not been made yet" in str(failure.step_failure_data.error)
