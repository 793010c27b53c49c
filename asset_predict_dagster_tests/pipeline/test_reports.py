"""The report of a run is a file for people, and its verdicts stand in Dagster's UI."""

import shutil

import dagster as dg
import pytest

from asset_predict_dagster.dataset.splits import HOLDOUT
from asset_predict_dagster.evaluation.metrics import session_means
from asset_predict_dagster.pipeline.evaluation import MODEL_NAMES
from asset_predict_dagster.registry.store import Registry
from asset_predict_dagster.tables import CHAMPIONS, EVALUATION, FORECASTS_OUT_OF_SAMPLE
from asset_predict_dagster_tests.pipeline.conftest import Workplace, new_workplace

REPORT = dg.AssetKey("evaluation_report")


def told(place: Workplace):
    event = place.instance.get_latest_materialization_event(REPORT)
    assert event is not None and event.asset_materialization is not None
    return event.asset_materialization.metadata


def test_a_run_leaves_a_report_and_a_card_for_each_model(finished: Workplace):
    reports = finished.settings.data / "reports"
    page = (reports / "evaluation.html").read_text()
    for model in (*MODEL_NAMES, "average"):
        assert model in page
    cards = {card.name for card in (reports / "model_cards").iterdir()}
    assert cards == {"random_forest_1.md", "lstm_1.md"}
    assert "log_return_21d" in (reports / "model_cards" / "lstm_1.md").read_text()


def test_the_ui_shows_the_verdicts_and_small_pictures(finished: Workplace):
    metadata = told(finished)
    assert metadata["path"].value == str(finished.settings.data / "reports" / "evaluation.html")
    assert "random_forest" in metadata["verdict"].value
    assert {"equity_long_short", "equity_long_only", "rank_ic", "headline"} <= set(metadata)
    figures = [
        f"{kind}_{model}"
        for kind in ("reliability", "confusion")
        for model in ("random_forest", "lstm", "average")
    ]
    for name in ("equity_long_short", "rank_ic", "rank_ic_by_month", "coverage", *figures):
        assert str(metadata[name].value).startswith("![")
        assert len(metadata[name].value) < 70_000


def test_the_first_run_says_which_version_serves_and_compares_it_with_none(finished: Workplace):
    said = " ".join(str(told(finished)["versions"].value).split())
    for model in MODEL_NAMES:
        assert f"| {model} | – | 1 | 1 with none on these sessions |" in said


def test_an_importance_is_of_the_version_that_is_judged(finished: Workplace):
    page = (finished.settings.data / "reports" / "evaluation.html").read_text()
    assert "Of version 1 of lstm, on sessions of its validation from 20" in page


@pytest.fixture(scope="module")
def retrained(finished: Workplace, tmp_path_factory) -> Workplace:
    """The finished workplace after a second training, by another seed: version 2 of each model."""
    folder = tmp_path_factory.mktemp("retrained")
    shutil.copytree(finished.settings.data, folder / "data")
    place = new_workplace(folder)
    result = place.run("retrain", seed=7)
    assert result.success, [e.step_failure_data.error for e in result.get_step_failure_events()]
    return place


def test_the_champion_is_forecast_on_the_sessions_of_its_challenger(retrained: Workplace):
    rows = retrained.lake.read(FORECASTS_OUT_OF_SAMPLE, where={"window": [HOLDOUT]})
    for model in MODEL_NAMES:
        mine = rows[rows["model"] == model]
        same = ["horizon", "ticker", "session", "realised_return"]
        one, other = (
            mine.loc[mine["model_version"] == version, same].reset_index(drop=True)
            for version in ("1", "2")
        )
        assert len(one) and one.equals(other)
    # What the old average said stays beside the new one, and no average mixes the two.
    assert set(rows.loc[rows["model"] == "average", "model_version"]) == {"1", "2"}


def test_both_versions_are_measured_and_compared_on_them(retrained: Workplace):
    figures = retrained.lake.read(EVALUATION).set_index(["model", "model_version"])
    for model in MODEL_NAMES:
        one, other = (
            figures.loc[(model, version), ["first_session", "last_session"]].drop_duplicates()
            for version in ("1", "2")
        )
        assert one.to_numpy().tolist() == other.to_numpy().tolist()
    decided = retrained.lake.read(CHAMPIONS).set_index("model")
    for model in MODEL_NAMES:
        assert decided.loc[model, "candidate_version"] == "2"
        assert "common sessions" in decided.loc[model, "reason"]


def test_the_report_says_who_serves_and_by_how_much_the_two_differ(retrained: Workplace):
    registry = Registry(retrained.settings.registry_database)
    rows = retrained.lake.read(FORECASTS_OUT_OF_SAMPLE, where={"window": [HOLDOUT]})
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in str(told(retrained)["versions"].value).splitlines()
    ]
    for model in MODEL_NAMES:
        champion = registry.champion(model)
        assert champion is not None
        (line,) = [line for line in lines if line[:2] == [model, "rank IC"]]
        assert line[2:4] == [champion.version, "2 less 1"]
        new, old = (
            session_means(
                rows[
                    (rows["model"] == model)
                    & (rows["model_version"] == version)
                    & (rows["horizon"] == 1)
                ],
                "rank_ic",
            )
            for version in ("2", "1")
        )
        assert line[4].startswith(f"{(new - old).mean():.5f} [")
        assert line[6] == f"{(new - old).count():,}"


def test_the_report_judges_the_champion_beside_its_challenger(retrained: Workplace):
    metadata = told(retrained)
    assert "lstm 1" in metadata["headline"].value
    assert "lstm 2" in metadata["headline"].value
    cards = {card.name for card in (retrained.settings.data / "reports/model_cards").iterdir()}
    assert {"lstm_2.md", "random_forest_2.md"} <= cards
    registry = Registry(retrained.settings.registry_database)
    assert [registry.challenger(model).version for model in MODEL_NAMES] == ["2", "2"]
