"""The clock stands before the lake's end: later sessions are not known, and nobody forecasts one
whose future it has learned from.
"""

import re
import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster.dataset.features import TABLE as FEATURES
from asset_predict_dagster.errors import MarketDataError
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.models.bundle import load_bundle
from asset_predict_dagster.registry.registered import registered_versions
from asset_predict_dagster.service.answers import serving
from asset_predict_dagster.service.building import build_snapshot
from asset_predict_dagster.service.drift import drift_of
from asset_predict_dagster.service.errors import ApiError
from asset_predict_dagster.service.redaction import Places
from asset_predict_dagster.service.snapshot import Paper, Said, Snapshot
from asset_predict_dagster.service.state import look
from asset_predict_dagster.tables import (
    CHAMPIONS,
    FORECASTS_OUT_OF_SAMPLE,
    QUOTES,
    UNIVERSE,
)
from asset_predict_dagster_tests.pipeline.conftest import AS_OF, Workplace
from asset_predict_dagster_tests.service.asking import a_ticker, of_reason, refused
from asset_predict_dagster_tests.service.running import served

EARLIER = date(2020, 12, 16)


def places_of(data: Path) -> Places:
    return Places(data, str(data / "lake"), data / "bundles", data / "mlflow.db")


def built(data: Path, last_closed: date) -> Snapshot:
    places = places_of(data)
    return build_snapshot(places, timedelta(days=60), look(places, last_closed))


def let_serve_what_was_measured(data: Path, *models: str) -> None:
    """Those champions are the bundles that were measured, which learned from earlier sessions."""
    places = places_of(data)
    known, lake = registered_versions(places.registry_database), Lake(places.lake_root)
    champions = lake.read(CHAMPIONS).set_index("model")
    for model in models:
        digest = known[model, champions.loc[model, "model_version"]].evaluation_bundle
        last = load_bundle(places.bundles, digest).card["training_sessions"][1]
        champions.loc[model, "bundle"] = digest
        champions.loc[model, "training_end"] = pd.Timestamp(last)
    lake.write(CHAMPIONS, champions.reset_index())


def end_at(lake: Lake, last: date) -> None:
    """Make the lake that of a program that ran when that session had closed."""
    for table in (QUOTES, UNIVERSE, FEATURES):
        rows = lake.read(table)
        lake.write(table, rows[rows["session"] <= pd.Timestamp(last)])
    rows = lake.read(FORECASTS_OUT_OF_SAMPLE)
    lake.write(FORECASTS_OUT_OF_SAMPLE, rows[rows["target_session"] <= pd.Timestamp(last)])


@pytest.fixture
def copied(finished: Workplace, tmp_path) -> Path:
    """A copy of the market's data, whose champions have learned from early sessions alone."""
    data = Path(shutil.copytree(finished.settings.data, tmp_path / "data"))
    let_serve_what_was_measured(data, "random_forest", "lstm")
    return data


@pytest.mark.parametrize(
    ("clock", "following"), [(EARLIER, date(2020, 12, 17)), (date(2020, 12, 29), AS_OF)]
)
def test_what_is_said_is_what_a_lake_that_ends_at_the_clock_says(copied, clock, following):
    lake = Lake(copied / "lake")
    ticker = a_ticker(lake)

    def drift() -> dict[str, Any]:
        names, version = now.versions["lstm"].feature_names, lake.version(FEATURES)
        assert version is not None
        return drift_of(places_of(copied), ticker, names, None, version, clock)

    now = built(copied, clock)
    drifted = drift()
    end_at(lake, clock)
    ended = built(copied, clock)
    assert (now.session, now.sessions_late, now.targets[0]) == (clock, 0, following)
    assert now.hindsight == ended.hindsight == {}
    assert {t: all_of(paper) for t, paper in now.papers.items()} == {
        t: all_of(paper) for t, paper in ended.papers.items()
    }
    assert set(now.versions) == set(ended.versions) == {"random_forest", "lstm"}
    for model, version in now.versions.items():
        other = ended.versions[model]
        said = {t: numbers(one) for t, one in version.said.items()}
        assert said == {t: numbers(one) for t, one in other.said.items()}
        assert any(one.action for one in version.said.values())
        assert version.figures == other.figures
        assert max(one.last_session for one in version.figures.values()) < clock
    assert drifted == drift()


def all_of(paper: Paper) -> tuple[Any, ...]:
    return dict(paper.latest), paper.sessions, np.nan_to_num(paper.history, nan=-1.0).tolist()


def numbers(said: Said) -> tuple[Any, ...]:
    arrays = said.expected_returns, said.price_lows, said.price_highs
    return (
        said.reason,
        said.last_close,
        said.action,
        said.probabilities,
        *(one.tolist() for one in arrays),
    )


def test_a_model_without_an_honest_version_is_refused_and_the_other_answers(copied, finished):
    lake = Lake(copied / "lake")
    lake.write(CHAMPIONS, finished.lake.read(CHAMPIONS))
    let_serve_what_was_measured(copied, "random_forest")
    now = built(copied, EARLIER)
    assert (set(now.versions), set(now.hindsight)) == ({"random_forest"}, {"lstm"})
    assert serving(now, ("lstm", "random_forest")).model == "random_forest"
    with pytest.raises(ApiError, match=r"close of 2020-12-16 would be hindsight") as refusal:
        serving(now, ["lstm"])
    assert (refusal.value.status, refusal.value.code) == (422, "hindsight")


def test_a_clock_before_the_first_quote_is_named(copied):
    with pytest.raises(MarketDataError, match=r"no quotes up to 2000-01-03, .*ASSET_PREDICT_AS_OF"):
        built(copied, date(2000, 1, 3))


def test_champions_that_know_what_came_are_not_asked_and_no_later_price_is_shown(
    finished: Workplace, said, tmp_path
):
    ticker = of_reason(said, "", "lstm")
    quotes = finished.lake.read(QUOTES, where={"ticker": [ticker]}).set_index("session")["close"]
    settings = {"ASSET_PREDICT_AS_OF": str(EARLIER)}
    with served(tmp_path, finished.settings.data, **settings) as server:
        client = server.client
        health = client.get("/api/v1/health").json()
        assert (health["status"], health["data_session"]) == ("degraded", str(EARLIER))
        assert (health["models"], health["sessions_late"]) == ({}, 0)
        assert "lstm 1 has learned from sessions up to 2020-12-" in health["problem"]
        for route, body in (
            ("/api/b3/predict", {"ticker": ticker}),
            ("/api/b3/predict", {"ticker": ticker, "model_type": "lstm"}),
            ("/api/v1/predict", {"ticker": ticker}),
            ("/api/v1/predict", {"ticker": ticker, "model_version": "lstm:1"}),
            ("/models/predict", {"symbols": [ticker]}),
            ("/models/metrics", {"symbols": [ticker]}),
            ("/api/v1/drift/detect", {"ticker": ticker}),
        ):
            assert refused(client.post(route, json=body)) == (422, "hindsight"), route
        (checked,) = client.post("/models/check", json={"symbols": [ticker]}).json()
        assert checked["model_exists"] is True
        assert "would be hindsight" in checked["message"]
        latest = client.get(f"/asset/{ticker}").json()["data"]
        assert (latest["session"], latest["close"]) == (str(EARLIER), quotes[str(EARLIER)])
        shown = client.get(f"/asset/{ticker}/history?days=252").text
        assert max(re.findall(r"\d{4}-\d\d-\d\d", shown)) == str(EARLIER)
