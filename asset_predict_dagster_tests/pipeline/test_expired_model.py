"""A champion that nobody has trained for too long falls silent in the ledger."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from asset_predict_dagster.dataset.features import TABLE as FEATURES
from asset_predict_dagster.market.sessions import opens_at, session_after
from asset_predict_dagster.models.base import Trained
from asset_predict_dagster.models.bundle import feature_formulas, write_bundle
from asset_predict_dagster.tables import CHAMPIONS, PREDICTIONS, QUOTES, UNIVERSE
from asset_predict_dagster_tests.market.simulated_tables import market_as_of
from asset_predict_dagster_tests.pipeline.conftest import Workplace, new_workplace
from asset_predict_dagster_tests.predictions.hand_made_bundle import memory_bundle

SESSION = date(2020, 2, 21)
OPENING = opens_at(session_after(SESSION))


def with_a_champion(folder: Path, trained_at: datetime) -> Workplace:
    """The tables as of the session, and a champion that was made without a training."""
    place = new_workplace(folder, as_of=SESSION)
    market = market_as_of(SESSION)
    for table, frame in (
        (QUOTES, market.quotes),
        (UNIVERSE, market.universe),
        (FEATURES, market.features),
    ):
        place.lake.write(table, frame)
    bundle = memory_bundle(5)
    made = Trained("model.txt", b"", bundle.onnx, {}, lambda given: (given, given))
    formulas = feature_formulas(tuple(bundle.card["feature_names"]))
    digest = write_bundle(
        place.settings.bundles, made, bundle.card | {"feature_formulas": formulas}
    )
    row = {
        "model": "lstm",
        "model_version": "1",
        "status": "unproven",
        "candidate_version": "1",
        "decision": "promoted",
        "reason": "first champion",
        "trained_at": pd.Timestamp(trained_at.astimezone(UTC)).as_unit("us"),
        "training_end": pd.Timestamp("2018-06-29").as_unit("us"),
        "bundle": digest,
    }
    place.lake.write(CHAMPIONS, pd.DataFrame([row]))
    return place


@pytest.mark.parametrize(("seconds", "is_silent"), [(0, False), (1, True)])
def test_a_champion_older_than_the_setting_says_is_silent_by_name(tmp_path, seconds, is_silent):
    place = with_a_champion(tmp_path, OPENING - timedelta(days=60, seconds=seconds))
    assert place.materialise("predictions").success
    table = place.lake.read(PREDICTIONS)
    assert set(table["session"].dt.date) == {SESSION}
    assert (table["reason"] == "model_expired").any() == is_silent
    assert (table["reason"] == "").any() != is_silent
