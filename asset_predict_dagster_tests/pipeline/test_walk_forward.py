"""A half-year is a partition; a backtest runs many in one go and trains none of them twice."""

import json
import shutil
import sys
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from asset_predict_dagster.cli import main
from asset_predict_dagster.dataset.splits import HOLDOUT
from asset_predict_dagster.definitions import build_definitions
from asset_predict_dagster.evaluation.evaluate import WALK_FORWARD
from asset_predict_dagster.pipeline.importances import serving_importances
from asset_predict_dagster.pipeline.made_windows import half_years_in
from asset_predict_dagster.tables import (
    CHAMPIONS,
    EVALUATION,
    FORECASTS_OUT_OF_SAMPLE,
    LABELS,
    QUOTES,
    UNIVERSE,
    WALK_FORWARD_SUMMARY,
)
from asset_predict_dagster_tests.pipeline.conftest import AS_OF, STRONG, Workplace, new_workplace

FORECASTS = dg.AssetKey("walk_forward_forecasts")


@pytest.fixture(scope="module")
def place(finished: Workplace, tmp_path_factory) -> Workplace:
    folder = tmp_path_factory.mktemp("walk_forward")
    shutil.copytree(finished.settings.data, folder / "data")
    return new_workplace(folder)


def run(place: Workplace, window: str) -> dg.ExecuteInProcessResult:
    job = build_definitions(place.settings).resolve_job_def("walk_forward")
    return job.execute_in_process(
        instance=place.instance, partition_key=window, raise_on_error=False
    )


@pytest.fixture(scope="module")
def result(place: Workplace) -> dg.ExecuteInProcessResult:
    """The first half-year of 2020, run alone."""
    return run(place, "2020H1")


def its_rows(place: Workplace, window: str) -> pd.DataFrame:
    return place.lake.read(FORECASTS_OUT_OF_SAMPLE, where={"window": [window]})


def test_a_partition_is_the_forecasts_of_its_half_year(place: Workplace, result):
    assert result.success
    rows = its_rows(place, "2020H1")
    assert rows["session"].min() == pd.Timestamp("2020-01-02")
    assert rows["session"].max() == pd.Timestamp("2020-06-30")
    versions = rows.groupby("model")["model_version"].first()
    for model in ("random_forest", "lstm", "average"):
        assert versions[model] == "walk-forward"
    assert versions["naive"] == "baseline"
    assert place.instance.get_materialized_partitions(FORECASTS) == {"2020H1"}


def test_the_run_says_what_it_made(place: Workplace, result):
    (made,) = result.asset_materializations_for_node(FORECASTS.to_user_string())
    assert made.partition == "2020H1"
    assert made.metadata["dagster/partition_row_count"].value == len(its_rows(place, "2020H1"))
    assert made.metadata["last_session"].value == "2020-06-30"
    assert "momentum" in made.metadata["rank_ic"].value
    assert "labels" in made.metadata["came_from"].value


def test_its_report_shows_what_the_serving_versions_draw_on(place: Workplace, result):
    page = (place.settings.data / "reports" / "walk_forward.html").read_text()
    for model in ("random_forest", "lstm"):
        said = f"Of version 1 of {model}, on sessions of its validation from 20"
        after = page[page.index(said) :][:200]
        assert "it serves, and is none of the models that are judged here" in after
    (made,) = result.asset_materializations_for_node("walk_forward_report")
    assert {"coverage", "rank_ic_by_month", "confusion_lstm", "reliability_average"} <= set(
        made.metadata
    )


def test_without_a_version_that_serves_no_importance_is_shown_and_no_registry_made(tmp_path):
    alone = new_workplace(tmp_path)
    models = build_definitions(alone.settings).resources["models"]
    found = serving_importances(models)
    assert set(found) == {"random_forest", "lstm"}
    for model, importance in found.items():
        assert importance.table.empty
        assert f"no version of {model} serves yet" in importance.words
    assert not alone.settings.registry_database.exists()


def test_the_planted_skill_is_found_in_it(place: Workplace, result):
    summary = place.lake.read(WALK_FORWARD_SUMMARY).set_index(["model", "window", "metric"])
    for model in ("random_forest", "lstm", "average"):
        found = summary.loc[(model, WALK_FORWARD, "rank_ic")]
        assert found.loc[found["horizon"] == 1, "low"].item() > 0.05


def test_the_checks_of_the_summary_pass(result):
    checks = {check.check_name: check.passed for check in result.get_asset_check_evaluations()}
    assert checks == {"keeps_the_dictionary": True, "no_session_counts_twice": True}


def test_what_serves_is_judged_on_the_holdout_as_before(finished: Workplace, place, result):
    for table in (EVALUATION, CHAMPIONS):
        assert place.lake.version(table) == finished.lake.version(table)
    pd.testing.assert_frame_equal(its_rows(place, HOLDOUT), its_rows(finished, HOLDOUT))


def test_a_window_without_a_past_fails_with_one_sentence_and_writes_nothing(place, result):
    before = place.lake.version(FORECASTS_OUT_OF_SAMPLE)
    refused = run(place, "2018H1")
    (failure,) = refused.get_step_failure_events()
    said = failure.step_failure_data.user_failure_data.description
    assert "window 2018H1 needs 334 labelled sessions before 2018-01-01" in said
    assert "windows from 2020H1 to 2020H2 can be made" in said
    assert place.lake.version(FORECASTS_OUT_OF_SAMPLE) == before


@pytest.fixture(scope="module")
def shell(place: Workplace, result):
    """Type `asset-predict ...` in that workplace: exit code, what was printed, stderr."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASSET_PREDICT_DATA", str(place.settings.data))
        patch.setenv("ASSET_PREDICT_AS_OF", str(AS_OF))
        patch.setenv("ASSET_PREDICT_SIGNAL_STRENGTH", str(STRONG))
        patch.setenv("COLUMNS", "80")
        for name in ("ASSET_PREDICT_SOURCE", "ASSET_PREDICT_LAKE", "SEED", "FORCE_COLOR"):
            patch.delenv(name, raising=False)
        yield patch


@pytest.fixture
def typed(shell, capsys):
    def run(*words: str) -> tuple[int, str, str]:
        shell.setattr(sys, "argv", ["asset-predict", *words])
        with pytest.raises(SystemExit) as stopped:
            main()
        printed = capsys.readouterr()
        return stopped.value.code or 0, printed.out, printed.err

    return run


@pytest.fixture
def home(shell, tmp_path):
    """An instance of Dagster of one's own."""
    shell.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    yield tmp_path
    shell.delenv("DAGSTER_HOME")


def test_a_backtest_trains_what_is_not_there_and_tells_dagster(place, typed, home):
    before = its_rows(place, "2020H1")
    code, out, err = typed("backtest", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert (told["windows"], told["n_trained"]) == (["2020H1", "2020H2"], 1)
    pd.testing.assert_frame_equal(its_rows(place, "2020H1"), before)
    assert half_years_in(place.lake) == ["2020H1", "2020H2"]
    assert set(place.lake.read(WALK_FORWARD_SUMMARY)["window"]) == {
        "2020H1",
        "2020H2",
        WALK_FORWARD,
    }
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert instance.get_materialized_partitions(FORECASTS) == {"2020H2"}
        assert instance.get_latest_materialization_event(dg.AssetKey("walk_forward_report"))
        (ran,) = instance.get_runs()
        assert (ran.job_name, ran.status.value) == ("backtest", "SUCCESS")
        assert ran.run_id == told["run_id"]
    assert {verdict["model"] for verdict in told["verdicts"]} == {
        "random_forest",
        "lstm",
        "average",
    }
    assert {row["metric"] for row in told["figures"]} >= {"rank_ic", "log_loss", "r2_price"}
    assert "<html" in Path(told["report"]).read_text()


def test_the_half_year_that_is_not_over_is_tested_so_far(place, typed, home):
    labels, universe = place.lake.read(LABELS), place.lake.read(UNIVERSE)
    usable = labels["action"].notna() & universe["in_universe"]
    rows = its_rows(place, "2020H2")
    direct = rows[rows["horizon"] == 1]
    assert direct["session"].max() <= labels.loc[usable, "session"].max()
    assert direct["session"].max() > pd.Timestamp("2020-12-20")
    assert place.lake.read(QUOTES)["session"].max() == pd.Timestamp(AS_OF)


def test_the_same_again_trains_nothing_and_says_the_verdict_in_80_columns(place, typed, home):
    version = place.lake.version(FORECASTS_OUT_OF_SAMPLE)
    code, out, err = typed("backtest", "--start", "2020H1", "--cost-bps", "500")
    assert code == 0, err
    assert "2020H1 to 2020H2: 2 windows, 0 trained now" in out
    assert place.lake.version(FORECASTS_OUT_OF_SAMPLE) == version
    lines = out.splitlines()
    assert all(len(line) <= 80 for line in lines if "report" not in line)
    said = " ".join(out.split())
    assert "In the same sessions: equal weight of the universe, at no cost " in said
    assert "rank_ic" in said and "long only" in said and "…" not in said
    (report,) = [line for line in lines if line.startswith("The report: ")]
    path = Path(report.removeprefix("The report: "))
    assert path.name == "backtest_2020H1_2020H2_500bp.html"
    assert "500" in path.read_text()


def test_without_an_instance_the_run_is_not_kept_and_that_is_said(place, typed, shell):
    shell.delenv("DAGSTER_HOME", raising=False)
    code, out, err = typed("backtest", "--start", "2020H1", "--end", "2020H1")
    assert (code, err) == (0, "")  # where there is no terminal there is no bar
    assert "2020H1 to 2020H1: 1 window, 0 trained now" in out
    assert "DAGSTER_HOME is not set, so Dagster's UI does not know of this run" in out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--step", "4"), "3, 6 or 12 were expected"),
        (("--start", "May"), "neither a day such as"),
        (("--start", "2020H2", "--end", "2020-01-31"), "--end 2020-01-31 is before"),
        (("--cost-bps", "-1"), "greater than or equal to 0"),
    ],
)
def test_a_span_that_makes_no_sense_is_a_usage_error(typed, words, says):
    code, _, err = typed("backtest", *words)
    assert code == 2
    assert says in " ".join(err.replace("│", " ").split())


def test_a_span_that_cannot_be_tested_is_one_sentence(typed, home):
    code, out, err = typed("backtest", "--start", "2015H1", "--end", "2015H2")
    assert (code, out) == (1, "")
    assert err.startswith("asset-predict: window 2015H1 needs 334 labelled sessions")
    assert err.count("\n") == 1


def test_a_home_that_is_no_folder_is_one_sentence(typed, shell, tmp_path):
    shell.setenv("DAGSTER_HOME", str(tmp_path / "nowhere"))
    code, out, err = typed("backtest")
    shell.delenv("DAGSTER_HOME")
    assert (code, out) == (1, "")
    assert err.startswith("asset-predict: ") and err.count("\n") == 1
